"""Conditions against cultures: closed forms, what the null must say, intervals that cover, edges."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from calcium_latents.errors import UserError
from calcium_latents.recordings.embedding import make_embedding
from calcium_latents.seeds import generator
from calcium_latents.statistics.partitions import LOSES, TIES, WINS
from calcium_latents.studies.avae import condition_comparison as cc

FAST = {"repeats": 1, "folds": 3, "resamples": 200}


def recording(groups=("control", "control", "control", "altered", "altered", "altered"), neurons=20) -> xr.Dataset:
    culture = np.repeat(np.arange(len(groups)), neurons)
    return xr.Dataset(
        {
            "neuron": ("neuron", np.arange(len(culture)) + 7),
            "culture": ("neuron", culture.astype(np.int32)),
            "group": ("neuron", np.array([groups[number] for number in culture], object)),
        }
    )


def embedding(traces, latents, identity=0, splits=(), seed=1):
    """An Embedding whose member 0 (all neurons test but the last of each culture) is reported, one more per split."""
    count, size = latents.shape
    parts = [np.where(np.diff(traces["culture"].values, append=-1) != 0, 0, 2)]
    parts += [np.where(np.isin(traces["culture"].values, pair), 2, 0) for pair in splits]
    members = len(parts)
    zeros = np.zeros((members, count), np.float32)
    return make_embedding(
        model="avae",
        seed=seed,
        reported_member=0,
        latents=np.broadcast_to(latents.astype(np.float32), (members, count, size)),
        latent_size=np.full(members, size),
        hidden=np.zeros(members, int),
        beta=np.zeros(members),
        split=["neuron"] + ["culture"] * (members - 1),
        partition=np.arange(members),
        part=np.array(parts),
        residual=zeros,
        null_residual=zeros,
        reconstruction=np.zeros((3, count)),
        time=np.arange(3) * 0.1,
        neuron=traces["neuron"].values,
        identity_latents=identity,
    )


def noise(traces, size=3, seed=0):
    return generator(seed, "test_condition_comparison").normal(size=(traces.sizes["neuron"], size))


def separability(traces, latents, parameters=FAST, **more):
    box = embedding(traces, latents, **more)
    return cc.separability_table(traces, {("avae", 1): box}, "set", "a set", parameters, seed=3)


def summary(traces, latents, **more):
    table = cc.summarise_comparison(separability(traces, latents, **more))
    return table.set_index(["latents", "protocol", "comparison"])


def test_columns_pairs_and_protocols():
    traces = recording()
    table = separability(traces, noise(traces), splits=[(0, 3), (1, 4)])
    assert tuple(table.columns) == cc.SEPARABILITY_COLUMNS
    counts = table.groupby(["protocol", "comparison"]).size()
    assert counts[cc.NEURONS, cc.CONDITIONS] == 9 and counts[cc.NEURONS, cc.NULL] == 6
    assert counts[cc.HELD_OUT, cc.CONDITIONS] == 9 and counts[cc.UNSEEN, cc.CONDITIONS] == 2
    assert set(zip(table["protocol"], table["comparison"], strict=True)) == set(counts.index)
    seen = table[table["protocol"] == cc.UNSEEN]
    assert set(zip(seen["culture_a"], seen["culture_b"], strict=True)) == {(0, 3), (1, 4)}
    assert (table.loc[table["protocol"] != cc.UNSEEN, "neurons"] == 38).all() and (seen["neurons"] == 40).all()
    assert ((table["lower"] <= table["auc"]) & (table["auc"] <= table["upper"])).all()


def test_a_shift_of_the_condition_is_found_by_every_protocol_and_a_shift_of_cultures_by_none_but_the_published():
    traces = recording(neurons=30)
    treated = (traces["group"].values == "altered").astype(float)
    culture = traces["culture"].values
    effect = noise(traces) + 2.5 * treated[:, None] * [1, 0, 0]
    # Each culture has its own place in the second latent, the times of its bursts: conditions do not differ.
    own = noise(traces) + 8 * np.array([0, 2, 4, 1, 3, 5])[culture][:, None] * [0, 1, 0]
    splits = [(a, b) for a in range(3) for b in range(3, 6)]
    found, null = summary(traces, effect, splits=splits), summary(traces, own, splits=splits)
    for protocol in (cc.HELD_OUT, cc.UNSEEN):
        row = found.loc[cc.ALL, protocol, cc.CONDITIONS]
        assert row["auc"] > 0.9 and row["verdict"] == WINS
        assert null.loc[cc.ALL, protocol, cc.CONDITIONS]["verdict"] in (TIES, LOSES)
    assert found.loc[cc.ALL, cc.NEURONS, cc.DIFFERENCE]["verdict"] == WINS
    assert null.loc[cc.ALL, cc.NEURONS, cc.CONDITIONS]["auc"] > 0.99
    assert null.loc[cc.ALL, cc.NEURONS, cc.DIFFERENCE]["verdict"] in (TIES, LOSES)
    assert found.loc[cc.ALL, cc.NEURONS, cc.CONDITIONS]["verdict"] == ""


def test_identity_latents_are_compared_for_themselves():
    traces = recording(neurons=30)
    latents = noise(traces) + 4 * traces["culture"].values[:, None] * [0, 0, 1]
    found = summary(traces, latents, identity=2)
    assert found.loc[cc.ALL, cc.NEURONS, cc.NULL]["auc"] > 0.95
    assert abs(found.loc[cc.IDENTITY, cc.NEURONS, cc.NULL]["auc"] - 0.5) < 0.1
    assert set(summary(traces, latents, identity=0).index.get_level_values(0)) == {cc.ALL}


def test_noise_has_an_area_of_one_half_without_bias():
    traces = recording(("control", "altered"), neurons=20)
    options = cc.DEFAULTS | {"repeats": 1}
    areas = []
    for seed in range(40):
        wins, weights = cc.within_pair(
            noise(traces, 2, seed), traces["culture"].values, np.ones(40, bool), (0, 1), options, seed
        )
        areas.append(wins.sum() / weights.sum())
    mean, error = np.mean(areas), np.std(areas, ddof=1) / np.sqrt(len(areas))
    assert abs(mean - 0.5) < 3 * error and error < 0.03


def test_every_pair_of_a_fold_is_compared_once_a_repeat():
    traces = recording(("control", "altered"), neurons=10)
    options = cc.DEFAULTS | {"folds": 5, "repeats": 3}
    wins, weights = cc.within_pair(noise(traces), traces["culture"].values, np.ones(20, bool), (0, 1), options, 0)
    assert weights.sum() == 3 * 5 * 2 * 2
    assert (weights.sum(axis=0) == 3 * 2).all() and (weights.sum(axis=1) == 3 * 2).all()
    assert ((wins >= 0) & (wins <= weights)).all()


def test_area_is_that_of_the_roc_curve_and_its_interval_that_of_neurons():
    rng = generator(0, "test area")
    a, b = rng.normal(size=40), rng.normal(1, 1, size=30)
    wins = (b > a[:, None]) + 0.5 * (b == a[:, None])
    area, lower, upper = cc.area_with_interval(wins, np.ones_like(wins), 4000, generator(1, "x"))
    assert area == pytest.approx(roc_auc_score(np.repeat([0, 1], [40, 30]), np.concatenate([a, b])))
    # Hanley & McNeil / DeLong: variance from the placements of both samples
    error = np.sqrt(np.var(wins.mean(axis=1), ddof=1) / 40 + np.var(wins.mean(axis=0), ddof=1) / 30)
    assert (upper - lower) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_constant_latents_tell_nothing_and_rounding_is_constant():
    traces = recording()
    level = np.full((traces.sizes["neuron"], 2), 3.0)
    for latents in (level, level + 1e-6 * traces["culture"].values[:, None]):
        table = separability(traces, latents)
        assert (table["auc"] == 0.5).all()
        spread = cc.heterogeneity_table(traces, {("avae", 1): embedding(traces, latents)}, "set", "a set", FAST)
        assert (spread["dispersion"] == 0).all() and cc.compare_heterogeneity(spread).empty


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), st.booleans())
def test_few_neurons_give_nan_and_never_fail(first, second, size, equal):
    culture = np.repeat([0, 1], [first, second])
    latents = np.zeros((len(culture), size)) if equal else np.arange(len(culture) * size).reshape(-1, size) * 1.0
    wins, weights = cc.within_pair(latents, culture, np.ones(len(culture), bool), (0, 1), cc.DEFAULTS, 0)
    area, lower, upper = cc.area_with_interval(wins, weights, 50, generator(0, "x"))
    if min(first, second) < 2:
        assert np.isnan([area, lower, upper]).all()
    else:
        assert 0 <= lower <= area <= upper <= 1
    values = cc.dispersion_with_interval(latents, 50, generator(0, "x"))
    assert np.isnan(values).all() if len(latents) < 2 else values[0] >= 0


def test_one_culture_a_condition_as_published_cannot_tell():
    traces = recording(("control", "altered"), neurons=30)
    latents = noise(traces) + 3 * traces["culture"].values[:, None]
    table = summary(traces, latents)
    assert table.loc[cc.ALL, cc.NEURONS, cc.CONDITIONS]["auc"] > 0.99
    row = table.loc[cc.ALL, cc.NEURONS, cc.DIFFERENCE]
    assert row["verdict"] == cc.CONFOUNDED and np.isnan(row["lower"])
    assert cc.HELD_OUT not in table.index.get_level_values("protocol")


def pairs_of(first, second, error=0.0, rng=None):
    """AUCs that are sums of the effects of cultures, with complete pairs of both kinds."""
    effects = {"control": first, "altered": second}
    cultures = [(group, value) for group in effects for value in effects[group]]
    rows = []
    for a, (group_a, value_a) in enumerate(cultures):
        for b, (group_b, value_b) in list(enumerate(cultures))[a + 1 :]:
            kind = cc.CONDITIONS if group_a != group_b else cc.NULL
            auc = value_a + value_b + (error * rng.normal() if rng is not None else 0)
            rows.append((kind, a, b, group_a, group_b, tuple(sorted((group_a, group_b))), auc))
    names = ["comparison", "culture_a", "culture_b", "group_a", "group_b", "cell", "auc"]
    return pd.DataFrame(rows, columns=names)


def test_interval_over_cultures_is_welchs_where_cultures_add_up():
    """Mean over complete pairs of u_a + v_b is mean(u) + mean(v): its interval has a closed form."""
    first, second = np.array([0.1, 0.3, 0.2, 0.45]), np.array([0.5, 0.2, 0.35])
    table = pairs_of(first, second)
    across = table[table["comparison"] == cc.CONDITIONS]
    mean, lower, upper = cc.over_cultures(across, lambda part: part["auc"].mean())
    welch = stats.ttest_ind(first, -second, equal_var=False).confidence_interval(0.95)
    assert (mean, lower, upper) == pytest.approx((first.mean() + second.mean(), welch.low, welch.high))


def test_difference_to_the_null_covers_zero_as_often_as_it_should():
    rng = generator(0, "test coverage")
    covered = []
    for _ in range(60):
        table = pairs_of(rng.normal(0.3, 0.1, 4), rng.normal(0.3, 0.1, 4), 0.05, rng)
        _, lower, upper = cc.over_cultures(table, cc._above_null)
        covered.append(lower <= 0 <= upper)
    assert np.mean(covered) > 0.88  # 95 % less 2.5 standard errors


def test_too_few_cultures_have_no_interval():
    def interval(table):
        return cc.over_cultures(table, lambda part: part["auc"].mean())[1]

    table = pairs_of([0.1, 0.2], [0.3, 0.5])
    null = table[table["comparison"] == cc.NULL]
    assert np.isnan(interval(null)) and np.isfinite(interval(table[table["comparison"] == cc.CONDITIONS]))
    one = pairs_of([0.1], [0.3, 0.5, 0.6])
    assert np.isnan(interval(one[one["comparison"] == cc.CONDITIONS]))


def test_dispersion_closed_form_and_interval():
    points = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    value, lower, upper = cc.dispersion_with_interval(points + 5, 2000, generator(0, "x"))
    assert value == pytest.approx((2 / 3 + 8 / 3) / 2) and lower < value < upper
    rng = generator(0, "test dispersion")
    covered = []
    for _ in range(60):
        _, lower, upper = cc.dispersion_with_interval(rng.normal(size=(60, 4)), 300, rng)
        covered.append(lower <= 1 <= upper)
    assert np.mean(covered) > 0.83


def test_heterogeneity_compares_conditions_over_cultures():
    groups = ["treated"] * 4 + ["Control"] * 4
    traces = recording(groups, neurons=40)
    wide = np.where(traces["group"].values == "treated", 2.0, 1.0)[:, None]
    boxes = {("avae", 1): embedding(traces, wide * noise(traces)), ("pca", 1): embedding(traces, noise(traces, seed=1))}
    table = cc.heterogeneity_table(traces, boxes, "set", "a set", FAST)
    assert tuple(table.columns) == cc.HETEROGENEITY_COLUMNS and (table["neurons"] == 39).all()
    compared = cc.compare_heterogeneity(table).set_index("method")
    assert compared.loc["avae", "reference"] == "Control" and compared.loc["avae", "group"] == "treated"
    assert compared.loc["avae", "ratio"] == pytest.approx(4, rel=0.25) and compared.loc["avae", "verdict"] == cc.MORE
    assert compared.loc["pca", "verdict"] == TIES
    swapped = table.assign(group=table["group"].map({"treated": "Control", "Control": "treated"}))
    assert cc.compare_heterogeneity(swapped).set_index("method").loc["avae", "verdict"] == cc.LESS
    single = cc.compare_heterogeneity(table[table["culture"].isin([0, 7])])
    assert (single["verdict"] == cc.CONFOUNDED).all() and np.isfinite(single["ratio"]).all()


def test_dispersion_does_not_depend_on_the_scale_of_latents():
    traces = recording()
    tables = [
        cc.heterogeneity_table(traces, {("avae", 1): embedding(traces, latents)}, "set", "a set", FAST)
        for latents in (noise(traces), 100 + noise(traces) * [1, 50, 0.01])
    ]
    np.testing.assert_allclose(tables[0]["dispersion"], tables[1]["dispersion"], rtol=1e-3)


def test_same_seed_same_numbers_and_seeds_are_averaged():
    traces = recording()
    first, second = separability(traces, noise(traces)), separability(traces, noise(traces))
    pd.testing.assert_frame_equal(first, second)
    double = pd.concat([first, first.assign(seed=2, auc=first["auc"] + 0.01)])
    one, both = cc.summarise_comparison(first), cc.summarise_comparison(double)
    plain = one["comparison"] != cc.DIFFERENCE
    np.testing.assert_allclose(both.loc[plain, "auc"], one.loc[plain, "auc"] + 0.005)
    np.testing.assert_allclose(both.loc[~plain, "auc"], one.loc[~plain, "auc"], atol=1e-12)
    assert (both["seeds"] == 2).all() and (both["pairs"] == one["pairs"]).all()


def test_what_is_wrong_is_said():
    traces = recording()
    box = {("avae", 1): embedding(traces, noise(traces))}

    def table(traces=traces, box=box, parameters=None):
        return cc.separability_table(traces, box, "set", "a set", parameters)

    with pytest.raises(UserError, match="culture: expected this variable"):
        table(traces.drop_vars("culture"))
    with pytest.raises(UserError, match="at least two conditions"):
        table(traces.assign(group=("neuron", np.full(traces.sizes["neuron"], "control", object))))
    with pytest.raises(UserError, match="several of culture 0"):
        table(traces.assign(culture=traces["culture"] * 0))
    with pytest.raises(UserError, match="embedding of avae: neuron"):
        table(traces.assign_coords(neuron=traces["neuron"].values + 1))
    with pytest.raises(UserError, match="found \\['fold'\\]"):
        table(parameters={"fold": 3})
    for name, value in (("folds", 1), ("repeats", 0.5), ("neurons", "some"), ("resamples", True)):
        with pytest.raises(UserError, match=name):
            table(parameters={name: value})
