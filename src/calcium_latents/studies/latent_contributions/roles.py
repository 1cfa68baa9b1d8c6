"""Which neurons begin a transition and which hold the new state: scores from contributions, beside plain ones.

Around a transition with change dz of the latents, neuron i's aligned contribution in a window of time is

    <u_i x_i, dz> = x_i m_i,     m_i = <u_i, dz>:  the movement of neuron i that the latents account for,

with x centred over the session. Over transitions e it is summed as sum_e x_ie m_ie / sqrt(sum_e m_ie^2), so that white
noise of the activity gives every neuron's score the same variance. Scores (higher = more of the role):

- `crossing_share`: window `crossing`, when the latents are between the states. Who already is on the side of the new
  state began early.
- `early_share`: mean over transitions of <u_i dx_i, dz> / |dz|^2 from `before` to `crossing`: the essay's accounting,
  without care for how much of the transition a neuron carries at all.
- `late_share`: the same accounting from `settled` to `late`.
- `hold_share`: aligned contribution that comes only between `settled` and `late`, less `crossing_share`: late to leave
  the old state, and still growing in the new one.
- `net_influence`: sum over frames near transitions and over lags of c_i(t - lag).z(t) - z(t - lag).c_i(t), over
  the root of sum |z_i(t + lag) - z_i(t - lag)|^2, with z_i = <u_i, z>; for those who hold, its negative.

Plain scores use the same transitions, windows and lags, but no latents: a neuron's own change takes the place of m_i.
Neither kind of score knows anything of causes: both say who is early or late in common activity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions.contributions import partial_shares
from calcium_latents.studies.latent_contributions.influence import influence_degrees

INITIATOR, STABILISER = "initiator", "stabiliser"
#: role -> method -> kind; the first of each role is the default score.
METHODS: dict[str, dict[str, str]] = {
    INITIATOR: {
        "crossing_share": "contribution",
        "early_share": "contribution",
        "net_influence": "contribution",
        "weighted_crossing": "plain",
        "signed_crossing": "plain",
        "signed_early_movement": "plain",
        "half_rise_latency": "plain",
        "lagged_correlation": "plain",
        "variance": "plain",
        "shuffled": "null",
    },
    STABILISER: {
        "hold_share": "contribution",
        "late_share": "contribution",
        "net_influence": "contribution",
        "weighted_hold": "plain",
        "signed_hold": "plain",
        "signed_late_movement": "plain",
        "late_activity": "plain",
        "half_rise_latency": "plain",
        "lagged_correlation": "plain",
        "variance": "plain",
        "shuffled": "null",
    },
}
DEFAULT = {role: next(iter(methods)) for role, methods in METHODS.items()}
#: the score that takes shares of the latents' change as they stand, as the essay does.
AS_WRITTEN = {INITIATOR: "early_share", STABILISER: "late_share"}


#: windows of time about a transition, (start, end) in s; `around` is where lagged influence is summed
WINDOWS_S = {
    "before": (-4.0, -1.5),
    "crossing": (-1.0, 0.5),
    "settled": (0.8, 1.8),
    "late": (2.5, 6.5),
    "around": (-2.0, 2.0),
}


@dataclass(frozen=True)
class Movements:
    """Mean centred activity in each window, [transition, neuron], at the transitions whose windows lie in the session.

    `change` is late - before, and `latent_change` the part of it along the axes, m = dz u^T.
    """

    frames: np.ndarray
    before: np.ndarray
    crossing: np.ndarray
    settled: np.ndarray
    late: np.ndarray
    change: np.ndarray
    latent_change: np.ndarray


def movements(activity: np.ndarray, axes: np.ndarray, transitions: np.ndarray, rate_hz: float) -> Movements:
    """Measure the activity about transitions.

    Args:
        activity: [time, neuron], finite.
        axes: u, [neuron, latent], orthonormal (principal axes).
        transitions: frames, [transition]; those too near to the ends of the session are left out.
        rate_hz: frames per second.

    Raises:
        UserError: shapes do not fit, or no transition is left.
    """
    x = _centred(activity, axes)
    cuts = {name: window_frames(name, rate_hz) for name in WINDOWS_S}
    first, last = min(start for start, _ in cuts.values()), max(end for _, end in cuts.values())
    frames = np.asarray(transitions, dtype=int)
    frames = frames[(frames + first >= 0) & (frames + last <= len(x))]
    if not len(frames):
        raise UserError(
            f"transitions: expected at least one with {-first} frames before and {last} after it in the session, found "
            f"none among {np.size(transitions)}. Give a longer session, or detect with less strict settings."
        )
    total = np.vstack([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    mean = {name: (total[frames + end] - total[frames + start]) / (end - start) for name, (start, end) in cuts.items()}
    change = mean["late"] - mean["before"]
    parts = {name: mean[name] for name in ("before", "crossing", "settled", "late")}
    return Movements(frames=frames, **parts, change=change, latent_change=change @ axes @ axes.T)


def window_frames(name: str, rate_hz: float) -> tuple[int, int]:
    """Return a window of `WINDOWS_S` in frames, at least one long."""
    first, end = (round(time * rate_hz) for time in WINDOWS_S[name])
    return first, max(first + 1, end)


def movers(latent_change: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Return which neurons take part in transitions, [neuron]: root mean square of their latent change [transition,
    neuron] at least `share` of the median neuron's. It knows of no truth and of no early or late activity."""
    size = np.sqrt((latent_change**2).mean(axis=0))
    return size >= share * np.median(size)


def aligned(part: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return sum_e part_e reference_e / sqrt(sum_e reference_e^2), [neuron]; both are [transition, neuron]."""
    size = np.sqrt((reference**2).sum(axis=0))
    return (part * reference).sum(axis=0) / np.where(size > 0, size, np.inf)


def role_scores(
    activity: np.ndarray,
    axes: np.ndarray,
    transitions: np.ndarray,
    rate_hz: float,
    *,
    lags_s: Sequence[float] = (0.3, 0.6, 1.0),
    seed: int = 0,
) -> tuple[dict[str, dict[str, np.ndarray]], Movements]:
    """Return role -> method -> score [neuron] for every method of `METHODS`, and the movements they come from.

    Args:
        activity: [time, neuron], finite.
        axes: principal axes, [neuron, latent].
        transitions: frames of detected transitions.
        rate_hz: frames per second.
        lags_s: lags of the influence and of the lagged correlation, s.
        seed: of the shuffled score.

    Raises:
        UserError: as `movements`; or lags that are no positive numbers.
    """
    moved = movements(activity, axes, transitions, rate_hz)
    x = _centred(activity, axes)
    lags = lag_frames(lags_s, rate_hz)
    near = frames_near(moved.frames, window_frames("around", rate_hz), len(x), max(lags))
    net = np.sum([net_influence(x, axes, lag, near) for lag in lags], axis=0)
    lagged = np.sum([lagged_correlation_asymmetry(x, lag, near) for lag in lags], axis=0)
    latency = half_rise_latency(x, moved, rate_hz)
    crossing, growth = moved.crossing, moved.late - moved.settled
    share = aligned(crossing, moved.latent_change)
    sign = np.sign(moved.change)
    variance = x.var(axis=0)
    until = {
        name: partial_shares(moved.before, getattr(moved, name), moved.late, axes).mean(axis=0)
        for name in ("crossing", "settled", "late")
    }
    scores = {
        INITIATOR: {
            "crossing_share": share,
            "early_share": until["crossing"],
            "net_influence": net,
            "weighted_crossing": aligned(crossing, moved.change),
            "signed_crossing": (crossing * sign).mean(axis=0),
            "signed_early_movement": ((crossing - moved.before) * sign).mean(axis=0),
            "half_rise_latency": -latency,
            "lagged_correlation": lagged,
            "variance": variance,
        },
        STABILISER: {
            "hold_share": aligned(growth, moved.latent_change) - share,
            "late_share": until["late"] - until["settled"],
            "net_influence": -net,
            "weighted_hold": aligned(growth - crossing, moved.change),
            "signed_hold": ((growth - crossing) * sign).mean(axis=0),
            "signed_late_movement": (growth * sign).mean(axis=0),
            "late_activity": (moved.late * sign).mean(axis=0),
            "half_rise_latency": latency,
            "lagged_correlation": -lagged,
            "variance": variance,
        },
    }
    for role, of_role in scores.items():
        of_role["shuffled"] = generator(seed, "shuffled", role).permutation(of_role[DEFAULT[role]])
    return scores, moved


def lag_frames(lags_s: Sequence[float], rate_hz: float) -> list[int]:
    """Return lags in whole frames, at least one; raise UserError for none, or for one that is not positive."""
    if not len(lags_s) or not all(np.isfinite(lag) and lag > 0 for lag in lags_s):
        raise UserError(f"lags_s: expected one or more lags above 0 s, found {list(lags_s)}.")
    return [max(1, round(lag * rate_hz)) for lag in lags_s]


def frames_near(transitions: np.ndarray, window: tuple[int, int], frames: int, margin: int) -> np.ndarray:
    """Return frames within `window` of any transition, each once, at least `margin` from the session's ends.

    `transitions`: frames, [transition]; `window`: (first, end) in frames; all [frame].
    """
    near = np.zeros(frames, dtype=bool)
    for at in transitions:
        near[max(0, at + window[0]) : max(0, at + window[1])] = True
    near[:margin] = near[frames - margin :] = False
    return np.flatnonzero(near)


def net_influence(activity: np.ndarray, axes: np.ndarray, lag: int, frames: np.ndarray | None = None) -> np.ndarray:
    """Return each neuron's outgoing minus incoming lagged influence, [neuron], in units of activity.

    Row sum at t + lag less column sum at t of A_ij(t) = c_i(t - lag).c_j(t) (`influence`), so that both hold x_i(t),
    summed over t: sum_t x_i(t) (z_i(t + lag) - z_i(t - lag)) with z_i = <u_i, z>; over sqrt(sum_t (z_i(t + lag) - z_i(t
    - lag))^2), so that white noise gives every neuron the same variance. Positive: ahead of the latents' picture of it.

    Args:
        activity: centred, [time, neuron].
        axes: principal axes, [neuron, latent].
        lag: frames.
        frames: t; default: all that have the lag on both sides.
    """
    if frames is None:
        frames = np.arange(lag, len(activity) - lag)
    (degrees,) = influence_degrees(activity, axes, lag, block=len(activity))
    # the first moment of the degrees is the frame t = lag
    net = (degrees.out[frames] - degrees.into[frames - lag]).sum(axis=0)
    latents = activity @ axes
    change = (latents[frames + lag] - latents[frames - lag]) @ axes.T
    size = np.sqrt((change**2).sum(axis=0))
    return net / np.where(size > 0, size, np.inf)


def lagged_correlation_asymmetry(activity: np.ndarray, lag: int, frames: np.ndarray | None = None) -> np.ndarray:
    """Return sum_j |r(x_i(t), x_j(t + lag))| - |r(x_j(t), x_i(t + lag))|, [neuron]: plain, without latents.

    `activity` [time, neuron]; `frames` t [frame], all by default.
    """
    strength = np.abs(lagged_correlation(activity, activity, lag, frames))
    return strength.sum(axis=1) - strength.sum(axis=0)


def lagged_correlation(first: np.ndarray, second: np.ndarray, lag: int, frames: np.ndarray | None = None) -> np.ndarray:
    """Return r(first_i(t), second_j(t + lag)), [neuron, neuron]; 0 for a neuron that is constant.

    `first`, `second` [time, neuron]; `frames` t [frame], all by default.
    """
    frames = np.arange(len(first) - lag) if frames is None else frames
    a, b = first[frames], second[frames + lag]
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0)[:, None] * (b**2).sum(axis=0))
    return a.T @ b / np.where(size > 0, size, np.inf)


def peak_lag(activity: np.ndarray, longest: int) -> np.ndarray:
    """Return how far each neuron is ahead of the others, [neuron], frames (plain, or of activity made from latents).

    The lag from -`longest` to `longest` at which |r(x_i(t), x_j(t + lag))| is largest, mean over j with the peak's
    fourth power as weight, so that pairs that have little to do with each other hardly count. 0 for a neuron that is
    constant. `activity` [time, neuron].
    """
    lags = range(-longest, longest + 1)
    # r at a negative lag is that of the pair the other way round
    strength = {lag: np.abs(lagged_correlation(activity, activity, lag)) for lag in range(longest + 1)}
    best = np.zeros_like(strength[0])
    place = np.zeros_like(best)
    for lag in lags:
        value = strength[lag] if lag >= 0 else strength[-lag].T
        place = np.where(value > best, lag, place)
        best = np.maximum(value, best)
    weight = best**4
    np.fill_diagonal(weight, 0.0)
    total = weight.sum(axis=1)
    return (weight * place).sum(axis=1) / np.where(total > 0, total, np.inf)


def half_rise_latency(
    activity: np.ndarray, moved: Movements, rate_hz: float, reach_s: float = 2.0, smoothing_s: float = 0.5
) -> np.ndarray:
    """Return when a neuron's signed mean over transitions passes half of its way for good, [neuron], s (plain).

    The mean is smoothed over `smoothing_s`; from `reach_s` before to `reach_s` after the transition, and that where it
    is not passed. Way: from `before` to `late`. `activity`: centred, [time, neuron].
    """
    width = max(1, round(smoothing_s * rate_hz))
    reach = min(round(reach_s * rate_hz), int(moved.frames.min()), len(activity) - 1 - int(moved.frames.max()))
    sign = np.sign(moved.change)
    offsets = np.arange(-reach, reach + 1)
    course = np.stack([(activity[moved.frames + offset] * sign).mean(axis=0) for offset in offsets])
    course = uniform_filter1d(course, width, axis=0, mode="nearest")
    below = course < ((moved.before + moved.late) * sign).mean(axis=0) / 2
    # one past the last frame below half of the way
    first = np.where(below.any(axis=0), len(offsets) - below[::-1].argmax(axis=0), 0)
    return np.minimum(first - reach, reach) / rate_hz


def _centred(activity: np.ndarray, axes: np.ndarray) -> np.ndarray:
    x = np.asarray(activity, dtype=np.float64)
    if x.ndim != 2 or axes.ndim != 2 or x.shape[1] != len(axes) or not np.isfinite(x).all():
        found = f"shapes {x.shape} and {axes.shape}, {int((~np.isfinite(x)).sum())} values not finite"
        raise UserError(f"roles: expected finite activity [time, neuron] and axes [neuron, latent], found {found}.")
    return x - x.mean(axis=0)
