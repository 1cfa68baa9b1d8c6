"""Recovery of true indices: known lines, nulls, and neurons that are left out."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.studies.digital_twin.tuning import tuning_recovery as recovery


def made_up(slope=0.5, noise=0.0, neurons=60):
    rng = np.random.default_rng(0)
    types = np.arange(neurons) % 3
    rows = []
    for source in ("model", "truth"):
        table = pd.DataFrame({"neuron": np.arange(neurons), "source": source, "stimulus": "cluster"})
        table["neuron_type"] = np.array(["a", "b", "c"])[types]
        rows.append(table)
    for name in recovery.INDICES:
        truth = 0.3 * types + 0.05 * rng.uniform(size=neurons)
        rows[1][name] = truth
        rows[0][name] = 0.1 + slope * truth + noise * rng.normal(size=neurons)
    rows[0]["preferred_orientation_rad"], rows[1]["preferred_orientation_rad"] = 0.1, 3.1
    return pd.concat(rows, ignore_index=True)


def test_a_shrunk_copy_is_ranked_right_and_has_its_slope():
    table = recovery.recovery_table(made_up(0.5), repeats=200)
    assert list(table.columns) == list(recovery.RECOVERY_COLUMNS) and list(table["index"]) == list(recovery.INDICES)
    assert table["r"].to_numpy() == pytest.approx(1) and table["slope"].to_numpy() == pytest.approx(0.5)
    assert table["slope_lower"].to_numpy() == pytest.approx(0.5) and (table["neurons"] == 60).all()
    assert table["r_of_types"].between(0.97, 0.9999).all() and table["r_null_upper"].between(0.15, 0.4).all()


def test_an_unrelated_model_lies_within_the_null_and_intervals_hold_the_estimate():
    noisy = recovery.recovery_table(made_up(0.0, 0.2), repeats=300)
    assert (noisy["r"].abs() < 1.3 * noisy["r_null_upper"]).all()
    table = recovery.recovery_table(made_up(1.0, 0.1), repeats=300)
    for name in ("r", "slope"):
        assert (table[f"{name}_lower"] < table[name]).all() and (table[name] < table[f"{name}_upper"]).all()


def test_constant_and_missing_truth():
    table = made_up()
    truth = table["source"] == "truth"
    table.loc[truth, "suppression"] = 0.1
    table.loc[table["neuron"] < 10, "phase_selectivity"] = np.nan
    found = recovery.recovery_table(table, repeats=50).set_index("index")
    assert np.isnan(found.loc["suppression", ["r", "slope", "r_lower", "slope_upper"]].astype(float)).all()
    assert found.loc["phase_selectivity", "neurons"] == 50
    assert recovery.recovery_table(table[~truth], repeats=50).empty


def test_the_seed_decides():
    first, second = (recovery.recovery_table(made_up(1, 0.1), seed=3, repeats=50) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_orientation_errors_wrap_and_leave_out_neurons_without_orientation():
    table = made_up(neurons=6)
    true = pd.Series([0.1, np.pi + 0.1, np.pi / 2 + 0.1, np.nan], index=[0, 1, 2, 3])
    error = recovery.orientation_errors(table, "cluster", "model", true)
    assert error == pytest.approx([0, 0, 90], abs=1e-6)
    assert recovery.orientation_errors(table, "cluster", "truth", true)[0] == pytest.approx(
        np.degrees(np.pi - 3.0), abs=1e-6
    )
