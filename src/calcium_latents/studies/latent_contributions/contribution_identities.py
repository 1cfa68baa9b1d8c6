"""Exact identities of contributions, held against a recording's own activity and axes."""

import numpy as np
import pandas as pd

from calcium_latents.studies.latent_contributions.contributions import contributions, transition_shares
from calcium_latents.studies.latent_contributions.influence import influence_degrees
from calcium_latents.studies.latent_contributions.latent_axes import principal_axes

LARGEST = (2000, 300)  # frames, neurons: identities hold for any part of a recording


def identities(activity: np.ndarray, components: int = 5) -> pd.DataFrame:
    """Return the largest relative error of every identity on principal axes of `activity` [time, neuron].

    Columns identity, error: differences over the root mean square of what they should equal.
    """
    activity = np.asarray(activity[: LARGEST[0], : LARGEST[1]], float)
    components = min(components, *activity.shape)
    axes = principal_axes(activity, components)
    centred = activity - axes.mean
    latents = centred @ axes.axes
    parts = contributions(activity, axes.axes, axes.mean)
    variance = (latents**2).mean(0)
    product = (parts * latents[:, None]).mean(0)
    shares = transition_shares(activity[:1], activity[-1:], axes.axes)
    rows = {
        "sum of contributions": _error(parts.sum(1), latents),
        "mean of contribution times latent is squared weight times variance": _error(product, axes.axes**2 * variance),
        "shares of a transition sum to one": _error(shares.sum(1), np.ones(1)),
    }
    degrees = list(influence_degrees(centred, axes.axes, 1))
    totals = np.concatenate([np.atleast_1d(part.total) for part in degrees])
    net = np.concatenate([np.atleast_2d(part.net).sum(1) for part in degrees])
    rows["total influence is the product of the latents"] = _error(totals, (latents[:-1] * latents[1:]).sum(1))
    rows["net influence sums to zero"] = float(np.abs(net).max() / max(np.sqrt((totals**2).mean()), 1e-300))
    return pd.DataFrame({"identity": list(rows), "error": list(rows.values())})


def _error(value: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(value - exact).max() / max(np.sqrt((np.asarray(exact) ** 2).mean()), 1e-300))
