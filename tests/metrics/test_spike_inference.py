import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.metrics.spike_inference import (
    COLUMNS,
    NeuronEvents,
    event_correlation,
    frame_correlation,
    recording_neurons,
    spike_inference,
)
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording

TIME = 0.02 * (np.arange(3000) + 1)


def spikes_and_counts(seed=0, rate=0.1):
    counts = np.random.default_rng(seed).poisson(rate, TIME.size)
    return np.repeat(TIME - 0.01, counts), counts.astype(float)


@pytest.mark.parametrize("width", [0.02, 0.04, 0.1, 1.0])
def test_perfect_events_correlate_perfectly(width):
    spikes, counts = spikes_and_counts()
    correlation, bins, total = event_correlation(counts, TIME, spikes, width)
    assert correlation == pytest.approx(1.0)
    assert bins == round(60 / width)
    assert total == counts.sum()


def test_independent_events_do_not_correlate():
    spikes, _ = spikes_and_counts(1)
    _, others = spikes_and_counts(2)
    assert abs(event_correlation(others, TIME, spikes, 0.02)[0]) < 4 / np.sqrt(3000)


@pytest.mark.parametrize("late", [1, 3])
def test_late_events_correlate_best_at_their_lag(late):
    spikes, counts = spikes_and_counts(3)
    events = np.concatenate([np.zeros(late), counts[:-late]])
    lags = [0.0, 0.02, 0.04, 0.06, 0.08]
    found = [event_correlation(events, TIME, spikes, 0.02, lag)[0] for lag in lags]
    assert np.argmax(found) == late
    assert found[late] == pytest.approx(1.0)


@given(share=st.floats(0.2, 0.9), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_bins_without_a_sample_are_left_out(share, seed):
    spikes, counts = spikes_and_counts(seed, rate=0.5)
    lost = np.random.default_rng(seed).uniform(size=TIME.size) < share
    correlation, bins, _ = event_correlation(np.where(lost, np.nan, counts), TIME, spikes, 0.02)
    assert bins == (~lost).sum()
    assert correlation == pytest.approx(1.0)


def test_correlation_is_numpys():
    spikes, counts = spikes_and_counts(4)
    events = counts + np.random.default_rng(5).exponential(0.5, counts.size)
    expected = np.corrcoef(events.reshape(-1, 5).sum(1), counts.reshape(-1, 5).sum(1))[0, 1]
    assert event_correlation(events, TIME, spikes, 0.1)[0] == pytest.approx(expected)


@pytest.mark.parametrize("events", [np.zeros(3000), np.full(3000, np.nan), np.ones(3000)])
def test_undefined_correlations_are_nan(events):
    assert np.isnan(event_correlation(events, TIME, spikes_and_counts()[0], 0.1)[0])


def test_no_spikes_and_too_few_bins_are_nan():
    _, counts = spikes_and_counts()
    assert np.isnan(event_correlation(counts, TIME, np.array([]), 0.1)[0])
    assert np.isnan(event_correlation(counts, TIME, np.array([1.0]), 30.0)[0])


def test_table_is_tidy():
    spikes, counts = spikes_and_counts()
    one = NeuronEvents("DS", "GCaMP6f", "cell", "first", counts, TIME, spikes)
    table = spike_inference([one, one], bin_widths_s=[0.02, 0.1], lags_s=[0.0, 0.06])
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 8
    assert set(zip(table.bin_width_s, table.lag_s, strict=True)) == {
        (0.02, 0.0), (0.02, 0.06), (0.1, 0.0), (0.1, 0.06),
    }  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    settings_ = {"neurons": 30, "trials_per_condition": 20}
    return deconvolve(simulate_lorenz_recording(settings_, seed=11))


def test_frame_correlation_counts_the_frame_before_the_sample(simulated):
    perfect = simulated.copy(deep=True)
    spikes = perfect["spikes"].values.astype(float).reshape(-1, 30)
    window = spikes + np.vstack([np.zeros((1, 30)), spikes[:-1]]) + np.vstack([np.zeros((2, 30)), spikes[:-2]])
    events = perfect["events"].values
    events[:] = np.where(np.isfinite(events), window.reshape(events.shape), np.nan)
    assert frame_correlation(perfect)["correlation"].to_numpy() == pytest.approx(1.0)


def test_calibration_at_the_noise_of_the_paper(simulated):
    """The paper: 0.32 at full size; shorter sessions move it a little (min-max scaling over fewer spikes)."""
    table = frame_correlation(simulated)
    assert table["correlation"].mean() == pytest.approx(0.33, abs=0.05)
    assert (table["samples"] == 160 * 30).all()


def test_more_noise_lowers_the_correlation(simulated):
    noisy = {"neurons": 30, "trials_per_condition": 20, "noise_multiplier": 4.0}
    worse = deconvolve(simulate_lorenz_recording(noisy, seed=11), decay_outside_range="caiman")
    assert frame_correlation(worse)["correlation"].mean() < 0.7 * frame_correlation(simulated)["correlation"].mean()


def test_neurons_of_a_recording(simulated):
    neurons = list(recording_neurons(simulated, "sim", "gcamp6f", limit=3))
    assert [one.neuron for one in neurons] == ["0", "1", "2"]
    counts = simulated["spikes"].values[:, :, 0]
    assert neurons[0].spike_time_s.size == counts.sum()
    assert np.isfinite(neurons[0].events).all()
    assert (np.diff(neurons[0].sample_time_s) > 0).all()
    table = spike_inference(neurons, bin_widths_s=[0.03, 0.3], lags_s=[0.0])
    by_width = table.groupby("bin_width_s")["correlation"].mean()
    assert by_width[0.3] > by_width[0.03] > 0.1
