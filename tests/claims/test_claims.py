"""Claims: every status is reachable, absent tables are honest, and the fragments are well formed."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from calcium_latents.claims.table import (
    BEATEN,
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    Claim,
    claims_table,
    to_html,
)
from calcium_latents.errors import UserError

LEVELS = {"radical": 0.98, "autolfads": 0.8, "smth-dec": 0.6}


def scores(frequencies=(10,), levels=LEVELS):
    jitter = [0.0, 0.001, -0.001, 0.002, -0.002]
    return pd.DataFrame(
        [
            {
                "dataset": f"lorenz-{hz}hz",
                "frequency_hz": hz,
                "model": model,
                "seed": 1,
                "fold": fold,
                "latent": latent,
                "r2": level + jitter[fold] * (1 if model == "radical" else -1),
            }
            for hz in frequencies
            for model, level in levels.items()
            for fold in range(5)
            for latent in "XYZ"
        ]
    )


def table(**tables):
    return claims_table({"radical": tables}).set_index("claim")


def test_without_tables_nothing_is_tested():
    rows = table()
    assert len(rows) > 30 and (rows["status"] == NOT_TESTED).all() and rows["ours"].isna().all()


def test_good_scores_reproduce_and_beat_and_other_speeds_stay_untested():
    rows = table(scores=scores())
    assert rows.loc["radical-z-above-0.8-10hz", "status"] == REPRODUCED
    assert rows.loc["radical-z-above-0.8-7hz", "status"] == NOT_TESTED
    assert rows.loc["radical-better-than-smth-dec-10hz", "status"] == REPRODUCED
    assert rows.loc["radical-better-than-smth-dec-10hz", "ours"] == pytest.approx(0.38)
    assert rows.loc["radical-better-than-smth-sim-fluor-10hz", "status"] == NOT_TESTED
    assert rows.loc["radical-tutorial-x", "status"] == BEATEN
    assert rows.loc["radical-tutorial-x", "lower"] > 0.970


def test_bad_scores_do_not_reproduce():
    rows = table(scores=scores(levels=LEVELS | {"radical": 0.7}))
    assert rows.loc["radical-z-above-0.8-10hz", "status"] == NOT_REPRODUCED
    assert rows.loc["radical-better-than-autolfads-10hz", "status"] == NOT_REPRODUCED
    assert rows.loc["radical-better-than-autolfads-10hz", "ours"] < 0
    assert rows.loc["radical-tutorial-z", "status"] == NOT_REPRODUCED


@pytest.mark.parametrize(("mean", "status"), [(0.33, REPRODUCED), (0.28, NOT_REPRODUCED)])
def test_calibration(mean, status):
    neurons = pd.DataFrame({"neuron": [0, 1, 2], "correlation": [mean - 0.02, mean + 0.02, np.nan]})
    once = table(calibration=neurons.assign(dataset="a")).loc["radical-calibration"]
    assert once["status"] == status
    # The same neurons again, in another dataset, are no more evidence.
    twice = table(calibration=pd.concat([neurons.assign(dataset=name) for name in "ab"]))
    assert twice.loc["radical-calibration", "lower"] == pytest.approx(once["lower"])


def test_scores_of_trials_that_no_model_was_fitted_on_are_told():
    some = scores()
    rows = table(scores=some.assign(r2_validation=some["r2"] - 0.25))
    level = some[(some["model"] == "radical") & (some["latent"] == "Z") & (some["frequency_hz"] == 10)]["r2"].mean()
    assert f"; {level - 0.25:.3f} on trials that no model" in rows.loc["radical-z-above-0.8-10hz", "reason"]
    assert "on trials that no model" in rows.loc["radical-better-than-autolfads-10hz", "reason"]
    assert "no model" not in table(scores=some).loc["radical-z-above-0.8-10hz", "reason"]


@pytest.mark.parametrize(("best", "status"), [(0.03, REPRODUCED), (0.05, NOT_REPRODUCED)])
def test_lag(best, status):
    lags = np.round(np.arange(-0.02, 0.11, 0.01), 6)
    sweep = pd.DataFrame({"model": "radical", "lag_s": lags, "r2": 1 - np.abs(lags - best)})
    row = table(lag_sweep=sweep).loc["radical-lag-30ms"]
    assert row["status"] == status and row["ours"] == pytest.approx(best * 1e3)


def test_peaks():
    simulation = pd.DataFrame({"dataset": ["a", "b"], "frequency_hz": [7, 10], "realised_peak_hz": [7.2, 12.0]})
    rows = table(simulation=simulation)
    assert rows.loc["radical-peak-7hz", "status"] == REPRODUCED
    assert rows.loc["radical-peak-10hz", "status"] == NOT_REPRODUCED


def test_fragments_are_well_formed_and_hold_every_claim():
    rows = claims_table({"radical": {"scores": scores()}})
    page = to_html(rows, "quick")
    body = ElementTree.fromstring(page.replace("<!DOCTYPE html>", "").replace('<meta charset="utf-8">', ""))
    assert len(body.findall(".//tbody/tr")) == len(rows)
    assert "&gt; 0.8" in page and "[" in page


def test_other_studies_register_and_mistakes_are_found():
    with pytest.raises(UserError, match="studies"):
        claims_table({"unknown": {}})
    with pytest.raises(ValueError, match="status"):
        Claim("a", "s", "1", "x", "1", 1.0, 0.0, 2.0, "maybe", "")
    with pytest.raises(ValueError, match="twice"):
        claims_table(
            {},
            {
                "one": "calcium_latents.studies.radical.claims",
                "two": "calcium_latents.studies.radical.claims",
            },
        )
