"""What a user must know of a training before trusting its rates: found from its history and from what it inferred."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEAST_PARTICIPATION = 1.5
LEAST_VARIATION = 0.05


def participation_ratio(values: np.ndarray) -> float:
    """Return (sum of eigenvalues)^2 / sum of squared eigenvalues of the covariance of `values` `[..., D]`.

    From 1 (all variance lies on one axis) to D (as much on each); 0 where nothing varies.
    """
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(np.cov(flat, rowvar=False)))
    total = eigenvalues.sum()
    return float(total**2 / (eigenvalues**2).sum()) if total > 0 else 0.0


def training_warnings(
    history: Sequence[Mapping[str, Any]], metric: str, ended_level: bool, rates: Mapping[str, np.ndarray]
) -> list[str]:
    """Return what is wrong with a fit, a sentence each.

    Args:
        history: rows of validations: step and `metric` (lower is better).
        metric: the one that weights are selected by; "last" for none.
        ended_level: whether training ended because the metric had stopped falling.
        rates: `mean` `[n, T, N]` and `factors` `[n, T, F]` as `inference.infer_rates` returns them.
    """
    if not all(np.isfinite(rates[name]).all() for name in ("mean", "factors")):
        return ["rates are not finite, the model has diverged: lower the learning rate"]
    found = []
    by_step: dict[int, list[float]] = {}
    for row in history:
        if metric in row:
            by_step.setdefault(row["step"], []).append(row[metric])
    means = {step: float(np.mean(values)) for step, values in by_step.items()}
    if len(means) > 1 and not ended_level and min(means, key=means.__getitem__) == max(means):
        found.append(f"{metric} was still falling at the last step: train longer (training.steps)")
    ratio = participation_ratio(rates["factors"])
    if rates["factors"].shape[-1] > 1 and ratio < LEAST_PARTICIPATION:
        found.append(
            f"the factors have collapsed: nearly all their variance lies on one axis (participation ratio {ratio:.2f})"
        )
    mean = rates["mean"].mean((0, 1))
    variation = np.median(rates["mean"].std((0, 1))[mean > 0] / mean[mean > 0]) if (mean > 0).any() else 0.0
    if variation < LEAST_VARIATION:
        found.append(f"rates barely vary in time: by {100 * variation:.1f} % of their mean in the median neuron")
    return found
