"""Means and paired differences over partitions against closed forms, invariances, and the plain t interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.statistics.partitions import (
    LOSES,
    TIES,
    UNRESOLVED,
    WINS,
    corrected_interval,
    example_neurons,
    outcome,
    over_partitions,
    paired_partitions,
    ratio_of_parts,
    reported_fits,
)

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 6))
SAMPLES = st.integers(3, 12).flatmap(lambda k: arrays(np.float64, k, elements=NUMBERS))
FIRST, SECOND = np.array([0.21, 0.25, 0.19, 0.24]), np.array([0.30, 0.33, 0.27, 0.35])


def scores(**methods):
    """Return a table with a row for each method, partition and noise level (0.5, 1)."""
    return pd.DataFrame(
        {"method": name, "seed": 1, "noise_level": level, "partition": partition, "error": value}
        for name, values in methods.items()
        for level in (0.5, 1.0)
        for partition, value in enumerate(values)
    )


def test_three_partitions_in_closed_form_and_two_without_an_interval():
    # Values 1, 2 and 3: s^2 = 1, and t with two degrees of freedom at p is (2 p - 1) sqrt(2 / (4 p (1 - p))).
    half = np.sqrt(1 / 3 + 1 / 4) * 0.95 * np.sqrt(2 / (4 * 0.975 * 0.025))
    assert corrected_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2, 2 - half, 2 + half))
    assert np.array_equal(corrected_interval(np.array([1.0, 3.0])), (2, np.nan, np.nan), equal_nan=True)


@settings(deadline=None)
@given(SAMPLES, st.floats(0, 3), NUMBERS, st.floats(-10, 10))
def test_interval_moves_with_its_values(values, ratio, shift, factor):
    mean, lower, upper = corrected_interval(values, ratio)
    moved = corrected_interval(factor * values + shift, ratio)
    ends = sorted([factor * lower + shift, factor * upper + shift])
    assert moved == pytest.approx((factor * mean + shift, *ends), abs=1e-6, rel=1e-6)


@settings(deadline=None)
@given(SAMPLES, st.floats(0.01, 3))
def test_overlap_widens_the_plain_interval_by_the_known_factor(values, ratio):
    plain, corrected = mean_interval(values), corrected_interval(values, ratio)
    assert corrected_interval(values, 0) == pytest.approx(plain, abs=1e-9)
    widths = [(upper - lower) for _, lower, upper in (plain, corrected)]
    assert widths[1] == pytest.approx(widths[0] * np.sqrt(1 + len(values) * ratio), abs=1e-8)


def test_one_value_has_no_interval_and_missing_ones_do_not_count():
    assert np.array_equal(corrected_interval(np.array([2.0, np.nan])), (2, np.nan, np.nan), equal_nan=True)
    assert np.isnan(corrected_interval(np.array([]))).all()
    assert corrected_interval(np.array([1.0, np.nan, 3.0, 7.0])) == corrected_interval(np.array([1.0, 3.0, 7.0]))
    with pytest.raises(UserError, match="test_to_training: expected a number >= 0, found -1"):
        corrected_interval(FIRST, -1)
    with pytest.raises(UserError, match="confidence"):
        corrected_interval(FIRST, confidence=1.0)


def test_interval_holds_its_promise_for_correlated_partitions():
    # Scores that share a part with correlation ratio / (1 + ratio), as the correction assumes: 95 % cover zero.
    rng, ratio, k = generator(0, "test_partitions"), 0.25, 10
    correlation = ratio / (1 + ratio)
    shared = rng.normal(size=(4000, 1)) * np.sqrt(correlation)
    values = shared + rng.normal(size=(4000, k)) * np.sqrt(1 - correlation)
    plain = stats.t.ppf(0.975, k - 1) / np.sqrt(1 + k * ratio)  # how far the plain interval reaches, in true terms
    for corrected, expected in ((ratio, 0.95), (0.0, 1 - 2 * stats.t.sf(plain, k - 1))):
        ends = np.array([corrected_interval(row, corrected)[1:] for row in values])
        assert np.mean((ends[:, 0] < 0) & (ends[:, 1] > 0)) == pytest.approx(expected, abs=0.02)


def test_pairs_are_compared_level_by_level():
    table = paired_partitions(scores(new=FIRST, old=SECOND), "error", "new", "old", ["noise_level"])
    assert list(table.columns) == ["noise_level", "mean_difference", "lower", "upper", "n", "outcome"]
    assert list(table["noise_level"]) == [0.5, 1.0] and list(table["n"]) == [4, 4]
    difference = FIRST - SECOND
    half = stats.t.ppf(0.975, 3) * difference.std(ddof=1) * np.sqrt(1 / 4 + 0.25)
    for row in table.itertuples():
        ends = (difference.mean(), difference.mean() - half, difference.mean() + half)
        assert (row.mean_difference, row.lower, row.upper) == pytest.approx(ends)
        assert row.outcome == WINS


@given(arrays(np.float64, 5, elements=NUMBERS), arrays(np.float64, 5, elements=NUMBERS), st.booleans())
@settings(deadline=None, max_examples=30)
def test_a_win_of_one_is_a_loss_of_the_other(first, second, lower_is_better):
    table = scores(new=first, old=second)
    ours, theirs = (
        paired_partitions(table, "error", *pair, ["noise_level"], lower_is_better=lower_is_better)
        for pair in (("new", "old"), ("old", "new"))
    )
    assert np.allclose(ours["mean_difference"], -theirs["mean_difference"])
    assert np.allclose(ours["lower"], -theirs["upper"])
    mirrored = ours["outcome"].replace({WINS: LOSES, LOSES: WINS})
    assert list(mirrored) == list(theirs["outcome"])


def test_what_pairs_share_does_not_widen_their_interval():
    hard = np.array([0.0, 5.0, -3.0, 8.0])
    table = scores(new=FIRST + hard, old=SECOND + hard)
    plain = paired_partitions(scores(new=FIRST, old=SECOND), "error", "new", "old", ["noise_level"])
    shared = paired_partitions(table, "error", "new", "old", ["noise_level"])
    pd.testing.assert_frame_equal(plain, shared)


def test_a_higher_score_wins_if_told_so():
    table = scores(new=SECOND, old=FIRST)
    for lower_is_better, expected in ((True, LOSES), (False, WINS)):
        compared = paired_partitions(table, "error", "new", "old", ["noise_level"], lower_is_better=lower_is_better)
        assert set(compared["outcome"]) == {expected}


def test_only_shared_partitions_count_and_none_gives_no_row():
    table = scores(new=FIRST, old=SECOND)
    alone = table[(table["method"] == "new") | (table["partition"] == 2)]
    compared = paired_partitions(alone, "error", "new", "old", ["noise_level"])
    assert list(compared["n"]) == [1, 1] and set(compared["outcome"]) == {UNRESOLVED}
    assert compared["mean_difference"].to_numpy() == pytest.approx(FIRST[2] - SECOND[2])
    assert compared[["lower", "upper"]].isna().all(axis=None)
    nothing = paired_partitions(table[table["method"] == "new"], "error", "new", "old", ["noise_level"])
    assert nothing.empty and "outcome" in nothing


def test_seeds_are_averaged_but_other_fits_must_be_chosen():
    table = scores(new=FIRST, old=SECOND)
    shaken = pd.concat([table.assign(error=table["error"] + 0.1 * s, seed=s) for s in (-1, 1)])
    pd.testing.assert_frame_equal(
        paired_partitions(table, "error", "new", "old", ["noise_level"]),
        paired_partitions(shaken, "error", "new", "old", ["noise_level"]),
    )
    with pytest.raises(UserError, match="several for .*'method': 'new'.*Choose among the fits"):
        paired_partitions(pd.concat([table, table]), "error", "new", "old", ["noise_level"])
    with pytest.raises(UserError, match="expected the columns \\['partition'\\]"):
        paired_partitions(table.drop(columns="partition"), "error", "new", "old", ["noise_level"])


def test_unknown_noise_levels_are_a_group_like_others():
    table = scores(new=FIRST, old=SECOND).query("noise_level == 1").assign(noise_level=np.nan)
    compared = paired_partitions(table, "error", "new", "old", ["noise_level"])
    assert len(compared) == 1 and compared["n"].iloc[0] == 4
    assert over_partitions(table, "error", ["method", "noise_level"])["n"].tolist() == [4, 4]


def test_means_over_partitions_average_seeds_first():
    table = scores(new=FIRST)
    more = pd.concat([table, table[table["partition"] == 0].assign(seed=2)])
    pd.testing.assert_frame_equal(
        over_partitions(table, "error", ["noise_level"]), over_partitions(more, "error", ["noise_level"])
    )
    row = over_partitions(table, "error", ["noise_level"]).iloc[0]
    assert (row["mean"], row["lower"], row["upper"]) == pytest.approx(corrected_interval(FIRST))


def test_outcomes_at_their_edges():
    assert outcome(-0.2, -0.1) == WINS and outcome(0.1, 0.2) == LOSES and outcome(0.1, 0.2, False) == WINS
    assert outcome(-0.1, 0.0) == outcome(0.0, 0.1) == outcome(0.0, 0.0) == TIES
    assert outcome(np.nan, np.nan) == UNRESOLVED


def test_ratio_counts_validation_neurons_as_training_and_takes_the_largest():
    part = np.array([[0, 0, 1, 2, 0], [0, 2, 2, 1, 0]], np.int8)
    assert ratio_of_parts(part[:1]) == pytest.approx(1 / 4)
    assert ratio_of_parts(part) == pytest.approx(2 / 3)
    assert ratio_of_parts(np.array([0, 0, 0, 0, 2])) == pytest.approx(0.25)
    for wrong in ([[0, 0]], [[2, 2]], np.zeros((0, 3))):
        with pytest.raises(UserError, match="expected test neurons and others"):
            ratio_of_parts(np.array(wrong))


def test_reported_fits_are_one_size_and_one_beta_a_method_whatever_the_scores():
    rows = [
        {"method": method, "latent_size": size, "beta": beta, "partition": partition, "reported": 0, "error": size}
        for method, betas in (("avae", (0.0, 0.5, 1.0)), ("pca", (0.0,)))
        for size in (4, 8, 16)
        for beta in betas
        for partition in range(2)
    ]
    table = pd.DataFrame(rows)
    nearest = reported_fits(table)
    assert set(nearest["latent_size"]) == {8} and len(nearest) == 4
    assert set(nearest.loc[nearest["method"] == "avae", "beta"]) == {0.5}
    first = (table["partition"] == 0) & (table["latent_size"] == 16)
    table.loc[first & (table["beta"] == table["method"].map({"avae": 1.0, "pca": 0.0})), "reported"] = 1
    chosen = reported_fits(table)
    assert set(chosen["latent_size"]) == {16} and len(chosen) == 4
    assert set(chosen.loc[chosen["method"] == "avae", "beta"]) == {1.0}
    other = reported_fits(table.assign(error=-table["error"], index=range(len(table))))
    assert list(other.index) == list(chosen.index)
    with pytest.raises(UserError, match="expected the columns \\['reported'\\]"):
        reported_fits(table.drop(columns="reported"))


def test_example_is_the_median_of_what_all_methods_test():
    parts = np.full((2, 8), 2)
    parts[0, 0] = parts[1, 1] = 0
    values = np.array([0.0, 0.0, 5.0, 1.0, 3.0, np.nan, 2.0, 9.0])
    groups = ["RS", "RS", "RS", "RS", "RS", "RS", "CH", "CH"]
    assert example_neurons(parts, values, groups) == [("RS", 4, 3), ("CH", 6, 2)]
    assert example_neurons(parts, values, ["b"] * 6 + ["a"] * 2) == [("b", 4, 3), ("a", 6, 2)]
    assert example_neurons(parts[:, [0, 3]], values[[0, 3]], ["IB", "RS"]) == [("RS", 1, 1)]
    assert example_neurons(parts, np.ones(8), ["RS"] * 8) == [("RS", 4, 6)]
    with pytest.raises(UserError, match="the same split and partition"):
        example_neurons([[0, 2], [2, 0]], np.ones(2), ["RS", "RS"])
