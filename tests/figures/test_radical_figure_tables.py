"""What the tables beside the figures of RADICaL, of real spikes and of recordings say."""

import fake_population
import numpy as np
import pandas as pd
import pytest

from calcium_latents.metrics.held_out_scores import LIKELIHOODS
from calcium_latents.studies.radical.convergence import OWN_BEST
from calcium_latents.studies.radical.figures import calibration, convergence, population_search, selection_metric
from calcium_latents.studies.recordings.figures import event_rates
from calcium_latents.studies.spike_ground_truth.figures import spike_ground_truth


@pytest.fixture
def given(tmp_path):
    """Return a function: rows (a DataFrame or a list of mappings) -> the files of an input."""

    def write(rows):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        pd.DataFrame(rows).to_csv(path, index=False)
        return [path]

    return write


def snapshots(models=("radical", "radical_dropout30")):
    return [
        {"dataset": "d", "model": model, "seed": 1, "step": step, "latent": latent, "r2": r2}
        for model in models
        for step in range(4)
        for latent, r2 in (("X", 0.2 * step), ("Z", 0.1 * step))
    ]


def test_convergence_has_the_mean_of_latents_the_baseline_and_the_times(given):
    scores = [
        {"dataset": "d", "frequency_hz": 10, "model": "smth-dec", "seed": 1, "fold": fold, "latent": latent, "r2": r2}
        for fold in range(2)
        for latent, r2 in (("X", 0.3), ("Z", 0.1))
    ]
    rows = [row | {"seconds": 2.0 * row["step"]} for row in snapshots() if row["latent"] == "X"]
    inputs = {"convergence": given(snapshots()), "timing": given(rows), "scores": given(scores)}
    table = convergence.tabulate(inputs)
    curves, times = table[table["panel"] == "ab"], table[table["panel"] == "c"].set_index("target")
    assert set(curves["model"]) == {"radical", "smth-dec"}  # variants of one hyperparameter are left out
    mean = curves[(curves["latent"] == "mean")].set_index("model")
    assert mean.loc["smth-dec", "r2"] == pytest.approx(0.2)
    assert mean.loc["radical", "r2"].tolist() == pytest.approx([0, 0.15, 0.3, 0.45])
    assert times.loc["smth-dec", ["step", "seconds"]].tolist() == [2, 4.0]
    assert times.loc[OWN_BEST, "step"] == 3 and times.loc[OWN_BEST, "target_r2"] == pytest.approx(0.9 * 0.45)


def test_selection_has_every_snapshot_and_both_qualities_of_each_metric(given):
    rows = [
        row | {"speckled_holdout_nll": 1 - row["step"], "reconstruction_nll": row["step"]} for row in snapshots("abc")
    ]
    table = selection_metric.tabulate({"convergence": given(rows)}).set_index("of")
    assert len(table.loc["snapshot"]) == 2 * 3 * 4
    for kind in ("any snapshot", "finished runs"):
        quality = table.loc[kind].set_index("metric")
        assert quality.loc["speckled_holdout_nll", ["chosen_r2", "regret"]].tolist() == pytest.approx([0.45, 0])
        assert quality["panel"].to_dict() == {"reconstruction_nll": "a", "speckled_holdout_nll": "b"}
    assert table.loc["any snapshot"].set_index("metric").loc["reconstruction_nll", "regret"] == pytest.approx(0.45)


def test_population_search_has_the_line_that_ends_at_the_best_score(given):
    history = fake_population.history()
    table = population_search.tabulate({"metrics": given(history)}).set_index("quantity")
    line, best = table.loc[population_search.LINE], table.loc[population_search.BEST_SCORE, "value"]
    assert line["value"].iloc[-1] == history["score"].min() == best.iloc[-1]
    assert line["generation"].tolist() == list(range(1, len(line) + 1)) and best.is_monotonic_decreasing
    assert (table.loc[population_search.ANCESTORS, "value"] <= 1).all()


def test_calibration_is_in_order_of_speed_and_leaves_out_neurons_without_spikes(given):
    rows = [
        {"dataset": f"lorenz-{hz}hz", "neuron": neuron, "correlation": value}
        for hz in (10, 7)
        for neuron, value in enumerate((0.2, 0.4, np.nan))
    ]
    table = calibration.tabulate({"calibration": given(rows)})
    assert table["dataset"].tolist() == ["lorenz-7hz", "lorenz-10hz"]
    assert table["value"].tolist() == pytest.approx([0.3, 0.3]) and table["n"].tolist() == [2, 2]
    assert (table["lower"] < 0.3).all() and (table["upper"] > 0.3).all()


def test_real_spikes_are_shown_at_the_lag_that_is_best_in_a_frame_and_a_neuron_counts_once(given):
    level = {(0.03, 0.0): 0.2, (0.03, 0.06): 0.3, (0.5, 0.0): 0.9, (0.5, 0.06): 0.7}
    rows = [
        {"dataset": "DS", "indicator": "G", "neuron": f"n{neuron}", "recording": recording, "bin_width_s": width}
        | {"lag_s": lag, "correlation": value + 0.01 * neuron + (0.1 if recording else -0.1)}
        for (width, lag), value in level.items()
        for neuron in range(3)
        for recording in (0, 1)
    ]
    table = spike_ground_truth.tabulate({"spike_inference": given(rows)})
    means = table[table["panel"] == "a"].set_index(["lag", "bin_width_s"])
    assert (means.loc["best", "lag_s"] == 0.06).all() and (means["n"] == 3).all()
    assert means.loc[("best", 0.5), "value"] == pytest.approx(0.71)
    assert means.loc[("none", 0.5), "value"] == pytest.approx(0.91)
    neurons = table[(table["panel"] == "b") & (table["lag"] == "best")]
    assert neurons["value"].tolist() == pytest.approx([0.3, 0.31, 0.32]) and (neurons["bin_width_s"] == 0.03).all()


def test_a_recording_says_which_baselines_a_model_beats(given):
    rows = [
        {"likelihood": likelihood, "model": "radical", "reference": reference, "bits_per_event": 0.1}
        | {"lower_bits": lower, "upper_bits": 0.2, "windows": 9, "events": 99}
        for likelihood in LIKELIHOODS
        for reference, lower in (("constant", 0.05), ("smoothed own", -0.05), ("smoothed population", 0.0))
    ]
    table = event_rates.tabulate({"held_out": given(rows)})
    assert table["beats"].tolist() == [True, False, False] * 2 and table["panel"].tolist() == ["d"] * 3 + ["e"] * 3
    assert event_rates.tabulate({}).empty
