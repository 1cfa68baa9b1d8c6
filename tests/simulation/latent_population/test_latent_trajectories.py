import numpy as np
import pytest
from scipy import stats

from calcium_latents.seeds import generator
from calcium_latents.simulation.latent_population import latent_trajectories as trajectories
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters


def test_spontaneous_latents_keep_the_time_constant_and_the_distribution():
    parameters = LatentPopulationParameters(
        paradigm="spontaneous", manifold="gaussian", latent_size=200, duration_s=200, latent_time_constant_s=2.0
    )
    latents = trajectories.spontaneous_latents(parameters, generator(1, "test"))
    correlation = np.mean(latents[:-10] * latents[10:])  # 10 frames at 5 Hz: one time constant
    assert correlation == pytest.approx(2 * np.exp(-1), abs=0.03)
    sphere = LatentPopulationParameters(paradigm="spontaneous", duration_s=4000, latent_time_constant_s=0.1)
    latents = trajectories.spontaneous_latents(sphere, generator(1, "test"))
    # On the sphere in three dimensions every coordinate is uniform from -1 to 1 (every tenth frame is independent).
    for coordinate in latents[::10].T:
        assert stats.kstest((coordinate + 1) / 2, "uniform").pvalue > 1e-3


def test_speed_is_softplus_of_a_drive_with_the_stated_share():
    parameters = LatentPopulationParameters(
        paradigm="spontaneous",
        duration_s=4000,
        latent_time_constant_s=0.2,
        speed_mean_cm_s=1000,  # far from standing still the softplus is the identity
        speed_sd_cm_s=10,
        speed_coupling=0.6,
        speed_time_constant_s=0.2,
    )
    latents = trajectories.spontaneous_latents(parameters, generator(1, "latents"))
    speed = trajectories.running_speed(latents, parameters, generator(1, "speed"))
    assert speed.mean() == pytest.approx(1000, abs=1)
    assert speed.std() == pytest.approx(10, rel=0.05)
    assert trajectories.multiple_r2(speed, latents) == pytest.approx(0.6, abs=0.05)


def test_multiple_r2():
    random = generator(1, "test")
    latents = random.standard_normal((500, 3))
    target = latents @ [1.0, -2.0, 3.0] + 4
    assert trajectories.multiple_r2(target, latents) == pytest.approx(1)
    assert trajectories.multiple_r2(random.standard_normal(500), latents) < 0.05
    assert np.isnan(trajectories.multiple_r2(np.ones(500), latents))


def test_running_follows_latents_as_much_as_it_is_coupled_to_them():
    found = []
    for coupling in (0.0, 0.4, 1.0):
        parameters = LatentPopulationParameters(paradigm="spontaneous", speed_coupling=coupling, latent_size=4)
        latents = trajectories.spontaneous_latents(parameters, generator(3, "latents"))
        speed = trajectories.running_speed(latents, parameters, generator(3, "speed"))
        assert (speed >= 0).all() and speed.min() < 0.1
        found.append(trajectories.multiple_r2(speed, latents))
    assert found[0] < 0.2 < found[1] < 0.6 < found[2] < 1
