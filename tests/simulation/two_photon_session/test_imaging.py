import numpy as np
import pytest

from calcium_latents.simulation.two_photon_session import imaging
from calcium_latents.simulation.two_photon_session.parameters import INDICATORS
from calcium_latents.simulation.two_photon_session.parameters import TwoPhotonSessionParameters as Parameters


@pytest.mark.parametrize("name", INDICATORS)
@pytest.mark.parametrize("response", ["hill", "linear"])
def test_one_spike_peaks_at_the_amplitude_and_decays_as_published(name, response):
    rate = 1000.0
    parameters = Parameters(indicator=name, response=response, imaging_rate_hz=rate, duration_s=6.0)
    trace = imaging.dff_of_spikes(np.array([1.0]), np.array([1.0]), 0.0, 0.3, parameters)
    assert trace.max() == pytest.approx(0.3, rel=1e-4)
    peak = trace.argmax() / rate - 1.0
    kind = INDICATORS[name]
    rise, decay = kind.rise_time_s, kind.decay_time_s
    assert peak == pytest.approx(np.log(decay / rise) / (1 / rise - 1 / decay), abs=1 / rate)
    assert (trace[:1000] == 0).all()
    if response == "linear":
        time = np.arange(6000) / rate - 1.0
        kernel = np.where(time > 0, np.exp(-time / decay) - np.exp(-time / rise), 0)
        np.testing.assert_allclose(trace, 0.3 * kernel / kernel.max(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "peak_s", "half_decay_s"), [("GCaMP6f", 0.045, 0.14), ("GCaMP6s", 0.18, 0.55), ("jGCaMP8m", 0.02, 0.12)]
)
def test_times_of_the_indicators_are_those_of_the_literature(name, peak_s, half_decay_s):
    parameters = Parameters(indicator=name, imaging_rate_hz=1000.0, duration_s=6.0)
    trace = imaging.dff_of_spikes(np.array([0.0]), np.array([1.0]), 0.0, 1.0, parameters)
    peak = trace.argmax()
    assert peak / 1000 == pytest.approx(peak_s, rel=0.05)
    assert (trace[peak:] < 0.5).argmax() / 1000 == pytest.approx(half_decay_s, rel=0.05)


def test_several_spikes_add_up_to_more_than_their_sum_and_saturate():
    parameters = Parameters(imaging_rate_hz=1000.0, duration_s=6.0)
    peaks = [
        imaging.dff_of_spikes(np.zeros(count), np.ones(count), 0.0, 1.0, parameters).max() for count in (1, 2, 20, 200)
    ]
    assert peaks[1] > 2 and peaks[2] < 20
    kind = INDICATORS["GCaMP6s"]
    occupied = [x**kind.hill_coefficient / (x**kind.hill_coefficient + kind.half_saturation**kind.hill_coefficient)
                for x in (kind.resting, kind.resting + 1)]  # fmt: skip
    limit = (1 - occupied[0]) / (occupied[1] - occupied[0])
    assert peaks[3] == pytest.approx(limit, rel=0.01)
    linear = parameters.changed(response="linear")
    assert imaging.dff_of_spikes(np.zeros(7), np.ones(7), 0.0, 1.0, linear).max() == pytest.approx(7, rel=1e-3)


def test_a_cell_is_sampled_when_the_laser_is_at_its_line():
    parameters = Parameters(imaging_rate_hz=10.0, duration_s=20.0, response="linear", frame_size=100)
    regions = imaging.draw_regions(parameters, 1)
    offsets = imaging.sample_offsets(regions, parameters)
    np.testing.assert_allclose(offsets, regions.position[:, 1] / 100 / 10)
    kind = INDICATORS["GCaMP6s"]
    for offset in (0.0, 0.035, 0.09):
        trace = imaging.dff_of_spikes(np.array([1.05]), np.array([1.0]), offset, 1.0, parameters)
        since = np.arange(200) / 10 + offset - 1.05
        kernel = np.exp(-since / kind.decay_time_s) - np.exp(-since / kind.rise_time_s)
        expected = np.where(since >= 0, kernel, 0)
        np.testing.assert_allclose(trace / trace.max(), expected / expected.max(), atol=1e-9)


def test_regions_stand_within_the_frame_and_cells_among_the_others():
    parameters = Parameters(neurons=300, non_cells=100)
    regions = imaging.draw_regions(parameters, 1)
    assert regions.is_cell.sum() == 300
    assert 0 < regions.is_cell[:50].sum() < 50
    assert regions.position.min() >= imaging.BORDER and regions.position.max() <= 512 - imaging.BORDER
    np.testing.assert_array_equal(regions.coefficient[regions.is_cell], 0.7)
    assert np.log(regions.noise_sd).std() == pytest.approx(0.3, abs=0.04)
    assert np.exp(np.log(regions.noise_sd).mean()) == pytest.approx(0.015 * 30**0.5, rel=0.06)


def test_neuropil_is_alike_nearby_and_follows_the_population():
    parameters = Parameters(neurons=200, non_cells=0, duration_s=600.0, imaging_rate_hz=5.0, neuropil_share=0.6)
    regions = imaging.draw_regions(parameters, 1)
    activity = np.random.default_rng(0).exponential(size=(200, parameters.frames)).astype(np.float32)
    activity += 2 * np.sin(np.arange(parameters.frames) / 20).astype(np.float32) + 2
    field = imaging.neuropil_field(activity, regions, parameters, 1)
    np.testing.assert_allclose(field.mean(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(field.std(axis=1), parameters.neuropil_modulation, rtol=0.1)
    population = np.corrcoef(field, activity.mean(axis=0))[-1, :-1]
    assert population.mean() == pytest.approx(0.6**0.5, abs=0.06)
    alone = imaging.neuropil_field(activity, regions, parameters.changed(neuropil_share=0.0), 1)
    correlation = np.corrcoef(alone)
    distance = np.linalg.norm(regions.position[:, None] - regions.position, axis=-1)
    assert correlation[(distance > 0) & (distance < 30)].mean() > 0.95
    assert abs(correlation[distance > 400].mean()) < 0.1
    assert abs(np.corrcoef(alone, activity.mean(axis=0))[-1, :-1]).mean() < 0.2


def test_bleaching_takes_the_part_asked_for():
    curve = imaging.bleaching_curve(Parameters(bleaching=0.3))
    assert curve[0] == 1 and curve[-1] == pytest.approx(0.7, abs=1e-4)
    assert (np.diff(curve) < 0).all()


def test_bouts_of_motion_are_as_many_and_as_long_as_asked_for():
    parameters = Parameters(duration_s=20_000.0, imaging_rate_hz=10.0, motion_rate_hz=0.02, motion_s=0.5)
    bad, bout = imaging.bad_frames(parameters, 1)
    np.testing.assert_array_equal(bad, bout > 0)
    assert bout.max() == pytest.approx(400, abs=4 * 20)
    assert bad.sum() / bout.max() == pytest.approx(5.5, rel=0.2)  # 1 + the floor of an exponential of mean 5
    assert not imaging.bad_frames(parameters.changed(motion_rate_hz=0.0), 1)[0].any()
