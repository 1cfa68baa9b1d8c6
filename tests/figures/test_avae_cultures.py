"""The figures of simulated cultures: every text in its place, also where there is little to show."""

import fake_avae_cultures
import numpy as np
import pandas as pd
import pytest
from test_figures import check_layout, texts  # noqa: F401  (a fixture)

from calcium_latents.errors import UserError
from calcium_latents.figures import draw_figure
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.simulation.culture.culture_recording import add_noise, simulate_cultures
from calcium_latents.studies.avae.figures import figure1 as avae_figure1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Inputs of both figures."""
    return fake_avae_cultures.make(tmp_path_factory.mktemp("cultures"))


def test_the_same_inputs_are_the_same_bytes(made, tmp_path):
    one_set = {name: files[:1] for name, files in made["avae_cultures"].items()}
    one, two = (draw_figure("avae_cultures", one_set, tmp_path / folder / "x") for folder in "ab")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_one_set_of_one_silent_group_is_a_figure_too(tmp_path, texts):  # noqa: F811
    settings = fake_avae_cultures.SET | {
        "groups": [{"label": "control", "cultures": 1}],
        "duration_s": 0.2,
        "discarded_s": [1, 1],
    }
    settings["parameters"] = settings["parameters"] | {"inhibitory_fraction": 0.0, "connection_probability": 0.0}
    recording, statistics = simulate_cultures(settings, 3)
    assert statistics["burst_duration_s"].isna().all() and statistics["inhibitory_rate_hz"].isna().all()
    write_recording(recording, tmp_path / "one.nc", fake_avae_cultures.PROVENANCE)
    statistics.to_csv(tmp_path / "one.csv", index=False)
    draw_figure("avae_cultures", {"sets": [tmp_path / "one.nc"], "statistics": [tmp_path / "one.csv"]}, tmp_path / "a")
    check_layout(texts)
    texts.clear()
    traces = add_noise(recording, 0.0, "without noise", 0)
    write_recording(traces, tmp_path / "traces.nc", fake_avae_cultures.PROVENANCE)
    draw_figure("avae_figure1", {"traces": [tmp_path / "traces.nc"]}, tmp_path / "b")
    check_layout(texts)


def test_more_sets_and_groups_than_fit_are_cut(made, tmp_path, texts):  # noqa: F811
    groups = [{"label": f"group {i}", "cultures": 1} for i in range(5)]
    recording, statistics = simulate_cultures(fake_avae_cultures.SET | {"groups": groups}, 3)
    files = {"sets": list(made["avae_cultures"]["sets"]), "statistics": list(made["avae_cultures"]["statistics"])}
    write_recording(recording, tmp_path / "conditions.nc", fake_avae_cultures.PROVENANCE)
    statistics.to_csv(tmp_path / "conditions.csv", index=False)
    files["sets"].append(tmp_path / "conditions.nc")
    files["statistics"].append(tmp_path / "conditions.csv")
    draw_figure("avae_cultures", files, tmp_path / "many")
    check_layout(texts)
    assert not any("group 3, culture" in text for text, _, _ in texts)


def test_files_that_do_not_belong_together_are_named(made, tmp_path):
    files = made["avae_cultures"]
    with pytest.raises(UserError, match=r"expected files of the same names, found \['presynaptic', 'published'\]"):
        draw_figure("avae_cultures", files | {"statistics": files["statistics"][:1]}, tmp_path / "x")
    traces = read_recording(files["sets"][0])
    del traces.attrs["orientation"]
    write_recording(traces, tmp_path / "published.nc", fake_avae_cultures.PROVENANCE)
    one = {"sets": [tmp_path / "published.nc"], "statistics": files["statistics"][:1]}
    with pytest.raises(UserError, match="published.nc: orientation: expected one of published, presynaptic"):
        draw_figure("avae_cultures", one, tmp_path / "x")
    with pytest.raises(UserError, match="published.nc: noise_level: expected this variable"):
        draw_figure("avae_figure1", {"traces": files["sets"][:1]}, tmp_path / "x")
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "published.csv")
    wrong = {"sets": files["sets"][:1], "statistics": [tmp_path / "published.csv"]}
    with pytest.raises(UserError, match="expected the columns"):
        draw_figure("avae_cultures", wrong, tmp_path / "x")


def test_the_nearest_median_is_exact_on_a_line():
    labels = np.repeat(["a", "b"], 3)
    values = np.array([0.0, 1.0, 2.0, 3.0, 10.0, 11.0])  # medians 1 and 10; 3 is nearer to 1
    assert avae_figure1.nearest_median(values, labels) == pytest.approx((1 + 2 / 3) / 2)
    assert avae_figure1.nearest_median(np.zeros(6), labels) == pytest.approx(0.5)
