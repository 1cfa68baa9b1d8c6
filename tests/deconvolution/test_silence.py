"""Neurons that never fire are told from those that fire seldom, and from those that fire all the time."""

import json

import numpy as np
import pytest
from scipy.signal import lfilter

from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.deconvolution.silence import noise_probability
from calcium_latents.errors import UserError
from calcium_latents.recordings import check_recording
from calcium_latents.seeds import generator

DECAY = float(np.exp(-1 / 18))
OPTIONS = {"s_min": -1.0, "decay_time_limits_s": [0.3, 0.8], "normalise": True, "baseline_nonnegative": False}
OPTIONS |= {"silent_probability": 0.01}


def probabilities(signal, count=100, frames=1800):
    """Of `count` traces of unit noise with `signal(random)` [frame] spikes of a size."""
    random = generator(1, "tests", "silence")
    traces = [lfilter([1.0], [1.0, -DECAY], signal(random)) + random.standard_normal(frames) for _ in range(count)]
    return np.array([noise_probability([trace], 1.0, DECAY) for trace in traces])


def spikes_of(count, size):
    def signal(random):
        spikes = np.zeros(1800)
        np.add.at(spikes, random.integers(100, 1700, count), size)
        return spikes

    return signal


def test_noise_is_noise():
    assert (probabilities(lambda _: np.zeros(1800), count=500) < 0.01).mean() <= 0.015


def test_slow_noise_is_noise():
    def slow(random):
        return 0.02 * random.standard_normal(1800)  # as slow as calcium, as often down as up

    assert (probabilities(slow, count=200) < 0.01).mean() <= 0.05


@pytest.mark.parametrize(("count", "size", "least"), [(1, 5.0, 0.97), (3, 3.0, 0.93), (10, 3.0, 1.0)])
def test_a_few_spikes_are_found(count, size, least):
    assert (probabilities(spikes_of(count, size)) < 0.01).mean() >= least


@pytest.mark.parametrize("rate", [1.0, 5.0, 20.0])
def test_neurons_that_fire_all_the_time_are_not_silent(rate):
    assert (probabilities(lambda random: 3.0 * random.poisson(rate / 30, 1800)) < 0.01).all()


def test_pieces_are_one_trace():
    trace = generator(2, "tests", "silence").standard_normal(1800)
    trace[900:940] += 4 * DECAY ** np.arange(40)
    assert noise_probability([trace[:600], trace[600:]], 1.0, DECAY) < 1e-6
    assert noise_probability([trace[:5]], 1.0, DECAY) == 1.0


def test_a_silent_neuron_is_named_and_has_no_events(known, session_of, capsys):
    _, fluorescence = known
    values = fluorescence.copy()
    values[:, 2] = 0.1 * generator(3, "tests", "silence").standard_normal(len(values))
    result = deconvolve(session_of(values), **OPTIONS)
    assert result["silent"].values.tolist() == [0, 0, 1, 0]
    assert (result["events"].values[0, :, 2] == 0).all()
    assert capsys.readouterr().err.rstrip().endswith(": neuron 12")
    kept = deconvolve(session_of(values), **(OPTIONS | {"silent_probability": None}))
    assert "silent" not in kept and (kept["events"].values[0, :, 2] > 0).sum() > 30
    np.testing.assert_array_equal(kept["events"].values[..., [0, 1, 3]], result["events"].values[..., [0, 1, 3]])
    check_recording(result, "deconvolved.nc")
    assert json.loads(result.attrs["deconvolution_parameters"])["silent_probability"] == 0.01


def test_a_recording_of_silent_neurons_alone_is_refused(session_of):
    noise = 0.1 * generator(4, "tests", "silence").standard_normal((1800, 2))
    with pytest.raises(UserError, match=r"none that noise alone would not give, in any of 2 neurons"):
        deconvolve(session_of(noise), **OPTIONS)
