"""The schema says in plain words what is wrong; boxes come back as they were written, byte for byte."""

import hashlib
import time

import numpy as np
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings import (
    check_recording,
    make_inferred,
    make_recording,
    read_inferred,
    read_recording,
    write_inferred,
    write_recording,
)


def test_round_trip(recording, provenance, tmp_path):
    write_recording(recording, tmp_path / "a.nc", provenance)
    back = read_recording(tmp_path / "a.nc")
    xr.testing.assert_equal(back, recording)
    for name, array in recording.variables.items():
        assert back[name].attrs == array.attrs
        # Names may come back as another kind of text.
        assert back[name].dtype == array.dtype or array.dtype.kind in "OU"
    assert {name: back.attrs[name] for name in recording.attrs} == recording.attrs
    assert back.attrs["seed"] == 3 and back.attrs["versions"] == '{"numpy": "2"}'
    assert back["latent"].values.tolist() == ["X", "Y", "Z"]


def test_same_bytes_each_time(recording, provenance, tmp_path):
    write_recording(recording, tmp_path / "a.nc", provenance)
    # HDF5 keeps times in whole seconds, if it is let.
    time.sleep(1.1)
    write_recording(read_recording(tmp_path / "a.nc"), tmp_path / "b.nc", provenance)
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("a.nc", "b.nc")}
    assert len(digests) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "b.nc"]


def test_read_some_variables(recording, provenance, tmp_path):
    write_recording(recording, tmp_path / "a.nc", provenance)
    part = read_recording(tmp_path / "a.nc", ["events"])
    assert list(part.data_vars) == ["events"]
    with pytest.raises(UserError, match="rates: expected this variable"):
        read_recording(tmp_path / "a.nc", ["rates"])


def _with(dataset, name, change):
    changed = dataset.copy(deep=True)
    changed[name] = (dataset[name].dims, change(dataset[name].values.copy()), dataset[name].attrs)
    return changed


def _set(index, value):
    def change(values):
        values[index] = value
        return values

    return change


BREAKS = {
    "infinite": (
        lambda d: _with(d, "fluorescence", _set((0, 0, 0), np.inf)),
        "fluorescence: expected finite values",
    ),
    "missing rate": (
        lambda d: _with(d, "firing_rate", _set((0, 1, 0), np.nan)),
        "firing_rate: expected finite",
    ),
    "negative event": (lambda d: _with(d, "events", _set((0, 0, 0), -1)), "events: expected values >= 0"),
    "small event": (lambda d: _with(d, "events", _set((0, 0, 0), 0.05)), "event_minimum = 0.1"),
    "other NaN": (lambda d: _with(d, "events", _set((0, 0, 0), np.nan)), "NaN exactly where fluorescence"),
    "negative spikes": (lambda d: _with(d, "spikes", _set((0, 0, 0), -1)), "spikes: expected values >= 0"),
    "dtype": (
        lambda d: _with(d, "events", lambda v: v.astype("f8")),
        "events: expected type float32, found float64",
    ),
    "dims": (
        lambda d: d.assign(events=d.events.transpose("time", "trial", "neuron")),
        "events: expected dims",
    ),
    "offset": (
        lambda d: _with(d, "sample_offset", _set((0, 0), 0.04)),
        "sample_offset: expected times within",
    ),
    "order": (
        lambda d: _with(d, "trial_start", lambda v: v[::-1]),
        "trial_start: expected trials in the order",
    ),
    "time": (
        lambda d: d.assign_coords(time=("time", np.zeros(9), d.time.attrs)),
        "time: expected strictly increasing",
    ),
    "gap": (
        lambda d: d.assign_coords(time=("time", d.time.values + (np.arange(9) > 4), d.time.attrs)),
        "time: expected steps of",
    ),
    "schema": (lambda d: d.assign_attrs(schema="x"), "attribute schema: expected"),
    "version": (lambda d: d.assign_attrs(schema_version=7), "schema_version: expected 1, found 7"),
    "bin width": (
        lambda d: d.assign_attrs(bin_width_s=np.nan),
        "attribute bin_width_s: expected a positive number",
    ),
    "consecutive": (lambda d: d.assign_attrs(consecutive_trials=2), "consecutive_trials: expected 0 or 1"),
    "no offset": (lambda d: d.drop_vars("sample_offset"), "sample_offset: expected this variable"),
    "no samples": (lambda d: d.drop_vars(["events", "fluorescence"]), "expected fluorescence or events"),
    "never sampled": (
        lambda d: _with(_with(d, "events", _set(np.s_[:, :, 2], np.nan)), "fluorescence", _set(np.s_[:, :, 2], np.nan)),
        "at least one sample of every neuron, found 1 neurons without, the first: 2",
    ),
    "units": (
        lambda d: d.assign(noise_level=("neuron", d.noise_level.values)),
        "noise_level: expected an attribute 'units'",
    ),
    "extra units": (lambda d: d.assign(mine=("neuron", np.zeros(5))), "mine: expected an attribute 'units'"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_is_named_and_nothing_written(name, recording, provenance, tmp_path):
    change, message = BREAKS[name]
    path = tmp_path / "a.nc"
    with pytest.raises(UserError) as error:
        write_recording(change(recording), path, provenance)
    assert message in str(error.value) and str(path) in str(error.value)
    assert not list(tmp_path.iterdir())


def test_truth_is_optional(recording, provenance, tmp_path):
    bare = recording.drop_vars(["spikes", "firing_rate", "latents", "latent", "condition", "noise_level", "position"])
    write_recording(bare, tmp_path / "a.nc", provenance)
    assert set(read_recording(tmp_path / "a.nc").data_vars) == {
        "events",
        "fluorescence",
        "trial_start",
        "sample_offset",
    }


def test_counts_must_be_whole(recording):
    with pytest.raises(UserError, match="whole numbers"):
        make_recording(
            events=np.ones((1, 2, 1)),
            spikes=np.full((1, 2, 1), 0.5),
            time=[0, 1],
            bin_width_s=1,
            imaging_rate_hz=1,
            source="x",
        )


def test_parts_that_do_not_fit():
    with pytest.raises(UserError, match="x: the parts of the recording do not fit together"):
        make_recording(events=np.ones((1, 2, 1)), time=[0, 1, 2], bin_width_s=1, imaging_rate_hz=1, source="x")


@pytest.mark.parametrize("name", ["config_digest", "code_digest", "versions"])
def test_provenance_is_needed(name, recording, provenance, tmp_path):
    del provenance[name]
    with pytest.raises(UserError, match=f"provenance {name}"):
        write_recording(recording, tmp_path / "a.nc", provenance)


def test_unreadable_files(recording, provenance, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_recording(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(UserError, match=r"text.nc: file: expected a netCDF4 file"):
        read_recording(tmp_path / "text.nc")
    write_recording(recording, tmp_path / "a.nc", provenance)
    content = (tmp_path / "a.nc").read_bytes()
    (tmp_path / "half.nc").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"half.nc: file: expected a netCDF4 file"):
        read_recording(tmp_path / "half.nc")


def test_a_failed_write_keeps_the_old_file(recording, provenance, tmp_path):
    write_recording(recording, tmp_path / "a.nc", provenance)
    before = (tmp_path / "a.nc").read_bytes()
    with pytest.raises(UserError):
        write_recording(recording.assign_attrs(schema="x"), tmp_path / "a.nc", provenance)
    assert (tmp_path / "a.nc").read_bytes() == before


def test_inferred_round_trip(recording, provenance, tmp_path):
    random = np.random.default_rng(1)
    inferred = make_inferred(
        event_rate=random.gamma(1, 1, (4, 9, 5)),
        factors=random.normal(size=(4, 9, 2)),
        split=[0, 0, 0, 1],
        inferred_inputs=random.normal(size=(4, 9, 1)),
        initial_condition=random.normal(size=(4, 7)),
        time=recording.time.values,
        model="radical",
        recording=recording,
        attributes={"best": True, "config": {"a": 1}},
    )
    write_inferred(inferred, tmp_path / "i.nc", provenance)
    back = read_inferred(tmp_path / "i.nc")
    xr.testing.assert_equal(back, inferred)
    assert back.split.dtype == np.int8 and back.attrs["best"] == 1 and back.attrs["config"] == '{"a": 1}'
    with pytest.raises(UserError, match="attribute schema: expected 'calcium-latents recording'"):
        read_recording(tmp_path / "i.nc")


def test_inferred_must_be_finite(recording):
    rate = np.ones((4, 9, 5))
    rate[1, 2, 3] = np.nan
    with pytest.raises(UserError, match="event_rate: expected finite values, found 1 NaN. The model has diverged"):
        make_inferred(event_rate=rate, time=recording.time.values, model="radical", recording=recording)


def test_inferred_split_values(recording):
    with pytest.raises(UserError, match="split: expected 0"):
        make_inferred(event_rate=np.ones((4, 9, 5)), time=recording.time.values, model="m", split=[0, 1, 2, 0])


def test_checked_recordings_pass(recording):
    check_recording(recording, "here")
