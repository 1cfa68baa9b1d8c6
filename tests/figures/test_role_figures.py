"""Figures of roles: ties and losses are said in words, tables without a part still draw."""

import fake_roles
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.figures import draw_figure
from calcium_latents.figures.rows import select
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.figures import lagged_influence, transition_roles
from calcium_latents.studies.latent_contributions.figures.role_scores import DIFFERENCE, SCORE
from calcium_latents.studies.latent_contributions.roles_benchmark import verdict

ROLES, LEADS = "latent_contributions_transition_roles", "latent_contributions_lagged_influence"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return fake_roles.make(tmp_path_factory.mktemp("roles"))


def test_a_nested_layout_gives_the_same_bytes_again(inputs, tmp_path):
    first, second = (draw_figure(ROLES, inputs[ROLES], tmp_path / n / "t") for n in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def compared(**verdicts):
    rows = [
        {"role": roles.INITIATOR, "method": method, "difficulty": "observation_noise", "level": level}
        | {"verdict": verdict, "value": 0.0}
        for method, values in verdicts.items()
        for level, verdict in enumerate(values, 1)
    ]
    return pd.DataFrame(rows)


def test_outcomes_in_words():
    table = compared(crossing_share=["ties", "wins", "wins"], early_share=["loses"] * 3)
    said = transition_roles.outcome(table, roles.INITIATOR, "crossing_share")
    assert said == "crossing share wins at 2, 3; ties at 1"
    assert transition_roles.outcome(table, roles.INITIATOR, "early_share") == "early share loses at 1, 2, 3"
    assert "not compared" in transition_roles.outcome(table, roles.STABILISER, "hold_share")
    said = lagged_influence.outcome(compared(net_influence=["loses", "ties"]))
    assert "net influence ties at noise 2; loses at noise 1" in said
    assert lagged_influence.outcome(compared(other=["wins"])) == "Nothing was compared"


def test_one_network_and_missing_scores_still_draw(inputs, tmp_path):
    files = inputs[ROLES]
    table = pd.read_csv(files["scores"][0])
    table = table[(table["network"] == 0) & table["level"].isin([0.5, 1.0])]
    table.loc[table["method"] == "half_rise_latency", "score"] = float("nan")
    table.to_csv(tmp_path / "one.csv", index=False)
    for name in fake_roles.EXPECTED_TEXT:
        assert len(draw_figure(name, files | {"scores": [tmp_path / "one.csv"]}, tmp_path / name)) == 3
    table[table["benchmark"] == "transitions"].to_csv(tmp_path / "half.csv", index=False)
    with pytest.raises(UserError, match="rows of the benchmark 'delays'"):
        draw_figure(LEADS, files | {"scores": [tmp_path / "half.csv"]}, tmp_path / "x")
    with pytest.raises(UserError, match="rows of the benchmark 'transitions'"):
        table[table["benchmark"] == "delays"].to_csv(tmp_path / "half.csv", index=False)
        draw_figure(ROLES, files | {"scores": [tmp_path / "half.csv"]}, tmp_path / "x")


def test_tables_hold_means_over_networks_and_paired_differences(inputs):
    table = transition_roles.tabulate(inputs[ROLES])
    scores = pd.read_csv(inputs[ROLES]["scores"][0])
    keys = {"role": roles.INITIATOR, "method": "crossing_share", "difficulty": "observation_noise", "level": 1.0}
    of = {
        method: select(scores, **keys | {"method": method})["score"].to_numpy() for method in scores["method"].unique()
    }
    (score,) = select(table, panel="d", quantity=SCORE, **keys).itertuples()
    assert score.value == pytest.approx(of["crossing_share"].mean()) and score.n == 3
    (difference,) = select(table, panel="f", quantity=DIFFERENCE, **keys).itertuples()
    assert difference.value == pytest.approx((of["crossing_share"] - of[difference.baseline]).mean())
    assert difference.verdict == verdict(difference.lower, difference.upper)
    assert set(lagged_influence.tabulate(inputs[LEADS])["panel"]) == {"a", "c"}
