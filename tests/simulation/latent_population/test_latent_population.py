import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.commands import simulate
from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.recordings.expected_activity import expected_activity
from calcium_latents.simulation.latent_population.latent_population import simulate_latent_population
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters

SMALL = {"neurons": 7, "stimuli": 20, "repeats": 3}
SPONTANEOUS = {"paradigm": "spontaneous", "neurons": 7, "duration_s": 20}
PER_NEURON = ("preferred_direction", "threshold", "gain", "baseline", "fano_factor")
TUNINGS = [
    {"manifold": "ring", "exponent": 0},
    {"manifold": "ring", "integer_degrees": True},
    {"manifold": "sphere", "exponent": 0.5},
    {"manifold": "sphere", "latent_size": 4, "exponent": 2},
    {"manifold": "sphere", "latent_size": 15},
    {"manifold": "gaussian"},
    {"nonlinearity": "linear"},
    {"thresholds": "normal"},
]


def flat(values):
    return np.asarray(values, float).reshape(-1, np.shape(values)[-1])


@pytest.fixture(scope="module")
def many():
    """Twenty neurons through 40,000 presentations."""
    return simulate_latent_population({"neurons": 20, "stimuli": 20_000}, seed=2)


@pytest.mark.parametrize("parameters", [SMALL, SPONTANEOUS])
def test_it_is_a_recording_that_survives_the_disk(parameters, tmp_path):
    recording = simulate_latent_population(parameters, seed=3)
    write_recording(recording, tmp_path / "a.nc", {"config_digest": "a", "code_digest": "b", "versions": "{}"})
    back = read_recording(tmp_path / "a.nc")
    assert set(back.variables) == set(recording.variables)
    for name in recording.variables:
        np.testing.assert_array_equal(back[name].values, recording[name].values)
    np.testing.assert_array_equal(expected_activity(back), expected_activity(recording))
    assert back.attrs["paradigm"] == parameters.get("paradigm", "stimulus")
    assert json.loads(back.attrs["simulation_parameters"])["neurons"] == 7


def test_the_command_writes_it(tmp_path):
    path = tmp_path / "a.nc"
    given = ["--simulator", "latent_population", "--parameters", json.dumps(SMALL), "--seed", "3"]
    simulate.main([*given, "--output", str(path)])
    np.testing.assert_array_equal(read_recording(path).events, simulate_latent_population(SMALL, seed=3).events)


@pytest.mark.parametrize("parameters", [SMALL, SPONTANEOUS])
def test_same_seed_same_bytes_other_seed_others(parameters):
    first, again, other = (simulate_latent_population(parameters, seed=seed) for seed in (3, 3, 4))
    for name in first.data_vars:
        assert first[name].values.tobytes() == again[name].values.tobytes(), name
    for name in ("events", "latents", "gain"):
        assert not np.array_equal(first[name], other[name]), name


@pytest.mark.parametrize("parameters", [SMALL, SPONTANEOUS, SMALL | {"nonlinearity": "linear"}])
def test_a_neuron_does_not_depend_on_how_many_there_are(parameters):
    few, many = (simulate_latent_population(parameters | {"neurons": n}, seed=3) for n in (7, 150))
    np.testing.assert_array_equal(few["latents"], many["latents"])
    for name in ("events", *PER_NEURON):
        np.testing.assert_array_equal(few[name], many[name].isel(neuron=slice(7)), err_msg=name)


def test_every_stimulus_comes_once_in_each_of_the_repeats():
    recording = simulate_latent_population(SMALL | {"response_window_s": 0.8, "onset_interval_s": 2.1}, seed=1)
    assert dict(recording.sizes) == {"trial": 60, "time": 1, "neuron": 7, "latent": 3}
    assert recording.attrs["bin_width_s"] == 0.8
    np.testing.assert_allclose(np.diff(recording["trial_start"]), 2.1)
    rounds = recording["condition"].values.reshape(3, 20)
    np.testing.assert_array_equal(np.sort(rounds), np.tile(np.arange(20), (3, 1)))
    assert not np.array_equal(rounds[0], rounds[1])
    latents, events = recording["latents"].values[:, 0], recording["events"].values[:, 0]
    for stimulus in range(20):
        shown = recording["condition"].values == stimulus
        assert (latents[shown] == latents[shown][0]).all()
        assert len(np.unique(events[shown], axis=0)) == 3
    assert len(np.unique(latents, axis=0)) == 20


def test_spontaneous_activity_is_one_trial_of_frames_with_running_speed():
    recording = simulate_latent_population(SPONTANEOUS | {"latent_size": 4}, seed=1)
    assert dict(recording.sizes) == {"trial": 1, "time": 100, "neuron": 7, "latent": 4}
    assert "condition" not in recording
    np.testing.assert_allclose(np.diff(recording["time"]), 0.2)
    assert recording["running_speed"].dims == ("trial", "time")
    assert recording["running_speed"].attrs["units"] == "cm/s"
    assert (recording["running_speed"] >= 0).all()
    latents = np.column_stack([recording["latents"][0], np.ones(100)]).astype(float)
    speed = recording["running_speed"].values[0].astype(float)
    fitted = latents @ np.linalg.pinv(latents) @ speed
    # A projection with an intercept: R2 is the squared correlation of fit and target.
    expected = np.corrcoef(fitted, speed)[0, 1] ** 2
    assert recording.attrs["running_speed_multiple_r2"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("base", [{"stimuli": 50}, SPONTANEOUS])
def test_latents_lie_on_their_manifold(base):
    for manifold, size in (("ring", 2), ("sphere", 3), ("sphere", 5)):
        recording = simulate_latent_population(base | {"manifold": manifold, "latent_size": size}, seed=1)
        np.testing.assert_allclose(np.linalg.norm(recording["latents"], axis=-1), 1, atol=1e-6)
        assert recording.attrs["true_latent_size"] == size == recording.sizes["latent"]
    wide = simulate_latent_population({"stimuli": 4000, "neurons": 1, "manifold": "gaussian"}, seed=1)
    covariance = np.cov(flat(wide["latents"])[wide["condition"].values.argsort()[::2]].T)
    np.testing.assert_allclose(covariance, np.eye(40), atol=5 * (2 / 4000) ** 0.5)


def test_directions_may_be_whole_degrees():
    parameters = {"manifold": "ring", "integer_degrees": True, "stimuli": 5000, "neurons": 1}
    x, y = flat(simulate_latent_population(parameters, seed=1)["latents"]).T
    degrees = np.degrees(np.arctan2(y, x))
    np.testing.assert_allclose(degrees, np.rint(degrees), atol=1e-4)
    assert set(np.rint(degrees) % 360) == set(range(360))


@pytest.mark.parametrize("parameters", TUNINGS)
def test_the_signal_has_unit_variance_over_the_latents(parameters):
    recording = simulate_latent_population(parameters | {"neurons": 20, "stimuli": 20_000}, seed=4)
    first = np.unique(recording["condition"], return_index=True)[1]
    expected = flat(expected_activity(recording))[first]
    square = (expected - expected.mean(axis=0)) ** 2
    error = np.abs(square.mean(axis=0) - 1)
    # The squares of a step that is up half of the time hardly vary: then rounding and whole degrees limit.
    assert (error < np.maximum(4.5 * square.std(axis=0) / 20_000**0.5, 3e-3)).all()
    assert abs(square.mean() - 1) < 0.02


def test_noise_has_the_exact_mean_and_variance(many):
    mean, events = flat(expected_activity(many)), flat(many["events"])
    factor = many["fano_factor"].values.astype(float)
    noise = events - mean
    variance = factor * mean
    for chosen in (mean < mean.mean(axis=0), mean > mean.mean(axis=0)):  # at low and at high activity
        z = (noise * chosen).sum(axis=0) / np.sqrt((variance * chosen).sum(axis=0))
        assert np.abs(z).max() < 4.5
        assert z.std() < 2
        # The fourth central moment of a gamma of shape m / F is (3 + 6 F / m) (F m)^2.
        spread = (2 + 6 * factor / mean) * variance**2
        z = ((noise**2 - variance) * chosen).sum(axis=0) / np.sqrt((spread * chosen).sum(axis=0))
        assert np.abs(z).max() < 4.5


def test_noise_level_is_relative_to_the_signal(many):
    np.testing.assert_array_equal(many["noise_level"], np.full(20, 0.5, np.float32))
    average = many["fano_factor"].values * flat(expected_activity(many)).mean(axis=0)
    np.testing.assert_allclose(average, 0.25, rtol=0.05)


@pytest.mark.parametrize("level", [0.3, 0.5, 1.0])
def test_the_true_activity_reaches_the_ceiling(level):
    recording = simulate_latent_population({"noise_level": level, "stimuli": 3000, "neurons": 60}, seed=5)
    mean, events = flat(expected_activity(recording)), flat(recording["events"])
    r2 = 1 - ((events - mean) ** 2).sum() / ((events - events.mean(axis=0)) ** 2).sum()
    assert r2 == pytest.approx(1 / (1 + level**2), abs=0.02)
    assert recording.attrs["ceiling_r2"] == pytest.approx(1 / (1 + level**2))


def test_noise_of_one_neuron_says_nothing_about_another(many):
    noise = flat(many["events"]) - flat(expected_activity(many))
    correlation = np.corrcoef(noise.T)[np.triu_indices(20, 1)]
    assert np.abs(correlation).max() < 5 / 40_000**0.5


@pytest.mark.parametrize("manifold", ["ring", "sphere", "gaussian"])
@pytest.mark.parametrize("base", [{"stimuli": 300}, {"paradigm": "spontaneous"}])
def test_the_null_is_linear_and_its_activity_not_negative(manifold, base):
    for nonlinearity, linear in (("linear", True), ("power", False)):
        parameters = base | {"manifold": manifold, "nonlinearity": nonlinearity, "neurons": 80}
        recording = simulate_latent_population(parameters, seed=6)
        mean, latents = flat(expected_activity(recording)), flat(recording["latents"])
        design = np.column_stack([latents, np.ones(len(latents))])
        residual = mean - design @ np.linalg.lstsq(design, mean, rcond=None)[0]
        assert (np.abs(residual).max() < 1e-4) == linear
        assert mean.min() >= 0.1 - 1e-5
        if linear:
            assert np.linalg.matrix_rank(mean - mean.mean(axis=0), tol=1e-2) == latents.shape[1]
            assert not recording["threshold"].any()


def test_expected_activity_follows_from_the_tuning_in_the_file(many):
    """The formula of the appendix, written out once more."""
    latents = flat(many["latents"])
    projection = latents @ many["preferred_direction"].values.T.astype(float) + many["threshold"].values
    written = many["baseline"].values + many["gain"].values * np.maximum(projection, 0) ** many.attrs["exponent"]
    np.testing.assert_allclose(flat(expected_activity(many)), written, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(expected_activity(many, [5, 0]), expected_activity(many)[..., [5, 0]])
    np.testing.assert_allclose(np.linalg.norm(many["preferred_direction"], axis=1), 1, atol=1e-6)


def test_without_noise_events_are_the_expected_activity():
    for exponent in (0, 0.5, 1, 2):
        recording = simulate_latent_population(SMALL | {"noise_level": 0, "exponent": exponent}, seed=3)
        np.testing.assert_array_equal(recording["events"], expected_activity(recording))
    recording = simulate_latent_population(SMALL | {"baseline": 0}, seed=3)
    silent = expected_activity(recording) == 0
    assert silent.any() and not recording["events"].values[silent].any()


def test_expected_activity_needs_the_truth(many):
    with pytest.raises(UserError, match=r"gain, threshold.*latent_population"):
        expected_activity(many.drop_vars(["gain", "threshold"]))


def test_the_file_is_no_larger_than_the_events(tmp_path):
    recording = simulate_latent_population({"neurons": 1000, "stimuli": 200}, seed=1)
    write_recording(recording, tmp_path / "a.nc", {"config_digest": "a", "code_digest": "b", "versions": "{}"})
    assert (tmp_path / "a.nc").stat().st_size < 1.2 * recording["events"].nbytes


def test_memory_is_little_more_than_the_events():
    parameters = {"neurons": 3000, "stimuli": 500}
    simulate_latent_population(SMALL, seed=1)  # imports and caches
    tracemalloc.start()
    recording = simulate_latent_population(parameters, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As large as the events are the sample offsets of one-bin trials; half as much is for checks.
    assert peak < 2.7 * recording["events"].nbytes


@settings(max_examples=60, deadline=None)
@given(
    paradigm=st.sampled_from(["stimulus", "spontaneous"]),
    manifold=st.sampled_from(["sphere", "gaussian"]),
    latent_size=st.integers(2, 50),
    nonlinearity=st.sampled_from(["power", "linear"]),
    exponent=st.one_of(st.just(0), st.floats(0, 4)),
    thresholds=st.sampled_from(["tuned", "normal"]),
    threshold_range=st.floats(0, 3),
    baseline=st.sampled_from([0, 1e-6, 0.1, 10]),
    noise_level=st.sampled_from([0, 1e-3, 0.5, 20]),
    neurons=st.integers(1, 3),
    seed=st.integers(0, 10),
)
def test_any_population_is_a_recording(**parameters):
    seed = parameters.pop("seed")
    parameters |= {"stimuli": 3, "duration_s": 0.4, "threshold_mean": -0.1}
    recording = simulate_latent_population(parameters, seed)
    assert np.isfinite(recording["events"]).all() and (recording["events"] >= 0).all()
    assert (recording["gain"] > 0).all() and (recording["fano_factor"] >= 0).all()
    expected = expected_activity(recording)
    assert (expected >= parameters["baseline"] * (1 - 1e-5) - 1e-5 * recording["gain"].values).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nueron": 3}, "unknown field 'nueron'"),
        ({"paradigm": "movie"}, "paradigm: expected one of stimulus, spontaneous"),
        ({"manifold": "torus"}, "manifold"),
        ({"nonlinearity": "relu"}, "nonlinearity"),
        ({"thresholds": "none"}, "thresholds"),
        ({"manifold": "ring", "latent_size": 3}, "latent_size: expected 2"),
        ({"manifold": "sphere", "latent_size": 1}, "latent_size: expected at least 2"),
        ({"latent_size": 2.5}, "latent_size: expected a whole number"),
        ({"integer_degrees": True}, "integer_degrees: expected false except"),
        ({"integer_degrees": 1}, "integer_degrees: expected true or false"),
        ({"repeats": 1}, "repeats: expected at least 2"),
        ({"neurons": 0}, "neurons: expected a whole number of at least 1"),
        ({"neurons": True}, "neurons"),
        ({"stimuli": "800"}, "stimuli"),
        ({"exponent": -1}, "exponent: expected a number of at least 0"),
        ({"exponent": float("nan")}, "exponent"),
        ({"noise_level": -0.1}, "noise_level"),
        ({"baseline": -1}, "baseline"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"onset_interval_s": 0.1}, "onset_interval_s: expected at least response_window_s"),
        ({"paradigm": "spontaneous", "duration_s": 0.2}, "duration_s: expected at least two frames"),
        ({"speed_coupling": 1.5}, "speed_coupling: expected a number from 0 to 1"),
        ({"active_fraction_minimum": 0.5}, "active_fraction_minimum"),
        ({"thresholds": "normal", "threshold_mean": -9}, "threshold_mean: expected thresholds between"),
    ],
)
def test_wrong_parameters_are_told_by_name(parameters, message):
    with pytest.raises(UserError, match=message):
        simulate_latent_population(parameters, seed=1)


def test_latent_sizes_default_by_manifold():
    sizes = {m: LatentPopulationParameters(manifold=m).latent_size for m in ("ring", "sphere", "gaussian")}
    assert sizes == {"ring": 2, "sphere": 3, "gaussian": 40}


def test_gaussian_noise_has_one_variance_and_is_not_cut():
    parameters = {"manifold": "gaussian", "latent_size": 3, "nonlinearity": "linear", "noise": "gaussian"}
    recording = simulate_latent_population({**parameters, "neurons": 20, "stimuli": 4000, "noise_level": 0.5}, 3)
    events, expected = recording["events"].values[:, 0], expected_activity(recording)[:, 0]
    noise = events - expected
    assert events.min() > 0
    np.testing.assert_allclose(noise.std(0), 0.5, rtol=0.04)
    # no relation of the noise's size to the expected activity, unlike shot noise
    slope = [np.corrcoef(expected[:, i], noise[:, i] ** 2)[0, 1] for i in range(20)]
    assert np.abs(slope).max() < 0.06
    with pytest.raises(UserError, match="simulation.noise: expected one of gamma, gaussian"):
        simulate_latent_population({"noise": "poisson"}, 1)
