"""Do latents of single neurons follow the parameters of the neurons' dynamics? (AVAE paper, Figure 5B.)

The paper correlates the Izhikevich parameters a, b, v0, du with each latent. Two of them, v0 and du, differ between
groups of cultures far more than within, so their correlation with a latent mostly says again that the latent differs
between groups, whatever makes it do so. The correlation within groups takes each group's mean from both sides.
With several latents the largest of many correlations is looked at: the null is that of the largest.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.metrics.clustering import RESOLUTION

PARAMETERS = ("a", "b", "v0", "du")
COLUMNS = ("latent", "parameter", "r", "within_r", "null_upper", "neurons")
QUANTILE = 0.95


def correlations(
    latents: np.ndarray,
    parameters: Mapping[str, np.ndarray],
    groups: np.ndarray,
    rng: np.random.Generator,
    permutations: int = 200,
) -> pd.DataFrame:
    """Return Pearson correlations of every latent with every parameter, over all neurons and within groups.

    Args:
        latents: [neuron, latent]; neurons whose latents are not finite are left out.
        parameters: name -> [neuron]; neurons without any finite value are left out.
        groups: [neuron], labels.
        rng: for the permutations of neurons, which are the same for all parameters.
        permutations: their number.

    Returns:
        Columns `COLUMNS`. latent: 1, 2, ... within_r: partial correlation given the group, both sides less the group's
        mean. null_upper: 95 % quantile over permutations of the largest |r| over latents. r is NaN where a side is
        constant (for within_r: within every group).

    Raises:
        UserError: fewer than three neurons are left.
    """
    z = np.asarray(latents, float)
    values = np.column_stack([np.asarray(value, float) for value in parameters.values()])
    known = np.isfinite(z).all(axis=1) & np.isfinite(values).all(axis=1)
    z, values, groups = z[known], values[known], np.asarray(groups)[known]
    if len(z) < 3:
        raise UserError(f"correlations: expected finite latents and parameters of three neurons, found {len(z)}.")
    codes = np.unique(groups, return_inverse=True)[1]
    whole = np.zeros(len(z), int)
    r = _unit(z, whole).T @ _unit(values, whole)
    within = _unit(z, codes).T @ _unit(values, codes)
    null = _null_of_largest(_unit(z, whole), _unit(values, whole), rng, permutations)
    rows = [
        (latent + 1, name, r[latent, column], within[latent, column], null[column], len(z))
        for latent in range(z.shape[1])
        for column, name in enumerate(parameters)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _unit(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return columns [neuron, column] less the mean of each group, of unit length; NaN where nothing is left."""
    means = np.stack([values[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    residual = values - means[codes]
    length = np.sqrt((residual**2).sum(axis=0))
    varies = length > RESOLUTION * np.abs(values).max(axis=0) * np.sqrt(len(values))
    return np.where(varies, residual / np.where(varies, length, 1), np.nan)


def _null_of_largest(z: np.ndarray, values: np.ndarray, rng: np.random.Generator, permutations: int) -> np.ndarray:
    """Return [parameter] the quantile over permutations of neurons of the largest |r| over latents."""
    z = z[:, np.isfinite(z).all(axis=0)]
    largest = np.empty((permutations, values.shape[1]))
    for row in range(permutations):
        largest[row] = np.abs(z.T @ values[rng.permutation(len(values))]).max(axis=0, initial=0)
    return np.quantile(largest, QUANTILE, axis=0)
