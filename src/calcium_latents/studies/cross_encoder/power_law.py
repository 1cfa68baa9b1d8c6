"""Eigenspectra of simulated random-feature activity beside the exact spectrum of the operator (appendix D, Fig. 2).

A power law is judged here against the exact spectrum of the same kernel, rank by rank. A fitted slope alone says
little: over ranks 11 to 500 it overshoots alpha by up to 1 even on the exact spectrum.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.linalg import eigvalsh

from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.theory import random_features

#: Where a slope is fitted (ranks, inclusive), as is usual for spectra of population activity.
FIT = (11, 500)
#: Ranks over which simulated and exact eigenvalues are compared.
BANDS = ((1, 1), (2, 10), (11, 50), (51, 100), (101, 300))
#: Degrees between which the exact spectrum's slope is taken for alpha.
DEGREES = (2000, 4000)
SOURCES = ("simulated", "infinite neurons", "shuffled")
LARGEST_CLOSED_EXPONENT = 2  # of the arc-cosine kernels


def sphere(samples: int, dimension: int, random: np.random.Generator) -> np.ndarray:
    """Return points [samples, dimension] uniform on the unit sphere."""
    points = random.standard_normal((samples, dimension))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def activity(features: np.ndarray, latents: np.ndarray, exponent: float, threshold: float = 0.0) -> np.ndarray:
    """Return A [N, T] = [xi_i . z_t + c]_+^p for `features` xi [N, d] and `latents` z [T, d] (p = 0: a step)."""
    drive = features @ latents.T + threshold
    if exponent == 0:
        return (drive > 0).astype(float)
    return np.maximum(drive, 0.0, out=drive) ** exponent


def activity_eigenvalues(values: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of A A^T / (N T), descending, [min(N, T)], of `values` A [N, T], without centring."""
    neurons, samples = values.shape
    smaller = values @ values.T if neurons <= samples else values.T @ values
    return np.maximum(eigvalsh(smaller, overwrite_a=True, check_finite=False)[::-1], 0.0) / (neurons * samples)


def infinite_neuron_eigenvalues(latents: np.ndarray, exponent: int) -> np.ndarray:
    """Return the eigenvalues of the kernel matrix K(z_s, z_t) / T of `latents` z [T, d], descending, [T]: activity of
    infinitely many neurons.

    The closed kernels exist for p = 0, 1, 2; UserError else.
    """
    kernel = random_features.arc_cosine_kernel(latents @ latents.T, exponent)
    return np.maximum(eigvalsh(kernel, overwrite_a=True, check_finite=False)[::-1], 0.0) / len(latents)


def power_law_spectra(
    dimensions: Sequence[int],
    exponents: Sequence[float],
    features: int,
    samples: int,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """Return the spectra of simulated activity for every dimension d and exponent p.

    Returns:
        Columns dimension, exponent, source, replicate, rank (1-based), eigenvalue, exact_eigenvalue (of the operator,
        at this rank), degree (of that). Sources: "simulated" (finite N and T, every replicate), and of the first
        replicate "infinite neurons" (the kernel matrix of its latents: finite T alone; p = 0, 1, 2 only) and
        "shuffled" (the samples of every neuron in an order of their own: activity without latents, the null).
    """
    tables = []
    pairs = [(dimension, exponent) for dimension in dimensions for exponent in exponents]
    for dimension, exponent in progress(pairs, "spectra"):
        count = min(features, samples)
        exact, degree = random_features.spectrum(count, dimension, exponent)
        for replicate in range(replicates):
            random = generator(seed, "power law", dimension, f"{exponent:g}", replicate)
            latents = sphere(samples, dimension, random)
            values = activity(random.standard_normal((features, dimension)), latents, exponent)
            found = {"simulated": activity_eigenvalues(values)}
            if replicate == 0:
                if exponent in range(LARGEST_CLOSED_EXPONENT + 1):
                    found["infinite neurons"] = infinite_neuron_eigenvalues(latents, int(exponent))[:count]
                found["shuffled"] = activity_eigenvalues(random.permuted(values, axis=1))
            for source, eigenvalues in found.items():
                columns = {"dimension": dimension, "exponent": exponent, "source": source, "replicate": replicate}
                columns |= {"rank": np.arange(1, count + 1), "eigenvalue": eigenvalues}
                tables.append(pd.DataFrame(columns | {"exact_eigenvalue": exact, "degree": degree}))
    return pd.concat(tables, ignore_index=True)


def thin_ranks(spectra: pd.DataFrame, all_until: int = 30, per_decade: int = 30) -> pd.DataFrame:
    """Return the rows of `spectra` at ranks to draw: all until `all_until`, then evenly on a logarithmic axis."""
    last = int(spectra["rank"].max())
    later = np.arange(np.log10(all_until), np.log10(max(last, all_until)), 1 / per_decade)
    ranks = {*range(1, all_until + 1), *np.round(10**later).astype(int).tolist(), last}
    return spectra[spectra["rank"].isin(ranks)].reset_index(drop=True)


def band_ratios(spectra: pd.DataFrame, bands: Sequence[tuple[int, int]] = BANDS) -> pd.DataFrame:
    """Return the geometric mean of eigenvalue / exact eigenvalue within bands of ranks.

    Returns:
        Columns dimension, exponent, source, replicate, first_rank, last_rank, ratio; without bands that a spectrum
        does not reach.
    """
    keys, rows = ["dimension", "exponent", "source", "replicate"], []
    for key, part in spectra.groupby(keys, sort=True):
        # Eigenvalues that are zero to rounding have no ratio to speak of.
        ratio = np.maximum(part["eigenvalue"].to_numpy(), 1e-300) / part["exact_eigenvalue"].to_numpy()
        for first, last in bands:
            if last <= len(part):
                mean = np.exp(np.log(ratio[first - 1 : last]).mean())
                rows.append((*key, first, last, mean))
    return pd.DataFrame(rows, columns=[*keys, "first_rank", "last_rank", "ratio"])


def octave_ratios(spectra: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the geometric mean of eigenvalue / exact over octaves of ranks, of one dimension and exponent.

    Columns replicate, octave (log2 of its first rank), ratio, rank (geometric mean of its ranks).
    """
    one = spectra[(spectra["source"] == source) & (spectra["eigenvalue"] > 0)]
    octave = np.floor(np.log2(one["rank"])).astype(int)
    ratio, rank = np.log(one["eigenvalue"] / one["exact_eigenvalue"]), np.log(one["rank"])
    logs = pd.DataFrame({"replicate": one["replicate"], "octave": octave, "ratio": ratio, "rank": rank})
    mean = logs.groupby(["replicate", "octave"], as_index=False).mean()
    return mean.assign(ratio=np.exp(mean["ratio"]), rank=np.exp(mean["rank"]))


def largest_gap(checks: pd.DataFrame, identity: str) -> float:
    """Return the largest |value - exact| of an identity of `solvable_checks.checks_table`; NaN without it."""
    part = checks[checks["identity"] == identity]
    return float((part["value"] - part["exact"]).abs().max())


def slopes(spectra: pd.DataFrame, fit: tuple[int, int] = FIT, degrees: tuple[int, int] = DEGREES) -> pd.DataFrame:
    """Return alpha beside the slopes of exact and simulated spectra, by dimension and exponent.

    Returns:
        Columns dimension, exponent, alpha (1 + (2p+1)/(d-1)), degree_slope (exact spectrum, from degree to degree),
        exact_slope (regression on the exact spectrum over ranks first_rank..last_rank), simulated_slope (the same on
        simulated activity, mean over replicates), simulated_slope_sd (over replicates; NaN of one), replicates,
        first_rank, last_rank. The range ends at a third of the ranks where there are few.
    """
    rows = []
    simulated = spectra[spectra["source"] == "simulated"]
    for (dimension, exponent), part in simulated.groupby(["dimension", "exponent"], sort=True):
        first, last = fit[0], min(fit[1], max(int(part["rank"].max()) // 3, fit[0] + 1))
        one = part[part["replicate"] == part["replicate"].min()]
        found = [
            random_features.regression_slope(run["eigenvalue"], first, last) for _, run in part.groupby("replicate")
        ]
        rows.append(
            {
                "dimension": dimension,
                "exponent": exponent,
                "alpha": random_features.power_law_exponent(dimension, exponent),
                "degree_slope": random_features.degree_slope(*degrees, dimension, exponent),
                "exact_slope": random_features.regression_slope(one["exact_eigenvalue"], first, last),
                "simulated_slope": np.mean(found),
                "simulated_slope_sd": np.std(found, ddof=1) if len(found) > 1 else np.nan,
                "replicates": len(found),
                "first_rank": first,
                "last_rank": last,
            }
        )
    return pd.DataFrame(rows)
