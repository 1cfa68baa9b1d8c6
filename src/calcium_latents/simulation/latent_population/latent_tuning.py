"""How a neuron reads a latent state: one projection, a threshold, a power law."""

import numpy as np
from scipy.special import betaincinv, gammaln, ndtri

from calcium_latents.recordings.expected_activity import activation
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters

THRESHOLD_DRAWS = 1000
# Gauss-Legendre nodes between the threshold and the largest projection; the square-root edge of p = 0.5 then
# costs less than 1e-6 of the variance.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
GAUSSIAN_LIMIT = 9.0


def threshold_limits(parameters: LatentPopulationParameters) -> tuple[float, float]:
    """Return the thresholds between which a neuron is active often enough (p < 1: and inactive often enough).

    (1 + u . z) / 2 has a Beta((d - 1) / 2, (d - 1) / 2) distribution on the sphere; u . z is standard normal for
    normal z.
    """
    fraction = parameters.active_fraction_minimum
    if parameters.manifold == "gaussian":
        low = float(ndtri(fraction))
    else:
        half = (parameters.dimension - 1) / 2
        low = float(2 * betaincinv(half, half, fraction) - 1)
    return low, -low if parameters.exponent < 1 else np.inf


def draw_threshold(parameters: LatentPopulationParameters, random: np.random.Generator) -> float:
    """Draw the threshold c of one neuron; 0 for a linear one.

    Raises
    ------
    UserError
        The distribution of thresholds leaves (almost) no neuron active.
    """
    if parameters.nonlinearity == "linear":
        return 0.0
    low, high = threshold_limits(parameters)
    for _ in range(THRESHOLD_DRAWS):
        if parameters.thresholds == "tuned":
            threshold = -random.uniform(0, parameters.threshold_range)
        else:
            threshold = random.normal(parameters.threshold_mean, parameters.threshold_sd)
        if low <= threshold <= high:
            return float(threshold)
    name = "threshold_range" if parameters.thresholds == "tuned" else "threshold_mean"
    share = f"active_fraction_minimum = {parameters.active_fraction_minimum:g}"
    raise parameters.wrong(name, f"thresholds between {low:.3g} and {high:.3g} ({share})", getattr(parameters, name))


def signal_moments(parameters: LatentPopulationParameters, threshold: float) -> tuple[float, float]:
    """Return mean and variance of sigma(u . z + c) over the latent distribution, |u| = 1.

    On the sphere u . z = cos(angle) with a density of the angle that goes as sin^(d - 2); for normal z it is
    standard normal. The integral runs over the active side only, where the integrand is smooth.
    """
    size = parameters.dimension
    if parameters.nonlinearity == "linear":
        return threshold, 1.0 if parameters.manifold == "gaussian" else 1.0 / size
    if parameters.manifold == "gaussian":
        low = min(max(-threshold, -GAUSSIAN_LIMIT), GAUSSIAN_LIMIT)
        x = low + (GAUSSIAN_LIMIT - low) * (NODES + 1) / 2
        density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * (GAUSSIAN_LIMIT - low) / 2
    else:
        largest = np.arccos(np.clip(-threshold, -1, 1))
        angle = largest * (NODES + 1) / 2
        x = np.cos(angle)
        scale = np.exp(gammaln(size / 2) - gammaln((size - 1) / 2)) / np.sqrt(np.pi)
        density = scale * np.sin(angle) ** (size - 2) * largest / 2
    values = activation(x + threshold, "power", parameters.exponent)
    mean = float(np.sum(WEIGHTS * density * values))
    return mean, float(np.sum(WEIGHTS * density * values**2)) - mean**2
