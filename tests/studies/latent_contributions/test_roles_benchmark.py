"""Benchmark of roles: not saturated, nulls at chance, the same table again, comparisons by hand, edges."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions import roles_benchmark as benchmark
from calcium_latents.studies.latent_contributions.commands.roles_benchmark import main
from calcium_latents.studies.latent_contributions.roles_example import GROUPS, example

SMALL = {
    "networks": 2,
    "delay_networks": 1,
    "difficulties": {"observation_noise": [1.0]},
    "delay_noise": [0.5],
    "attractor_network": {"neurons": 60, "transitions": 8},
    "delayed_lorenz": {"neurons": 30, "frames": 400},
}


@pytest.fixture(scope="module")
def default():
    """Default difficulty, on networks of a seed that nothing was tuned on."""
    only = {"difficulties": {"observation_noise": [2.0]}, "delay_noise": [2.0], "delay_networks": 2, "networks": 4}
    return benchmark.benchmark(only, seed=20_240)


def mean(table, role, method):
    return table[(table["role"] == role) & (table["method"] == method)]["score"].mean()


@pytest.mark.parametrize("role", roles.METHODS)
def test_the_default_difficulty_is_neither_saturated_nor_hopeless(default, role):
    rows = default[(default["role"] == role) & (default["kind"] != "null")]
    assert rows.groupby("method")["score"].mean().max() < 0.99
    assert mean(default, role, roles.DEFAULT[role]) > 0.75
    assert mean(default, role, "noise_free") > mean(default, role, roles.DEFAULT[role])


@pytest.mark.parametrize("role", roles.METHODS)
def test_shuffled_neurons_are_at_chance(default, role):
    assert mean(default, role, "shuffled") == pytest.approx(0.5, abs=0.1)


def test_most_transitions_are_found_and_few_others(default):
    rows = default[default["benchmark"] == benchmark.TRANSITIONS].drop_duplicates("network")
    assert rows["detection_rate"].mean() > 0.85
    assert rows["false_detections"].sum() < 0.4 * rows["transitions"].sum()
    assert (rows["positives"] < rows["movers"]).all() and (rows["movers"] > 100).all()


def test_leads_are_found_and_shuffled_ones_are_not(default):
    assert mean(default, benchmark.LEAD, "peak_lag") > 0.8
    assert mean(default, benchmark.LEAD, "net_influence") > 0.4
    assert mean(default, benchmark.LEAD, "shuffled") == pytest.approx(0, abs=0.2)


def test_the_same_table_again_and_every_method_in_it():
    first, second = (benchmark.benchmark(SMALL, 1) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert set(benchmark.COLUMNS) == set(first)
    for role, methods in roles.METHODS.items():
        assert set(first[first["role"] == role]["method"]) == {*methods, "noise_free"}
    assert set(first[first["benchmark"] == benchmark.DELAYS]["method"]) == set(benchmark.DELAY_METHODS)
    other = benchmark.benchmark(SMALL, 2)
    assert not np.allclose(other["score"], first["score"], equal_nan=True)


def test_where_nothing_is_detected_there_is_no_score():
    table = benchmark.benchmark(
        SMALL | {"networks": 1, "difficulties": {"pulse_strength": [0.0]}, "delay_networks": 1}
        | {"attractor_network": {"neurons": 60, "transitions": 1, "dwell_s": 5.0, "observation_noise": 20.0}},
        seed=1,
    )  # fmt: skip
    rows = table[table["benchmark"] == benchmark.TRANSITIONS]
    assert rows["score"].isna().all() and (rows["movers"] == 0).all()
    assert benchmark.summarise(rows)["n"].eq(0).all()
    assert not len(benchmark.compare(rows))


def test_detection():
    found, true, changes = np.array([10, 50, 90]), np.array([12, 70]), np.array([12, 55, 70])
    said = benchmark.detection(found, true, changes, tolerance=5)
    assert said == {"detection_rate": 0.5, "false_detections": 1, "transitions": 3}
    nothing = benchmark.detection(np.array([], int), true, changes, 5)
    assert nothing == {"detection_rate": 0.0, "false_detections": 0, "transitions": 0}
    still = benchmark.detection(found, np.array([], int), np.array([], int), 5)
    assert np.isnan(still["detection_rate"]) and still["false_detections"] == 3


def test_area_under_curve():
    truth = np.array([True, False, True, False])
    assert benchmark.area_under_curve(truth, np.array([3, 1, 4, 2])) == 1
    assert benchmark.area_under_curve(truth, np.array([1.0, 1, 1, 1])) == 0.5
    for labels, score in ((truth | True, truth), (truth & False, truth), (truth, np.full(4, np.nan))):
        assert np.isnan(benchmark.area_under_curve(labels, score.astype(float)))


def made_up(contribution, plain, other):
    rows = [
        {"benchmark": "transitions", "role": "initiator", "difficulty": "observation_noise", "level": 1.0,
         "network": network, "method": method, "kind": kind, "lag_s": np.nan, "score": value}
        for method, kind, values in (("crossing_share", "contribution", contribution), ("a", "plain", plain),
                                     ("b", "plain", other), ("shuffled", "null", [0.5] * len(plain)))
        for network, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("contribution", "verdict"),
    [([0.9, 0.8, 0.71], "wins"), ([0.8, 0.7, 0.61], "ties"), ([0.6, 0.5, 0.41], "loses")],
)
def test_comparison_is_paired_and_with_the_best_plain_score(contribution, verdict):
    table = made_up(contribution, [0.8, 0.7, 0.6], [0.1, 0.99, 0.2])
    (row,) = benchmark.compare(table).itertuples()
    differences = np.array(contribution) - [0.8, 0.7, 0.6]
    assert row.baseline == "a" and row.n == 3 and row.verdict == verdict
    assert row.difference == pytest.approx(differences.mean())
    assert row.lower < row.difference < row.upper
    paired = benchmark.paired_differences(table)
    np.testing.assert_allclose(paired["difference"], differences)


def test_one_network_is_no_evidence():
    (row,) = benchmark.compare(made_up([0.9], [0.1], [0.2])).itertuples()
    assert row.verdict == "ties" and row.baseline == "b"


def test_the_example_fits_together():
    box = example(SMALL, 1)
    assert box["raster"].shape == (box.sizes["time"], box.sizes["neuron"])
    assert set(np.unique(box["group"])) <= set(range(len(GROUPS)))
    # from before a transition to long after it, each group's contributions come the whole way
    course = box["course"].values
    whole = course[-40:].mean(axis=0) - course[:25].mean(axis=0)
    np.testing.assert_allclose(whole[np.isfinite(whole)], 1.0, atol=0.3)
    assert (np.diff(box["lead_s"].values) <= 0).all() and 0.4 < box.attrs["right_pairs"] <= 1


def test_the_command_writes_the_same_bytes_again(tmp_path):
    import json

    for name in "ab":
        main(
            ["--parameters", json.dumps(SMALL), "--seed", "1", "--scores", f"{tmp_path / name}.csv"]
            + ["--example", f"{tmp_path / name}.nc"]
        )
    for suffix in (".csv", ".nc"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert "raster" in read_dataset(tmp_path / "a.nc")


def test_wrong_parameters_are_named():
    with pytest.raises(UserError, match="unknown field 'network'"):
        benchmark.settings({"network": 3})
    with pytest.raises(UserError, match="networks: expected a whole number"):
        benchmark.settings({"networks": 0})
