"""How well methods recover latents, and whether RADICaL does better."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.statistics.intervals import mean_interval, paired_t_test
from calcium_latents.studies.radical.recovery import recovery, typical_trial

FOLDS = {
    "radical": np.array([0.8, 0.82, 0.79, 0.85, 0.8]),
    "smth-dec": np.array([0.7, 0.75, 0.74, 0.76, 0.73]),
}


def scores(seeds=(0, 1)):
    rows = [
        {"dataset": "d", "frequency_hz": hz, "latent": latent, "model": model, "seed": seed, "fold": fold, "r2": r2}
        for model, folds in FOLDS.items()
        for fold, r2 in enumerate(folds - 0.005)
        for seed in seeds
        for hz in (7.0, 10.0)
        for latent in "XZ"
    ]
    table = pd.DataFrame(rows)
    return table.assign(r2=table["r2"] + table["seed"] * 0.01)


def test_seeds_are_averaged_and_radical_is_compared_with_each_method():
    table = recovery(scores())
    assert len(table) == 8 and (table["folds"] == 5).all() and (table["seeds"] == 2).all()
    rows = table.set_index(["latent", "frequency_hz", "model"]).loc[("Z", 7.0)]
    for model, folds in FOLDS.items():
        assert tuple(rows.loc[model, ["value", "lower", "upper"]]) == pytest.approx(mean_interval(folds))
    assert rows.loc["radical", ["difference", "p_value"]].isna().all()
    other, test = rows.loc["smth-dec"], paired_t_test(*FOLDS.values())
    assert other["p_value"] == pytest.approx(test["p"]) and other["p_value_corrected"] == pytest.approx(
        test["p_corrected"]
    )
    assert tuple(other[["difference", "difference_lower", "difference_upper"]]) == pytest.approx(
        mean_interval(FOLDS["radical"] - FOLDS["smth-dec"])
    )
    assert table["validation"].isna().all()
    unseen = recovery(scores().assign(r2_validation=lambda rows: rows["r2"] - 0.1))
    np.testing.assert_allclose(unseen["validation"], unseen["value"] - 0.1)


def test_without_radical_or_without_folds_there_is_no_test():
    alone = scores()[lambda rows: rows["model"] == "smth-dec"]
    assert recovery(alone)["p_value"].isna().all() and recovery(alone)["value"].notna().all()
    with pytest.raises(UserError, match="at least two folds"):
        recovery(scores()[lambda rows: rows["fold"] == 0])


def test_the_typical_trial_has_the_median_error_of_the_method():
    truth = np.sin(np.arange(20.0))[None, :, None] * np.array([1.0, 2.0, 3.0])[:, None, None]
    error = np.array([[0.1, 0.3, 0.2], [0.9, 0.8, 0.7]])
    predicted = truth * (1 - error[:, :, None, None])
    data = xr.Dataset(
        {
            "latents": (("trial", "time", "latent"), truth),
            "predicted": (("run", "trial", "time", "latent"), predicted),
        },
        coords={"model": ("run", ["radical", "smth-dec"]), "latent": ["Z"]},
    )
    trial, relative = typical_trial(data, "radical")
    assert trial == 2 and relative == pytest.approx(0.2**2 * (truth[2] ** 2).mean() / truth[2].var())
    assert typical_trial(data, "smth-dec")[0] == 1
