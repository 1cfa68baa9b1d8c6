import json

import numpy as np
import pytest
import xarray as xr

from calcium_latents.commands import deconvolve as deconvolve_command
from calcium_latents.deconvolution import neuron as one_neuron
from calcium_latents.deconvolution import oasis
from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.errors import UserError
from calcium_latents.recordings import lazy, make_recording, read_recording, write_recording
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording

SMALL = {"conditions": 2, "trials_per_condition": 20, "neurons": 5}


@pytest.fixture(scope="module")
def recording():
    return simulate_lorenz_recording(SMALL, seed=1)


@pytest.fixture(scope="module")
def deconvolved(recording):
    return deconvolve(recording, path="some.nc")


def continuous(samples=900, neurons=3, rate_hz=30.0, seed=0, trials=1):
    random = np.random.default_rng(seed)
    traces = np.zeros((trials, samples, neurons), np.float32)
    for index in range(1, samples):
        traces[:, index] = 0.92 * traces[:, index - 1] + random.poisson(0.05, (trials, neurons))
    traces += 0.1 * random.standard_normal(traces.shape).astype(np.float32)
    return make_recording(
        fluorescence=traces,
        time=np.arange(samples) / rate_hz,
        bin_width_s=1 / rate_hz,
        imaging_rate_hz=rate_hz,
        source="cells.nc",
        consecutive_trials=False,
    )


def with_trace(recording: xr.Dataset, neuron: int, trace) -> xr.Dataset:
    changed = recording.copy(deep=True)
    changed["fluorescence"].values[0, :, neuron] = trace
    return changed


def test_events_stand_where_samples_stood(recording, deconvolved):
    np.testing.assert_array_equal(np.isnan(deconvolved["events"]), np.isnan(recording["fluorescence"]))
    assert deconvolved["events"].dtype == np.float32
    assert "events" not in recording


def test_trials_of_one_session_are_one_trace(recording, deconvolved):
    values = recording["fluorescence"].values[:, :, 3]
    where = np.isfinite(values)
    result = oasis.deconvolve_trace(values[where], 0.1)
    events = deconvolved["events"].values[:, :, 3][where]
    np.testing.assert_allclose(events, result.events, atol=1e-6)
    decay_time = -0.03 / np.log(result.decay)
    assert deconvolved["decay_time"].values[3] == pytest.approx(decay_time, rel=1e-5)


def test_separate_trials_are_separate_traces():
    separate = continuous(samples=200, trials=3)
    events = deconvolve(separate)["events"].values
    for trial in range(3):
        trace = separate["fluorescence"].values[trial, :, 1]
        np.testing.assert_allclose(events[trial, :, 1], oasis.deconvolve_trace(trace).events, atol=1e-6)


def test_event_minimum_is_just_below_every_event(deconvolved):
    events = deconvolved["events"].values
    above = events[events > 0]
    assert above.min() > deconvolved.attrs["event_minimum"] > 0.0999
    assert deconvolved.attrs["deconvolution"] == "oasis"
    assert json.loads(deconvolved.attrs["deconvolution_parameters"])["s_min"] == 0.1


def test_it_survives_the_disk(deconvolved, tmp_path):
    path = tmp_path / "deconvolved.nc"
    write_recording(deconvolved, path, {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 1})
    np.testing.assert_array_equal(read_recording(path)["events"].values, deconvolved["events"].values)


def test_processes_do_not_change_the_result(recording, deconvolved):
    parallel = deconvolve(recording, processes=2)
    assert parallel["events"].values.tobytes() == deconvolved["events"].values.tobytes()


def test_a_recording_on_disk_gives_the_same_with_any_processes(tmp_path, monkeypatch):
    recording = continuous(samples=600, neurons=11)
    recording["fluorescence"].values[:, 100:140, ::3] = np.nan
    recording["fluorescence"].values[:, 120:124, ::3] = 1.0  # a piece too short for events
    write_recording(
        recording, tmp_path / "cells.nc", {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 1}
    )
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 4)
    for processes in ("1", "3"):
        words = ["--recording", f"{tmp_path}/cells.nc", "--output", f"{tmp_path}/out/{processes}.nc"]
        deconvolve_command.main([*words, "--parameters", "{}", "--processes", processes])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.nc", "3.nc"]
    assert (tmp_path / "out/1.nc").read_bytes() == (tmp_path / "out/3.nc").read_bytes()
    written, in_memory = read_recording(tmp_path / "out/1.nc"), deconvolve(recording)
    assert np.isnan(written["fluorescence"].values[0, 120:124, 0]).all()
    for name, array in in_memory.variables.items():
        np.testing.assert_array_equal(written[name].values, array.values)
    assert written.attrs["event_minimum"] == in_memory.attrs["event_minimum"]


@pytest.mark.parametrize("s_min", [None, 0.0, -1.0, 0.3])
def test_normalised_events_have_one_smallest_size(s_min):
    result = deconvolve(continuous(), s_min=s_min, normalise=True, event_minimum=0.1)
    for neuron in range(3):
        events = result["events"].values[0, :, neuron]
        assert events[events > 0].min() >= 0.1 * (1 - 1e-6)
    assert result.attrs["event_minimum"] == pytest.approx(0.1 * (1 - 1e-4))
    plain = deconvolve(continuous(), s_min=s_min)["events"].values[0]
    ratio = plain[plain[:, 0] > 1e-3, 0] / result["events"].values[0, plain[:, 0] > 1e-3, 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_decay_times_are_clipped():
    free = deconvolve(continuous())["decay_time"].values
    middle = float(np.median(free))
    clipped = deconvolve(continuous(), decay_time_limits_s=(middle, 10.0))["decay_time"].values
    np.testing.assert_allclose(clipped, np.maximum(free, middle), rtol=1e-5)
    assert 0.2 < middle < 0.7  # the true one is 0.4 s


def test_a_centred_trace_needs_a_free_baseline():
    centred = continuous()
    centred["fluorescence"].values[:] -= 1.0
    assert (deconvolve(centred)["baseline"].values == 0).all()
    assert (deconvolve(centred, baseline_nonnegative=False)["baseline"].values < -0.8).all()


def test_slow_imaging_gives_fewer_samples_of_the_same_session():
    slow = deconvolve(simulate_lorenz_recording({**SMALL, "imaging_rate_hz": 8}, seed=1))
    share = np.isfinite(slow["events"].values).mean()
    assert share == pytest.approx(1 / 12, abs=0.01)


ALTERNATING = np.tile([1.0, -1.0], 450)


@pytest.mark.parametrize(
    ("trace", "found"),
    [
        (np.full(900, 3.25), "constant"),
        (np.full(900, np.nan), "NaN"),
        (ALTERNATING, "noise without transients"),
        (np.where(np.arange(900) == 70, np.inf, ALTERNATING), "infinity"),
    ],
)
def test_bad_traces_are_named(trace, found):
    with pytest.raises(UserError, match=found) as error:
        deconvolve(with_trace(continuous(), 2, trace), path="cells.nc")
    assert "cells.nc" in str(error.value)
    if found != "infinity":
        assert "neuron 2" in str(error.value)


@pytest.mark.parametrize("options", [{"decay_outside_range": "caiman"}, {"decay_time_limits_s": [0.3, 0.8]}])
def test_traces_without_a_decay_are_handled_when_asked(options):
    noise = ALTERNATING + 0.1 * np.random.default_rng(0).standard_normal(900)
    result = deconvolve(with_trace(continuous(), 1, noise), **options)
    assert np.isfinite(result["events"]).all()
    assert 0 < result["decay_time"].values[1] < 0.8 + 1e-6


def test_a_drift_is_named(monkeypatch):
    monkeypatch.setattr(one_neuron, "autoregressive_decay", lambda trace, noise: 1.02)
    with pytest.raises(UserError, match=r"neuron 0.*found 1\.02: it drifts"):
        deconvolve(continuous())


def test_too_short_a_trace_is_named():
    with pytest.raises(UserError, match=r"neuron 0.*at least 32 samples.*found 20"):
        deconvolve(continuous(samples=20))


def test_a_hole_of_less_than_a_frame_is_no_hole(recording):
    changed = recording.copy(deep=True)
    first = int(np.flatnonzero(np.isfinite(changed["fluorescence"].values[4, :, 2]))[3])
    changed["fluorescence"].values[4, first, 2] = np.nan
    with pytest.raises(UserError, match=r"neuron 2: .*every 3 bins.*trial 4.*1 neuron has"):
        deconvolve(changed)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "foopsi"}, "method"),
        ({"s_min": float("nan")}, "s_min"),
        ({"decay_time_limits_s": (0.8, 0.3)}, "decay_time_limits_s"),
        ({"decay_outside_range": "drop"}, "decay_outside_range"),
        ({"event_minimum": 0.0}, "event_minimum"),
    ],
)
def test_wrong_options_are_named(recording, options, field):
    with pytest.raises(UserError, match=rf"deconvolution\.{field}"):
        deconvolve(recording, **options)


def test_fluorescence_is_needed(deconvolved):
    with pytest.raises(UserError, match="fluorescence"):
        deconvolve(deconvolved.drop_vars("fluorescence"))
