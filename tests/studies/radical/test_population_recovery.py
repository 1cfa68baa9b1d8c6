"""How validation metrics rank the members of a population, and how members are scored."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_inferred
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording
from calcium_latents.studies.radical.population_recovery import (
    last_rows,
    noise_multiplier,
    population_quality,
    score_members,
)


def table(members=12, seed=0):
    """A population in which `speckled_holdout_nll` ranks as recovery does, `reconstruction_nll` the other way round."""
    rng = np.random.default_rng(seed)
    rows = []
    for noise in (1.0, 2.0):
        level = rng.uniform(0, 0.9, members)
        rows.append(
            pd.DataFrame(
                {
                    "dataset": f"noise-{noise:g}",
                    "noise_multiplier": noise,
                    "model": "radical_random",
                    "seed": 1,
                    "member": range(members),
                    "speckled_holdout_nll": 1 - level,
                    "reconstruction_nll": level,
                    "dropout_rate": rng.uniform(size=members),
                    "r2": level,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def test_metrics_are_judged_over_members():
    quality = population_quality(table(), repeats=100).set_index(["dataset", "metric"])
    assert len(quality) == 4 and (quality["runs"] == 12).all() and (quality["snapshots"] == 12).all()
    for noise, rows in table().groupby("dataset"):
        good, bad = quality.loc[(noise, "speckled_holdout_nll")], quality.loc[(noise, "reconstruction_nll")]
        assert good["agreement"] == pytest.approx(1) and good["lower"] == pytest.approx(1) and good["regret"] == 0
        assert bad["agreement"] == pytest.approx(-1) and bad["chosen_r2"] == rows["r2"].min()
        assert good["random_r2"] == pytest.approx(rows["r2"].mean())


def test_diverged_members_are_left_out():
    broken = table()
    broken.loc[[0, 1], ["speckled_holdout_nll", "r2"]] = np.nan
    broken.loc[2, "speckled_holdout_nll"] = np.inf
    quality = population_quality(broken, repeats=50).set_index(["dataset", "metric"])
    assert quality.loc[("noise-1", "speckled_holdout_nll"), "runs"] == 9
    assert quality.loc[("noise-1", "reconstruction_nll"), "runs"] == 10
    with pytest.raises(UserError, match="one of the columns \\['reconstruction_nll'"):
        population_quality(table().drop(columns=["speckled_holdout_nll", "reconstruction_nll"]))


def test_the_end_of_a_history():
    rows = [
        {"generation": g, "member": m, "speckled_holdout_nll": 10 * g + m, "dropout_rate": m / 4, "score": 0.0}
        for g in (0, 1)
        for m in (1, 0)
    ]
    last = last_rows(pd.DataFrame(rows), ["dropout_rate"])
    assert last.to_dict("list") == {"member": [0, 1], "speckled_holdout_nll": [10, 11], "dropout_rate": [0, 0.25]}
    with pytest.raises(UserError, match="columns \\['learning_rate'\\]"):
        last_rows(pd.DataFrame(rows), ["learning_rate"])


def test_members_are_scored_by_their_rates():
    parameters = {"neurons": 20, "trials_per_condition": 2, "downsampling": 5, "burn_in_steps": 500}
    recording = simulate_lorenz_recording({**parameters, "noise_multiplier": 2.0}, seed=1)
    assert noise_multiplier(recording) == 2.0
    random = np.random.default_rng(0)
    time, truth = recording["time"].values, recording["latents"].values
    split = np.arange(len(truth)) % 4 == 0

    def inferred(noise):
        rate = np.exp(truth @ random.normal(size=(3, 20)) * 0.3) + noise * random.normal(size=(*truth.shape[:2], 20))
        return make_inferred(
            event_rate=np.abs(rate), time=time, model="radical", split=split.astype(np.int8), recording=recording
        )

    scores = score_members(recording, [(0, inferred(0.0)), (1, inferred(3.0)), (2, None)], lag_s=0.0)
    assert list(scores.columns) == ["member", "r2_X", "r2_Y", "r2_Z", "r2", "r2_validation"]
    assert scores["r2"][0] > 0.8 > scores["r2"][1] and np.isnan(scores["r2"][2])
    assert scores["r2"][0] == pytest.approx(scores.loc[0, ["r2_X", "r2_Y", "r2_Z"]].mean())
    assert 0.5 < scores["r2_validation"][0] < 1
