"""Recordings on disk are read, made, checked and written a block of neurons at a time, to the same values."""

import json
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from continuous_recording import make_continuous
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.commands import deconvolve as deconvolve_command
from calcium_latents.errors import UserError
from calcium_latents.recordings import (
    check_recording,
    cut_windows,
    lazy,
    make_recording,
    open_recording,
    read_recording,
    write_recording,
)
from calcium_latents.recordings.lazy import LazyArray, block_neurons, is_lazy, neuron_blocks
from calcium_latents.studies.recordings.commands import cut_windows as cut_windows_command
from calcium_latents.studies.recordings.commands import hide_samples as hide_samples_command

PROVENANCE = {"config_digest": "c0ffee", "code_digest": "f00d", "seed": 3, "versions": {"numpy": "2"}}
SHAPE = (3, 7, 10)


def lazily(values, seen=None):
    """Return an array [..., neuron] that is asked for by blocks, which are noted in `seen`."""

    def block(first, stop):
        if seen is not None:
            seen.append((first, stop))
        return values[..., first:stop].copy()

    return LazyArray(values.shape, values.dtype, block)


def indices(size):
    """Indices of an axis: numbers, and slices forwards."""
    bounds = st.none() | st.integers(-size, size)
    return st.integers(-size, size - 1) | st.builds(slice, bounds, bounds, st.none() | st.integers(1, 4))


@settings(max_examples=50, deadline=None)
@given(*map(indices, SHAPE))
def test_a_lazy_array_is_indexed_as_its_values_are(trial, time, neuron):
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    variable = xr.Variable(("trial", "time", "neuron"), lazily(values).indexed())
    np.testing.assert_array_equal(variable[trial, time, neuron].values, values[trial, time, neuron])


def test_only_the_neurons_that_are_asked_for_are_made():
    seen = []
    variable = xr.Variable(("trial", "time", "neuron"), lazily(np.zeros(SHAPE, np.float32), seen).indexed())
    assert is_lazy(variable) and not seen
    assert variable[1, :, 2:5].values.shape == (7, 3) and seen == [(2, 5)]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2**24), st.integers(1, 3000))
def test_blocks_part_the_neurons_and_lie_within_those_of_smaller_arrays(trials, bins, neurons):
    blocks = list(neuron_blocks((trials, bins, neurons)))
    assert [block.start for block in blocks] + [neurons] == [0] + [block.stop for block in blocks]
    width = block_neurons((trials, bins, neurons))
    assert width in (neurons, *2 ** np.arange(7)) and (trials * bins * width <= lazy.BLOCK_VALUES or width == 1)
    larger = block_neurons((4 * trials, bins, neurons))
    assert width == neurons or width % larger == 0 or larger == neurons


def parts(**changes):
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    events = changes.pop("events", values)
    return make_recording(
        fluorescence=lazily(changes.pop("fluorescence", values)),
        events=lazily(events),
        time=np.arange(7) / 30,
        bin_width_s=1 / 30,
        imaging_rate_hz=30.0,
        source="lazy",
        attributes=changes,
    )


def changed(value):
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    values[1, 2, 8] = value
    return values


def test_written_by_blocks_a_recording_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 4)
    recording = parts()
    check_recording(recording, "lazy")
    write_recording(recording, tmp_path / "blocks.nc", PROVENANCE)
    write_recording(recording.load(), tmp_path / "whole.nc", PROVENANCE)
    assert read_recording(tmp_path / "blocks.nc").identical(read_recording(tmp_path / "whole.nc"))
    with open_recording(tmp_path / "blocks.nc") as opened:
        assert is_lazy(opened["events"]) and not is_lazy(opened["sample_offset"])
        write_recording(opened, tmp_path / "again.nc", PROVENANCE)
    assert (tmp_path / "again.nc").read_bytes() == (tmp_path / "blocks.nc").read_bytes()
    with xr.open_dataset(tmp_path / "blocks.nc", engine="h5netcdf") as file:
        assert file["events"].encoding["chunksizes"] == (3, 7, 4)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"events": changed(np.inf), "fluorescence": changed(1)},
            r"others, the first \(inf\) at {'trial': 1, 'time': 2",
        ),
        ({"events": changed(-2.0)}, "expected values >= 0, found -2"),
        ({"events": changed(np.nan)}, "1 bins that differ"),
        ({"event_minimum": 0.5}, "expected zero or at least event_minimum = 0.5"),
        ({"events": np.full(SHAPE, np.nan, np.float32)}, "10 neurons without, the first: 0"),
    ],
)
def test_wrong_values_are_found_when_they_are_written(tmp_path, monkeypatch, changes, found):
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 4)
    with pytest.raises(UserError, match=found):
        write_recording(parts(**changes), tmp_path / "wrong.nc", PROVENANCE)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_damaged_where_it_is_read_is_named(tmp_path):
    write_recording(make_continuous(2000, 20), path := tmp_path / "damaged.nc", PROVENANCE)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(UserError, match=r"damaged\.nc"), open_recording(path) as recording:
        recording["events"].load()


@pytest.mark.parametrize("options", [{}, {"bin_width_s": None}, {"trials": [1.0, 3.0]}])
def test_windows_of_a_recording_on_disk_are_those_of_one_in_memory(tmp_path, monkeypatch, options):
    recording = make_continuous(200, 6)
    for name, part in (("events", recording["events"]), ("fluorescence", recording["fluorescence"])):
        part.values[:, 40:90] = np.nan
        part.values[:, 100:130, :5] = np.nan
        assert name in recording
    words = {"bin_width_s": 0.01, "window_s": 1.0, "overlap_s": 0.8} | options
    write_recording(recording, tmp_path / "whole.nc", PROVENANCE)
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 4)
    with open_recording(tmp_path / "whole.nc") as opened:
        cut = cut_windows(opened, **words)
        assert is_lazy(cut["events"])
        in_memory = cut_windows(read_recording(tmp_path / "whole.nc"), **words)
        assert cut.load().identical(in_memory)
        assert "left_out" in in_memory.attrs or options


def run_commands(folder, neurons, frames, overlap_s):
    """Run the three commands; return the peak of what each holds, in bytes."""
    random = np.random.default_rng(0)
    spikes = random.random((1, frames, neurons)) < 0.05
    fluorescence = np.array(spikes + 0.1 * random.standard_normal(spikes.shape), np.float32)
    recording = make_recording(
        fluorescence=fluorescence,
        time=np.arange(frames) / 30,
        bin_width_s=1 / 30,
        imaging_rate_hz=30.0,
        source="memory",
    )
    names = ["recording", "deconvolved", "shown", "events"]
    files = [str(folder / f"{name}.nc") for name in names]
    write_recording(recording, files[0], PROVENANCE)
    del spikes, fluorescence, recording
    options = {"s_min": -1.0, "decay_time_limits_s": [0.05, 0.8]}
    windows = {"bin_width_s": 0.01, "windows": {"length_s": 1.0, "overlap_s": overlap_s}}
    commands = [
        (deconvolve_command, ["--parameters", json.dumps(options)]),
        (hide_samples_command, ["--fraction", "0.1", "--run-s", "0.5"]),
        (cut_windows_command, ["--parameters", json.dumps(windows)]),
    ]
    peaks = []
    for number, (command, words) in enumerate(commands):
        tracemalloc.start()
        command.main(["--recording", files[number], "--output", files[number + 1], *words])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return np.array(peaks)


def test_memory_does_not_grow_with_neurons_nor_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 16)
    monkeypatch.setattr(lazy, "BLOCK_VALUES", 16 * 6000)
    monkeypatch.setattr("calcium_latents.recordings.grids.PLACED_VALUES", 2**12)
    run_commands(tmp_path, 16, 300, 0.2)  # what is imported and cached
    few = run_commands(tmp_path, 32, 1500, 0.2)
    many, shared = run_commands(tmp_path, 128, 1500, 0.2), run_commands(tmp_path, 32, 1500, 0.8)
    assert (many - few < 0.3 * 4 * (128 - 32) * 1500).all()  # of what the recording has more
    assert shared[2] - few[2] < 0.1 * 4 * 32 * 1500 / 30 * (500 - 125)  # of what the windows have more
