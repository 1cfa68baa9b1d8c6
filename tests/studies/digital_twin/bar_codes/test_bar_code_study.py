"""The study of alignments and its command: methods that should win do, tables are whole, the same bytes again."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_study import (
    ASCENT,
    DRIVE,
    ENERGY,
    GRADIENT,
    HARD,
    METHODS,
    NONE,
    RANDOM,
    SMOOTH,
    SPECTRUM,
    TABLE_COLUMNS,
    TIMING_COLUMNS,
    WEIGHTS,
    StudyOptions,
    study,
)
from calcium_latents.studies.digital_twin.bar_codes.bar_codes import FOURIER, in_drive_metric, soft_shift, unit_norm
from calcium_latents.studies.digital_twin.commands import align_bar_codes

ORIGIN = {"config_digest": "c", "code_digest": "c", "seed": 0, "versions": "{}"}
FAST = {"starts": 3, "restarts": 5, "resamples": 50, "permutations": 20, "published": {"starts": 1, "most_steps": 400}}
NEURONS, KINDS, FEATURES = 80, 4, 6
IDENTITY = np.eye(8 * FEATURES).reshape(8, FEATURES, 8, FEATURES)


def made_codes(noise=0.15):
    """Codes of four types, moved by any angle, with noise; and the types."""
    rng = generator(1, "tests", "bar code study")
    kind, angle = np.arange(NEURONS) % KINDS, rng.uniform(0, 2 * np.pi, NEURONS)
    phase, size = rng.uniform(0, 2 * np.pi, (4, FEATURES)), rng.normal(size=(KINDS, 4, FEATURES))
    place = 2 * np.pi * np.arange(8)[:, None] / 8 - angle[:, None, None]
    codes = sum(size[kind, None, k] * np.cos(k * place + phase[k]) for k in range(4))
    return 0.3 * (codes + noise * rng.normal(size=codes.shape)), np.array([f"type {k}" for k in kind])


def redundant(codes):
    """Codes of twice as many features, each there twice, and their covariance: every neuron takes either one of each.

    Drives are as before; weights of two neurons of one type agree in half of the features.
    """
    taken = generator(2, "tests", "bar code study").integers(0, 2, (len(codes), 1, codes.shape[2]))
    pair = np.ones((2, 2))
    covariance = np.einsum("rs,fg,ab->rafsbg", np.eye(8), np.eye(FEATURES), pair)
    shape = (8, 2 * FEATURES)
    return np.concatenate([codes * (taken == 0), codes * (taken == 1)], axis=2), covariance.reshape(shape + shape)


def options(**given):
    return StudyOptions.from_mapping({**FAST, **given})


@pytest.fixture(scope="module")
def studied():
    codes, types = made_codes()
    return codes, types, study(codes, 3, "made-up", "made-up codes", options(metric=WEIGHTS), types)


def test_alignment_beats_none_and_random_shifts(studied):
    _, _, (_, table, timing) = studied
    assert list(table) == list(TABLE_COLUMNS) and list(timing) == list(TIMING_COLUMNS)
    assert set(table["method"]) == set(METHODS) and set(table["clusters"]) == {KINDS, 2 * KINDS}
    assert len(table) == 2 * len(timing) == 2 * (6 + 2 * 4)
    ari = table[table["clusters"] == KINDS].groupby("method")["ari"].max()
    for method in (ASCENT, SMOOTH, GRADIENT):
        assert ari[method] > 0.9 > 0.7 > max(ari[NONE], ari[RANDOM]), method
    twice = table[table["clusters"] == 2 * KINDS].set_index("method")
    assert twice.loc[SMOOTH, "homogeneity"].max() > 0.95 > twice.loc[NONE, "homogeneity"]
    assert (table["ari_lower"] <= table["ari"] + 1e-9).all() and (table["ari"] <= table["ari_upper"] + 1e-9).all()
    assert (table["chance_upper"] < 0.2).all()
    assert set(table["metric"]) == set(timing["metric"]) == {WEIGHTS}
    chosen = table[table["chosen"] == 1]
    assert chosen["clusters"].tolist() == [KINDS, 2 * KINDS] and set(chosen["method"]) == {SMOOTH}
    assert chosen["temperature"].eq(StudyOptions().temperature).all()
    without = table["method"].isin([SPECTRUM, ENERGY])
    assert table.loc[without, "loss"].isna().all() and (table.loc[~without, "loss"] > 0).all()
    moved = table[table["method"].isin([HARD, GRADIENT, ASCENT, SMOOTH])]
    assert (moved["coherence"] > moved["chance_coherence"] + 0.1).all()
    random = table[table["method"] == RANDOM]
    np.testing.assert_allclose(random["coherence"], random["chance_coherence"])
    assert table.loc[table["method"] == HARD, "temperature"].eq(np.inf).all()


def test_the_box_holds_what_the_chosen_method_did(studied):
    codes, _, (box, _, _) = studied
    np.testing.assert_allclose(np.linalg.norm(box["bar_code"], axis=(1, 2)), 1, rtol=1e-6)
    direction = (codes * box["bar_code"].values).sum(axis=(1, 2)) / np.linalg.norm(codes, axis=(1, 2))
    np.testing.assert_allclose(direction, 1, rtol=1e-6)
    shifted = soft_shift(box["bar_code"].values, box["shift_rad"].values, box.attrs["temperature"], FOURIER)
    np.testing.assert_allclose(box["aligned"], shifted, atol=1e-6)
    assert box.attrs["metric"] == WEIGHTS and box["aligned"].attrs["long_name"].startswith("weights of unit norm")
    assert box.attrs["method"] == SMOOTH and box.attrs["clusters"] == KINDS == len(np.unique(box["cluster"]))
    assert (np.diff(np.bincount(box["cluster"])) <= 0).all()


def test_drives_find_types_that_redundant_weights_hide():
    """In both metrics in one table; the box holds drives, and the weights that they come from."""
    plain, types = made_codes()
    codes, covariance = redundant(plain)
    box, table, timing = study(codes, 3, "d", "d", options(temperatures=[]), types, covariance=covariance)
    fewest = table[table["clusters"] == KINDS].set_index(["metric", "method"])["ari"]
    assert set(fewest.index) == {(metric, method) for metric in (DRIVE, WEIGHTS) for method in METHODS}
    assert len(timing) == len(fewest) and len(table) == 2 * len(fewest)
    for method in (GRADIENT, ASCENT, SMOOTH):
        assert fewest[DRIVE, method] > 0.95 > 0.85 > fewest[WEIGHTS, method], method
    chosen = table[table["chosen"] == 1]
    assert set(chosen["metric"]) == {DRIVE} and len(chosen) == 2
    weights = unit_norm(codes)
    np.testing.assert_allclose(box["bar_code"], weights, atol=1e-6)
    drives = unit_norm(in_drive_metric(weights, covariance))
    shifted = soft_shift(drives, box["shift_rad"].values, box.attrs["temperature"], FOURIER)
    np.testing.assert_allclose(box["aligned"], shifted, atol=1e-6)
    assert box.attrs["metric"] == DRIVE and "covariance" in box["aligned"].attrs["long_name"]
    # drives of codes whose features are there once, are those of the plain codes
    alone, same, _ = study(plain, 3, "d", "d", options(temperatures=[]), types, covariance=IDENTITY)
    np.testing.assert_array_equal(box["cluster"], alone["cluster"])
    by_metric = [same[same["metric"] == metric].drop(columns=["metric", "chosen"]) for metric in (DRIVE, WEIGHTS)]
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in by_metric), rtol=1e-4)


def test_drives_need_a_covariance():
    codes, types = made_codes()
    with pytest.raises(UserError, match="metric: expected the features' covariance"):
        study(codes, 0, "d", "d", options(), types)
    with pytest.raises(UserError, match="feature_covariance: expected shape"):
        study(codes, 0, "d", "d", options(), types, covariance=IDENTITY[1:])


@pytest.mark.parametrize("method", [HARD, GRADIENT, ASCENT])
def test_without_types_there_are_no_scores_but_all_else(method):
    codes, _ = made_codes()
    few = options(method=method, metric=WEIGHTS, clusters=3, temperatures=[])
    box, table, _ = study(codes[:20], 0, "d", "d", few, neuron=np.arange(5, 25))
    assert table["ari"].isna().all() and table["homogeneity"].isna().all()
    assert box.attrs["method"] == method and box["neuron"].values[0] == 5 and box["cluster"].max() == 2
    box, _, _ = study(codes[:20], 0, "d", "d", options(method=method, metric=WEIGHTS, temperatures=[]))
    assert box.attrs["clusters"] == 4  # a fifth of the neurons


def test_zero_codes_and_two_neurons_go_through():
    codes = np.zeros((2, 4, 3))
    codes[1] = 1
    box, table, _ = study(codes, 0, "d", "d", options(temperatures=[], metric=WEIGHTS), np.array(["a", "b"]))
    assert np.isfinite(box["aligned"]).all() and (box["tsne"] == 0).all() and table["ari"].notna().all()


def write(folder, with_types=True):
    codes, types = made_codes()
    neuron = ("neuron", np.arange(NEURONS), {"units": "1"})
    code = (("neuron", "rotation", "feature"), codes.astype(np.float32), {"units": "1"})
    features = (("rotation", "feature", "other_rotation", "other_feature"), IDENTITY.astype(np.float32), {"units": "1"})
    data = {"bar_code": code, "feature_covariance": features}
    write_dataset(xr.Dataset(data, {"neuron": neuron}), folder / "output.nc", ORIGIN)
    known = {"animal": ("neuron", np.zeros(NEURONS, int), {"units": "1"})}
    if with_types:
        known["neuron_type"] = ("neuron", types.astype(object), {"units": "1"})
    write_dataset(xr.Dataset(known, {"neuron": neuron}), folder / "responses.nc", ORIGIN)


def run(folder, out, *more, parameters=None):
    arguments = ["--predictions", folder / "output.nc", "--dataset", "made-up", "--label", "made-up codes"]
    arguments += ["--parameters", json.dumps({**FAST, **(parameters or {})}), "--seed", 3, *more]
    for name, file in (("output", "bar_codes.nc"), ("table", "alignment.csv"), ("timing", "alignment_timing.csv")):
        arguments += [f"--{name}", out / file]
    align_bar_codes.main([str(argument) for argument in arguments])


def test_the_command_writes_the_same_bytes_again(tmp_path, studied):
    write(tmp_path)
    for out in ("a", "b"):
        run(tmp_path, tmp_path / out, "--responses", tmp_path / "responses.nc")
    for name in ("bar_codes.nc", "alignment.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    table = pd.read_csv(tmp_path / "a" / "alignment.csv")
    assert table["label"].eq("made-up codes").all() and table["ari"].notna().all()
    assert list(pd.read_csv(tmp_path / "a" / "alignment_timing.csv")) == list(TIMING_COLUMNS)
    box = read_dataset(tmp_path / "a" / "bar_codes.nc", ["cluster", "shift_rad", "tsne", "aligned"])
    assert box.attrs["seed"] == 3 and box.sizes["neuron"] == NEURONS


def test_neurons_without_types_have_a_fifth_as_many_clusters(tmp_path):
    write(tmp_path, with_types=False)
    run(tmp_path, tmp_path, "--responses", tmp_path / "responses.nc")
    box = read_dataset(tmp_path / "bar_codes.nc", ["cluster"])
    assert set(box["cluster"].values) == set(range(NEURONS // 5))
    table = pd.read_csv(tmp_path / "alignment.csv")
    assert table["ari"].isna().all() and table["chosen"].any()


def test_the_command_names_what_is_wrong(tmp_path):
    write(tmp_path, with_types=False)
    for wrong in ({"cluster": 3}, {"published": {"start": 1}}):
        with pytest.raises(UserError, match="unknown field .* did you mean"):
            run(tmp_path, tmp_path / "x", parameters=wrong)
    for wrong in ({"method": "none"}, {"metric": "drives"}, {"temperature": 0.0}, {"restarts": 0}):
        with pytest.raises(UserError, match="bar codes[.].*: expected"):
            run(tmp_path, tmp_path / "x", parameters=wrong)
    other = read_dataset(tmp_path / "responses.nc").isel(neuron=slice(1, None))
    write_dataset(other, tmp_path / "responses.nc", ORIGIN)
    with pytest.raises(UserError, match="neuron: expected the 80 neurons"):
        run(tmp_path, tmp_path / "x", "--responses", tmp_path / "responses.nc")
    assert not (tmp_path / "x").exists()
