"""One network of each roles benchmark for the figures: a transition, contributions about it, an influence map."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter1d

from calcium_latents.errors import UserError
from calcium_latents.simulation.lorenz.delayed_lorenz import simulate_delayed_lorenz
from calcium_latents.simulation.networks.attractor_network import simulate_attractor_network
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.influence import influence_matrix
from calcium_latents.studies.latent_contributions.latent_axes import principal_axes
from calcium_latents.studies.latent_contributions.roles_benchmark import find_transitions, network_seed, settings

GROUPS = ("other", "initiator", "stabiliser")
REACH_S = (-4.0, 6.5)  # shown about a transition; no further than the default windows
SMOOTHING_S = 0.5  # of the raster, for display
SHOWN = 12  # neurons of the influence map


def example(parameters: Mapping[str, Any], seed: int) -> xr.Dataset:
    """Return the first network of `roles_benchmark.benchmark` at default difficulty, prepared for drawing.

    Returns:
        Dataset with attributes `observation_noise`, `transitions`, `lag_s`, `right_pairs` (part of all pairs in
        which the neuron that leads has the larger influence on the other), and
        raster (time, neuron): activity of the movers of the example transition toward the new state, smoothed, in units
        of its standard deviation; group (neuron): index in `GROUPS`; neurons in the order of groups, then of crossing
        share; latents (time, latent) about the example transition; course (time, group): aligned contribution as a part
        of each neuron's whole change, mean over transitions and neurons (-0.5 before, 0.5 after), and course_error, its
        standard error over neurons; crossing_share, late_growth (the other part of the hold share), role (mover): of
        all movers; influence (earlier, later): time-averaged lagged influence A_ij of some neurons in order of their
        true lead, by correlation over the session; lead_s (earlier).

    Raises:
        UserError: nothing was detected.
    """
    p = settings(parameters)
    recording = simulate_attractor_network(p["attractor_network"], network_seed(seed, 0))
    rate = recording.attrs["imaging_rate_hz"]
    activity = recording["fluorescence"].values[0].astype(np.float64)
    axes, found = find_transitions(activity, rate, p)
    if not found:
        raise UserError("roles example: expected at least one detected transition, found none; use less noise.")
    peaks = np.array([transition.peak for transition in found])
    scores, moved = roles.role_scores(activity, axes.axes, peaks, rate, lags_s=p["lags_s"])
    chosen = roles.movers(moved.latent_change)
    group = np.where(recording["initiator"].values == 1, 1, np.where(recording["stabiliser"].values == 1, 2, 0))
    offsets = np.arange(*(round(reach * rate) for reach in REACH_S))
    variables = _transition(activity, axes, moved, chosen, group, scores, offsets, rate)
    variables |= _courses(activity - axes.mean, moved, chosen, group, offsets)
    crossing = scores[roles.INITIATOR]["crossing_share"]
    variables["crossing_share"] = (("mover",), crossing[chosen], {"units": "1"})
    growth = scores[roles.STABILISER]["hold_share"] + crossing
    variables["late_growth"] = (("mover",), growth[chosen], {"units": "1"})
    variables["role"] = (("mover",), group[chosen].astype(np.int8), {"units": "1"})
    influence, about = _influence(p, seed)
    attributes = about | {
        "observation_noise": float(recording["noise_level"].values[0]),
        "transitions": len(moved.frames),
        "groups": ", ".join(GROUPS),
    }
    time = {"time": (("time",), offsets / rate, {"units": "s", "long_name": "time from the detected transition"})}
    return xr.Dataset(variables | influence, coords=time, attrs=attributes)


def _transition(activity, axes, moved, chosen, group, scores, offsets, rate) -> dict[str, tuple]:
    """The transition with the largest change of the latents, neuron by neuron."""
    which = int(np.argmax((moved.latent_change**2).sum(axis=1)))
    frames = moved.frames[which] + offsets
    change = moved.latent_change[which]
    takes_part = np.flatnonzero(chosen & (np.abs(change) >= 0.5 * np.median(np.abs(change[chosen]))))
    rank = np.array([1, 0, 2])[group[takes_part]]  # initiators on top, stabilisers at the bottom
    order = takes_part[np.lexsort((-scores[roles.INITIATOR]["crossing_share"][takes_part], rank))]
    centred = activity - axes.mean
    smooth = uniform_filter1d(centred, max(1, round(SMOOTHING_S * rate)), axis=0)
    raster = smooth[frames][:, order] * np.sign(change[order]) / smooth[:, order].std(axis=0)
    return {
        "raster": (("time", "neuron"), raster.astype(np.float32), {"units": "1"}),
        "group": (("neuron",), group[order].astype(np.int8), {"units": "1"}),
        "latents": (("time", "latent"), (centred @ axes.axes)[frames].astype(np.float32), {"units": "1"}),
    }


def _courses(centred, moved, chosen, group, offsets) -> dict[str, tuple]:
    """Aligned contribution against time, sum_e x_e(t) m_e / sum_e m_e^2, mean over the neurons of each group."""
    change = moved.latent_change
    inside = moved.frames[:, None] + offsets
    whole = np.einsum("eti,ei->ti", centred[inside], change) / np.maximum((change**2).sum(axis=0), 1e-12)
    parts = [whole[:, chosen & (group == index)] for index in range(len(GROUPS))]
    mean = np.stack([part.mean(axis=1) if part.size else np.full(len(offsets), np.nan) for part in parts], axis=1)
    error = np.stack([part.std(axis=1) / np.sqrt(max(1, part.shape[1])) for part in parts], axis=1)
    return {
        "course": (("time", "group_name"), mean, {"units": "1"}),
        "course_error": (("time", "group_name"), error, {"units": "1"}),
    }


def _influence(p: Mapping[str, Any], seed: int) -> tuple[dict[str, tuple], dict[str, float]]:
    recording = simulate_delayed_lorenz(p["delayed_lorenz"], network_seed(seed, 0))
    activity = recording["fluorescence"].values[0].astype(np.float64)
    axes = principal_axes(activity, min(p["delay_latents"], *activity.shape))
    lag_s = float(np.median(p["delay_lags_s"]))
    (lag,) = roles.lag_frames([lag_s], recording.attrs["imaging_rate_hz"])
    x = activity - axes.mean
    lead = recording["lead_s"].values
    order = np.argsort(-lead, kind="stable")
    shown = order[np.round(np.linspace(0, len(order) - 1, min(SHOWN, len(order)))).astype(int)]
    matrix = influence_matrix(x[:-lag], x[lag:], axes.axes, "correlation")
    ahead = lead[:, None] > lead
    right = float((matrix > matrix.T)[ahead].mean()) if ahead.any() else np.nan
    return {
        "influence": (("earlier", "later"), matrix[np.ix_(shown, shown)], {"units": "1"}),
        "lead_s": (("earlier",), lead[shown], {"units": "s"}),
    }, {"lag_s": lag_s, "right_pairs": right}
