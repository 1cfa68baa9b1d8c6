"""Time to accuracy, and how validation metrics rank snapshots."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.studies.radical.convergence import OWN_BEST, mean_over_latents, time_to_accuracy
from calcium_latents.studies.radical.model_selection import selection_quality


def table(runs=4, snapshots=8, seed=0):
    """A convergence table: `speckled_holdout_nll` ranks as R2 does, `reconstruction_nll` the other way round."""
    rng = np.random.default_rng(seed)
    rows = []
    for run in range(runs):
        for k in range(snapshots):
            level = 0.1 * k * (1 + 0.05 * run)
            for latent, offset in (("X", 0.05), ("Z", -0.05)):
                rows.append(
                    {
                        "dataset": "d",
                        "model": "radical",
                        "seed": run,
                        "step": 100 * k,
                        "seconds": 10.0 * k,
                        "latent": latent,
                        "r2": level + offset,
                        "speckled_holdout_nll": 1 - level,
                        "reconstruction_nll": level + run,
                        "cosmoothing_nll": rng.normal() if latent == "X" else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def test_mean_over_latents_is_one_row_per_snapshot():
    points = mean_over_latents(table())
    assert len(points) == 32
    assert points.loc[points["step"] == 100, "r2"].min() == pytest.approx(0.1)


def test_time_to_accuracy_is_the_first_crossing_or_never():
    times = time_to_accuracy(table(), {"smth-dec": 0.3, "perfect": 2.0}).set_index(["seed", "target"])
    assert times.loc[(0, "smth-dec"), "seconds"] == 30 or times.loc[(0, "smth-dec"), "seconds"] == 40
    assert times.loc[(3, "smth-dec"), "step"] == 300
    assert times["seconds"].isna().sum() == 4
    assert times.loc[(0, OWN_BEST), "step"] == 700 and times.loc[(0, OWN_BEST), "target_r2"] == pytest.approx(0.63)
    below = time_to_accuracy(table().assign(r2=-1.0), {})
    assert (below["target"] == OWN_BEST).all() and below["seconds"].isna().all()


def test_agreement_has_the_right_sign_and_regret_is_the_loss():
    quality = selection_quality(table(), repeats=200).set_index("metric")
    assert quality.loc["speckled_holdout_nll", "agreement"] == pytest.approx(1)
    assert quality.loc["speckled_holdout_nll", "regret"] == 0
    assert quality.loc["reconstruction_nll", "agreement"] < 0
    assert quality.loc["reconstruction_nll", "regret"] == pytest.approx(table()["r2"].max() - 0.05, abs=1e-9)
    row = quality.loc["cosmoothing_nll"]
    assert row["lower"] < row["agreement"] < row["upper"]
    assert (quality["snapshots"] == 32).all() and (quality["runs"] == 4).all()


def test_a_table_without_metrics_is_refused():
    with pytest.raises(UserError, match="one of the columns"):
        selection_quality(table()[["dataset", "model", "seed", "step", "latent", "r2"]])


def test_finished_runs_are_compared_by_their_last_snapshots():
    quality = selection_quality(table(), finished=True, repeats=50).set_index("metric")
    assert (quality["snapshots"] == 4).all()
    assert quality.loc["speckled_holdout_nll", "regret"] == 0
    assert quality.loc["reconstruction_nll", "regret"] > 0
    few = selection_quality(table(runs=2), finished=True, repeats=50).set_index("metric")
    assert np.isnan(few.loc["speckled_holdout_nll", "agreement"]) and few.loc["speckled_holdout_nll", "regret"] == 0
