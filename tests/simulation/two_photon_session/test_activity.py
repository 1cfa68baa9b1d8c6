import numpy as np
import pytest
from scipy import stats

from calcium_latents.seeds import generator
from calcium_latents.simulation.two_photon_session import activity
from calcium_latents.simulation.two_photon_session.parameters import TwoPhotonSessionParameters as Parameters


def draw_latents(seed=1, **fields):
    parameters = Parameters(**fields)
    trials = activity.draw_trials(parameters, seed)
    return parameters, trials, activity.latent_states(parameters, trials, seed)


def test_trials_follow_each_other_and_conditions_come_equally_often():
    parameters = Parameters()
    trials = activity.draw_trials(parameters, 3)
    # 1200 s, a trial of 2 s and a mean pause of 2.03 s
    assert len(trials) == pytest.approx(1200 / 4.03, abs=4 * 1.06 / 12**0.5 * 298**0.5 / 4.03)
    np.testing.assert_allclose(trials.stop_s - trials.start_s, 2.0)
    pauses = trials.start_s.to_numpy()[1:] - trials.stop_s.to_numpy()[:-1]
    assert pauses.min() >= 1.5 and pauses.max() <= 2.56 and pauses.std() > 0.25
    assert trials.start_s[0] >= 1.5 and trials.stop_s.max() <= 1200
    counts = trials.condition.value_counts()
    assert len(counts) == 8 and counts.max() - counts.min() <= 1


def test_latents_have_mean_zero_and_variance_one_and_their_own_time_scales():
    parameters, _, states = draw_latents(duration_s=2000.0, stimulus_latents=2)
    assert states.shape == (60_000 * parameters.steps, 8) and parameters.steps == 2
    np.testing.assert_allclose(states.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(states.var(axis=0), 1)
    for latent, constant in [(2, 0.4), (3, 0.8), (4, 0.1), (5, 0.2), (7, 4.0)]:
        lag = round(constant * 60)  # the correlation of a twice filtered process after its time constant: 2 / e
        assert np.mean(states[lag:, latent] * states[:-lag, latent]) == pytest.approx(2 / np.e, abs=0.12)


def test_each_condition_starts_its_own_rotation():
    fields = {"duration_s": 200.0, "stimulus_share": 1.0, "trial_variability": 0.0, "response_decay_s": 0.2}
    _, trials, states = draw_latents(**fields, interval_s=(3.0, 4.0), conditions=4)
    resting = states[10, :2]  # before the first trial
    phases = {condition: set() for condition in range(4)}
    for trial in trials.itertuples():
        first = int(np.ceil(trial.start_s * 60))
        time = np.arange(first + 5, first + 40) / 60 - trial.start_s
        plane = states[first + 5 : first + 40, :2] - resting
        # The two latents were scaled by nearly the same number.
        angle = np.unwrap(np.arctan2(plane[:, 1], plane[:, 0]))
        assert np.polyfit(time, angle, 1)[0] == pytest.approx(2 * np.pi, rel=0.1)  # 1 Hz
        phases[trial.condition].add(round(np.median(angle - 2 * np.pi * time) / (np.pi / 2)) % 4)
        size = np.linalg.norm(plane, axis=1)
        expected = np.exp(-time / 0.2) - np.exp(-time / 0.05)
        assert np.corrcoef(size, expected)[0, 1] > 0.98
    assert phases == {condition: {condition} for condition in range(4)}


def test_trials_of_a_condition_differ_by_the_variability_asked_for():
    _, trials, states = draw_latents(
        duration_s=3000.0, stimulus_share=1.0, trial_variability=0.2, interval_s=(4.0, 5.0), conditions=1
    )
    first = np.ceil(trials.start_s.to_numpy() * 60).astype(int)
    peaks = np.linalg.norm(states[first + 18, :2] - states[10, :2], axis=1)
    assert np.log(peaks).std() == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.85])
def test_latents_explain_the_share_of_log_rate_asked_for(share):
    parameters, _, states = draw_latents(duration_s=1200.0, latent_share=share, largest_rate_hz=1000.0)
    random = generator(1, "test")
    found = []
    for _ in range(20):
        tuning = activity.cell_tuning(parameters.changed(undriven_share=0.0), random)
        log_rate = np.log(activity.firing_rate(tuning, states, parameters, random))
        design = np.column_stack([states, np.ones(len(states))])
        residual = log_rate - design @ np.linalg.lstsq(design, log_rate, rcond=None)[0]
        assert log_rate.std() == pytest.approx(tuning["modulation"], rel=0.15)
        found.append(1 - residual.var() / log_rate.var())
    # The private part is slow: by chance latents explain a little of it.
    assert np.mean(found) == pytest.approx(share, abs=0.03)


def test_mean_rates_are_those_drawn_also_where_rates_are_cut():
    parameters, _, states = draw_latents(duration_s=600.0, modulation=2.0, largest_rate_hz=20.0)
    random = generator(1, "test")
    for _ in range(10):
        tuning = activity.cell_tuning(parameters, random)
        rate = activity.firing_rate(tuning, states, parameters, random)
        assert rate.mean() == pytest.approx(tuning["mean_rate"], rel=0.01)
        assert rate.min() > 0 and rate.max() <= 20.0


def test_mean_rates_over_cells_are_log_normal():
    parameters = Parameters(mean_rate_hz=0.7, rate_spread=0.5, undriven_share=0.25)
    random = generator(1, "test")
    cells = [activity.cell_tuning(parameters, random) for _ in range(20_000)]
    rates = np.array([cell["mean_rate"] for cell in cells])
    assert rates.mean() == pytest.approx(0.7, rel=0.02)
    assert np.log(rates).std() == pytest.approx(0.5, rel=0.02)
    driven = np.array([np.linalg.norm(cell["loading"]) for cell in cells])
    np.testing.assert_allclose(driven[driven > 0], 1)
    assert (driven == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert {cell["latent_share"] for cell in cells} == {0.0, parameters.latent_share}


def test_spikes_are_a_poisson_process_of_the_rate():
    rate = np.repeat([0.0, 40.0, 5.0], 2000)
    random = generator(1, "test")
    times = activity.spike_times(rate, 0.01, random)
    assert (np.diff(times) >= 0).all()
    counts = np.histogram(times, [0, 20, 40, 60])[0]
    assert counts[0] == 0
    assert counts[1] == pytest.approx(800, abs=4 * 800**0.5)
    assert counts[2] == pytest.approx(100, abs=4 * 100**0.5)
    within = times[(times > 20) & (times < 40)]
    assert stats.kstest(np.diff(within), stats.expon(scale=1 / 40).cdf).pvalue > 0.01
    assert activity.spike_times(np.zeros(5), 0.01, random).size == 0


def test_running_speed_follows_arousal():
    parameters, _, states = draw_latents(duration_s=1200.0, speed_coupling=1.0)
    times = np.arange(60_000) / 50
    speed = activity.speed_of_arousal(states[:, -1], times, parameters, 1)
    drive = 4 + 10 * np.interp(times, np.arange(len(states)) / 60, states[:, -1])
    np.testing.assert_allclose(speed, np.logaddexp(0, drive), rtol=1e-6)
