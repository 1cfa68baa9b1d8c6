"""Explained variance by latent size: choices by validation, bounds of both normalisers, sizes needed, comparisons."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.metrics import explained_variance as ev
from calcium_latents.statistics.intervals import mean_interval

SIZES = (1, 2, 4)
R2 = st.one_of(st.floats(-2, 1), st.just(float("nan")))


def metrics(test, validation=None, sizes=SIZES, restarts=1):
    """A metrics.csv; `test` [size, restart]."""
    test = np.reshape(np.asarray(test, float), (len(sizes), restarts))
    validation = test if validation is None else np.reshape(np.asarray(validation, float), test.shape)
    rows = [
        {
            "latent_size": size,
            "restart": restart,
            "phase": "final",
            "validation_r2": validation[i, restart],
            "test_r2": test[i, restart],
        }
        for i, size in enumerate(sizes)
        for restart in range(restarts)
    ]
    return pd.DataFrame(rows)


def scores(curves, **others):
    """Scores of one dataset; `curves`: model -> [seed, size] test R2."""
    tables = {(model, seed): metrics(row) for model, rows in curves.items() for seed, row in enumerate(rows)}
    return ev.collect_scores(tables, "a", "dataset a", {run: others for run in tables})


def test_the_restart_is_chosen_on_validation_samples_alone():
    table = metrics(
        [[0.9, 0.1], [0.5, 0.4], [0.3, 0.2]], [[0.1, 0.2], [np.nan, 0.3], [np.nan, np.nan]], restarts=2
    ).assign(chosen=[1, 0, 1, 0, 0, 1])
    final = ev.final_scores(table)
    chosen = final[final["chosen"] == 1]
    assert list(chosen["restart"]) == [1, 1, 0] and list(chosen["test_r2"]) == [0.1, 0.4, 0.3]
    shuffled = ev.final_scores(table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(final, shuffled)


def test_only_final_rows_count_and_diverged_fits_are_missing():
    table = metrics([0.2, -np.inf, 0.4])
    table = pd.concat([table.assign(phase="distillation", test_r2=0.99), table], ignore_index=True)
    final = ev.final_scores(table)
    assert len(final) == len(SIZES) and final["test_r2"].max() == 0.4 and final["test_r2"].isna().sum() == 1
    assert final["dead_fraction"].isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="test_r2"), "expected the columns"),
        (lambda t: t.assign(phase="readout"), "expected rows of phase 'final'"),
        (lambda t: pd.concat([t, t]), "found two of"),
        (lambda t: t.assign(latent_size=[1, 2, 2.5]), "positive whole numbers"),
        (lambda t: t.assign(latent_size=[0, 1, 2]), "positive whole numbers"),
        (lambda t: t.assign(test_r2=1.5), "at most 1, found 1.5"),
    ],
)
def test_wrong_metrics_are_named(change, said):
    with pytest.raises(UserError, match=said):
        ev.final_scores(change(metrics([0.1, 0.2, 0.3])), "here/metrics.csv")
    with pytest.raises(UserError, match="at least one metrics.csv"):
        ev.collect_scores({}, "a", "a")
    with pytest.raises(UserError, match="does not read as missing"):
        ev.collect_scores({("m", 0): metrics([0.1, 0.2, 0.3])}, "null", "a")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(R2, min_size=3, max_size=3), min_size=2, max_size=6))
def test_normalisers_bound_what_they_normalise(rows):
    half = len(rows) // 2
    table = ev.normalise(scores({ev.MODEL: rows[:half], ev.BASELINE: rows[half : 2 * half]}))
    defined = table[table["normalised_r2"].notna()]
    assert (defined["normalised_r2"] <= 1).all()
    assert (np.sign(defined["normalised_r2"]) == np.sign(defined["test_r2"])).all()
    wide = table.pivot(index=["model", "seed", "latent_size"], columns="normaliser", values="normaliser_r2")
    known = wide.dropna()
    assert (known[ev.JOINT] >= known[ev.OWN]).all()
    # the best is 1 by both: in its own model, and in one model of each seed
    for normaliser, keys in ((ev.OWN, ["model", "seed"]), (ev.JOINT, ["seed"])):
        best = defined[defined["normaliser"] == normaliser].groupby(keys)["normalised_r2"].max()
        assert np.allclose(best, 1)
    defined = table["test_r2"].notna() & (table["normaliser_r2"] > 0)
    assert (table["normalised_r2"].notna() == defined).all()


def test_a_model_with_fewer_seeds_does_not_enter_the_joint_best():
    table = scores({ev.MODEL: [[0.2, 0.4, 0.5]] * 2, "linear_encoder": [[0.6, 0.6, 0.6]]})
    joint = ev.normalise(table).query("normaliser == 'joint'")
    assert set(joint["normaliser_r2"]) == {0.5}
    assert joint.query("model == 'linear_encoder'")["normalised_r2"].max() == pytest.approx(1.2)
    apart = pd.concat([scores({ev.MODEL: [[0.1, 0.2, 0.3]]}), scores({"b": [[0.1, 0.2, 0.3]]}).assign(seed=5)])
    assert ev.normalise(apart).query("normaliser == 'joint'")["normalised_r2"].isna().all()


def test_sizes_needed():
    table = ev.normalise(scores({ev.MODEL: [[0.5, 0.78, 0.8], [0.5, 0.6, 0.8]], ev.BASELINE: [[0.1, 0.2, 0.4]] * 2}))
    needed = ev.sizes_needed(table).set_index(["normaliser", "model", "seed"])
    assert needed.loc[(ev.JOINT, ev.MODEL, 0), ["size_needed", "largest_below"]].tolist() == [2, 1]
    assert needed.loc[(ev.JOINT, ev.MODEL, 1), ["size_needed", "largest_below"]].tolist() == [4, 2]
    assert needed.loc[(ev.OWN, ev.BASELINE, 0), "size_needed"] == 4
    assert needed.loc[(ev.JOINT, ev.BASELINE, 0), ["size_needed", "largest_below"]].tolist() == [np.inf, 4]
    nothing = ev.sizes_needed(ev.normalise(scores({ev.MODEL: [[-1.0, -0.5, np.nan]]})))
    assert nothing["size_needed"].isna().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(R2, min_size=3, max_size=3), st.floats(0.1, 1), st.floats(0.1, 1))
def test_a_higher_level_never_needs_fewer_latents(row, first, second):
    table = ev.normalise(scores({ev.MODEL: [row]}))
    low, high = (ev.sizes_needed(table, level)["size_needed"] for level in sorted((first, second)))
    assert (low.isna() == high.isna()).all() and (low.fillna(0) <= high.fillna(0)).all()


def test_sizes_in_words():
    assert ev.size_text([3, 3]) == "3" and ev.size_text([3, 4]) == "3–4"
    assert ev.size_text([14, np.inf]) == "14–never" and ev.size_text([np.inf]) == "never"
    assert ev.size_text([3, 16], largest=16) == "3–16*" and ev.size_text([np.nan]) == "undefined"


def test_paired_difference_is_the_interval_of_the_seeds_differences():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 4, 3))
    table = ev.paired_difference(scores({ev.MODEL: a, ev.BASELINE: b}))
    for i in range(3):
        assert tuple(table.loc[i, ["mean", "lower", "upper"]]) == pytest.approx(mean_interval((a - b)[:, i]))
    assert (table["seeds"] == 4).all()
    # a difference that all seeds share moves the mean and leaves the interval's width
    moved = ev.paired_difference(scores({ev.MODEL: a - 0.5, ev.BASELINE: b}))
    assert np.allclose(moved["mean"], table["mean"] - 0.5)
    assert np.allclose(moved["upper"] - moved["lower"], table["upper"] - table["lower"])


def test_missing_sizes_and_single_seeds():
    short = ev.collect_scores({(ev.BASELINE, 0): metrics([0.3], sizes=(2,))}, "a", "dataset a")
    table = pd.concat([scores({ev.MODEL: [[0.1, 0.5, 0.6]]}), short], ignore_index=True)
    difference = ev.paired_difference(table)
    assert difference["latent_size"].tolist() == [2] and difference["mean"].tolist() == pytest.approx([0.2])
    assert difference["lower"].isna().all()
    assert ev.compare_best(table)["outcome"].tolist() == [ev.UNRESOLVED]
    assert ev.paired_difference(scores({ev.MODEL: [[0.1, 0.5, 0.6]]})).empty
    assert ev.compare_best(scores({ev.MODEL: [[np.nan] * 3], ev.BASELINE: [[0.1, 0.2, 0.3]]})).empty


@pytest.mark.parametrize(("shift", "said"), [(0.05, ev.WINS), (0.0, ev.TIES), (-0.05, ev.LOSES)])
def test_outcomes(shift, said):
    base = np.array([[0.3, 0.5, 0.6], [0.31, 0.52, 0.6], [0.29, 0.5, 0.61]])
    jitter = np.array([[0.004], [-0.004], [0.0]])
    table = scores({ev.MODEL: base + shift + jitter, ev.BASELINE: base})
    assert ev.compare_best(table)["outcome"].tolist() == [said]


def test_the_best_size_is_chosen_on_validation_samples():
    table = ev.collect_scores({(ev.MODEL, 0): metrics([0.1, 0.9, 0.2], [0.3, 0.1, 0.2])}, "a", "a")
    assert ev.best_fits(table)["test_r2"].tolist() == [0.1]


def test_conditions():
    def kind(**given):
        return ev.condition(scores({ev.MODEL: [[0.1, 0.2, 0.3]]}, **given))

    assert kind() == "recording"
    assert kind(true_latent_size=3, nonlinearity="linear", paradigm="stimulus") == "linear"
    assert kind(true_latent_size=3, nonlinearity="power", paradigm="spontaneous") == "spontaneous"
    assert kind(true_latent_size=2, nonlinearity="power", paradigm="stimulus") == "gratings"
    assert kind(true_latent_size=40, nonlinearity="power", paradigm="stimulus") == "images"


def test_description_counts_stimuli_and_chunks():
    part = np.array([[0], [0], [1], [2], [0], [0]], np.int8)
    run = xr.Dataset({"part": (("trial", "time"), part), "source_neuron": ("source", [1, 2])}, {"trial": range(6)})
    run = run.assign_coords(neuron=[3, 4, 5])
    recording = xr.Dataset({"condition": ("trial", [5, 7, 8, 9, 5, 7])}, {"trial": range(6)})
    recording.attrs = {"paradigm": "stimulus", "bin_width_s": 0.5, "true_latent_size": 2}
    told = ev.describe(recording, run)
    assert [told[f"{name}_pieces"] for name in ("training", "validation", "test")] == [2, 1, 1]
    assert (told["source_neurons"], told["target_neurons"], told["seconds"]) == (2, 3, 3.0)
    part = np.array([[0, 0, 3, 0, 0, 3, 1, 1, 3, 2]], np.int8)
    run = xr.Dataset({"part": (("trial", "time"), part)}, {"trial": [0], "neuron": [1]})
    recording = xr.Dataset(attrs={"paradigm": "spontaneous", "bin_width_s": 0.2})
    told = ev.describe(recording, run)
    assert [told[f"{name}_pieces"] for name in ("training", "validation", "test")] == [2, 1, 1]
    assert np.isnan(told["true_latent_size"])
