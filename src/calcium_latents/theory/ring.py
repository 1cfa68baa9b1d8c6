"""The solvable ring network in closed form (appendix A and B of the cross-encoder paper).

N neurons at angles theta_i follow (Eqs. 1 and 4)

    x_i' = -x_i + (1/N) sum_j u(theta_i) . v(theta_j) Theta(x_j),
    u(theta) = (cos theta, sin theta),  v(theta) = J (cos(theta + D), sin(theta + D)),

with the Heaviside step Theta, coupling J (pi sqrt 2 in the paper) and shift D (pi/4). With x_i = u(theta_i) . k the
two latents k follow k' = -k + mean_j v(theta_j) Theta(u(theta_j) . k). Time is in units of the time constant.
"""

import numpy as np

from calcium_latents.errors import UserError

COUPLING = np.pi * np.sqrt(2.0)
SHIFT = np.pi / 4


def drive_radius(coupling: float = COUPLING, shift: float = SHIFT) -> float:
    """Return (J/pi) cos D, the radius of the limit cycle of the infinite network.

    Raises:
        UserError: it is not positive; the latents then reach the origin, where the drive has no direction.
    """
    radius = coupling / np.pi * np.cos(shift)
    if not radius > 1e-12:
        raise UserError(
            f"ring network, coupling and shift: expected coupling * cos(shift) > 0, found coupling {coupling} and "
            f"shift {shift}; no limit cycle exists: choose a shift between -pi/2 and pi/2."
        )
    return float(radius)


def flow(latents: np.ndarray, coupling: float = COUPLING, shift: float = SHIFT) -> np.ndarray:
    """Return dk/dt [..., 2] of the infinite network at `latents` [..., 2] (Eq. 5, for any J and D).

    Only the half circle of neurons within pi/2 of the latents' angle is active, so that the drive has the constant
    length J/pi and leads the latents by D. At the paper's J and D it is [[1, -1], [1, 1]] k/|k|.
    """
    latents = np.asarray(latents, dtype=float)
    direction = latents / np.linalg.norm(latents, axis=-1, keepdims=True)
    cos, sin = np.cos(shift), np.sin(shift)
    return -latents + coupling / np.pi * direction @ np.array([[cos, sin], [-sin, cos]])


def polar_trajectory(
    radius: np.ndarray, angle: np.ndarray, times: np.ndarray, coupling: float = COUPLING, shift: float = SHIFT
) -> tuple[np.ndarray, np.ndarray]:
    """Return the radius and the (unwrapped) angle of the infinite network's latents in closed form.

    In polar coordinates Eq. 5 is r' = R - r, phi' = R tan(D) / r with R = (J/pi) cos D, hence
    r(t) = R + (r0 - R) exp(-t) and phi(t) = phi0 + tan(D) ln((R exp(t) + r0 - R) / r0).

    Args:
        radius, angle: initial state [...], radius > 0.
        times: [time], >= 0, in time constants.

    Returns:
        Radius and angle, each [..., time].

    Raises:
        UserError: a radius is not positive, or there is no limit cycle (see `drive_radius`).
    """
    final = drive_radius(coupling, shift)
    start, phase = np.asarray(radius, dtype=float)[..., None], np.asarray(angle, dtype=float)[..., None]
    times = np.asarray(times, dtype=float)
    if not (start > 0).all():
        raise UserError("ring network, initial radius: expected > 0, found one that is not; the origin has no angle.")
    radii = final + (start - final) * np.exp(-times)
    # t + ln(r(t)/r0) is the logarithm above without the overflow of exp(t).
    return radii, phase + np.tan(shift) * (times + np.log(radii / start))


def trajectory(initial: np.ndarray, times: np.ndarray, coupling: float = COUPLING, shift: float = SHIFT) -> np.ndarray:
    """Return the latents [..., time, 2] of the infinite network from `initial` [..., 2]; see `polar_trajectory`."""
    initial = np.asarray(initial, dtype=float)
    radius, angle = polar_trajectory(
        np.hypot(initial[..., 0], initial[..., 1]),
        np.arctan2(initial[..., 1], initial[..., 0]),
        times,
        coupling,
        shift,
    )
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def period(coupling: float = COUPLING, shift: float = SHIFT) -> float:
    """Return the period of the limit cycle of the infinite network: 2 pi / |tan D|, 2 pi at the paper's D.

    Its radius is `drive_radius`, 1 at the paper's J and D. A shift of 0 gives a ring of fixed points (infinite period).

    Raises:
        UserError: there is no limit cycle (see `drive_radius`).
    """
    drive_radius(coupling, shift)
    speed = abs(float(np.tan(shift)))
    return 2 * np.pi / speed if speed else np.inf


def threshold_lines(neurons: int) -> int:
    """Return into how many sectors of one active set each the thresholds of equally spaced neurons cut the plane.

    Every neuron has two threshold half-lines. With even N they fall on those of the opposite neuron (N sectors); with
    odd N they do not (2N sectors), and the drive's length is the same in all of them. Therefore an odd N has exactly
    the latent dynamics of 2N.

    Raises:
        UserError: fewer than 3 neurons.
    """
    if neurons < 3:
        raise UserError(f"ring network, neurons: expected at least 3, found {neurons}.")
    return neurons if neurons % 2 == 0 else 2 * neurons


def drive_magnitude(neurons: int, coupling: float = COUPLING) -> float:
    """Return the exact length of the drive of equally spaced neurons, J / (n sin(pi/n)), n = `threshold_lines`."""
    lines = threshold_lines(neurons)
    return float(coupling / (lines * np.sin(np.pi / lines)))


def polygon_period(neurons: int, coupling: float = COUPLING, shift: float = SHIFT) -> float:
    """Return the exact period of N equally spaced neurons, whose limit cycle is a polygon.

    With n = `threshold_lines`, its corners lie at radius drive_magnitude cos(D) / cos(pi/n), and its period is
    n ln(sin(D + pi/n) / sin(D - pi/n)), which is 2 pi / tan D times 1 + pi^2 / (3 n^2 sin^2 D) + O(n^-4):
    2 pi (1 + (2 pi^2 / 3) / n^2) at the paper's shift.

    Raises:
        UserError: fewer than 3 neurons, no limit cycle (see `drive_radius`), or the drive points into the sector
            between two thresholds, so that the network comes to rest.
    """
    drive_radius(coupling, shift)
    half, lead = np.pi / threshold_lines(neurons), abs(shift)  # a negative shift is the mirror image
    if lead <= half * (1 + 1e-12):
        raise UserError(
            f"ring network, neurons and shift: expected |shift| > {half:.4g} for {neurons} equally spaced neurons, "
            f"found {shift}; this network comes to rest: take more neurons or a larger shift."
        )
    return float(np.pi / half * np.log(np.sin(lead + half) / np.sin(lead - half)))


def random_period_error(neurons: int, shift: float = SHIFT) -> float:
    """Return the expected relative error of the period of N neurons at random angles: pi^2 / (4 N sin(D)^2).

    To leading order; at the paper's shift pi^2 / (2 N). It follows from averaging the latents' flow around the cycle
    to second order: the deviations of the drive along and across the latents, each of order 1/sqrt(N), cancel over a
    cycle to first order, for any angles of the neurons. (Not in the paper.)
    """
    return float(np.pi**2 / (4 * neurons * np.sin(shift) ** 2))


def angular_distance(difference: np.ndarray) -> np.ndarray:
    """Return |d| = arccos(cos d), the distance on the circle in [0, pi]."""
    # Without arccos, which loses half the digits near 0 and pi.
    return np.abs((np.asarray(difference, dtype=float) + np.pi) % (2 * np.pi) - np.pi)


def pairwise_correlation(difference: np.ndarray) -> np.ndarray:
    """Return the correlation over a cycle of two post-activations whose angles differ by d rad, any shape (Eq. 6).

    (2/pi)(pi - |d|) - 1. Every neuron has mean 1/2 and variance 1/4. The joint probability of being active is
    (pi - |d|)/(2 pi); Eq. 18 of the appendix as printed lacks the 1/(2 pi), without which Eq. 6 does not follow, and
    the case |d| <= pi reads "pi - theta_j - theta_i" for pi - (theta_j - theta_i).
    """
    return 2 / np.pi * (np.pi - angular_distance(difference)) - 1


def infinite_eigenvalues(count: int) -> np.ndarray:
    """Return the `count` largest eigenvalues of the correlation matrix divided by N, as N grows.

    4/(pi m)^2 for odd m, each twice; they sum to 1. Those of the covariance are a quarter of it, and without centring
    there is one more, 1/4, for the mean.
    """
    harmonic = 2 * (np.arange(count) // 2) + 1
    return 4 / (np.pi * harmonic) ** 2


def finite_eigenvalues(neurons: int) -> np.ndarray:
    """Return all N eigenvalues, descending, of the correlation matrix divided by N of N equally spaced neurons.

    For even N: 4/(N sin(pi m / N))^2 for odd m below N, and N/2 zeros. For odd N there is no such form; the transform
    of the circulant's first row gives them.
    """
    if neurons % 2 == 0:
        harmonic = np.arange(1, neurons, 2)
        values = np.concatenate([4 / (neurons * np.sin(np.pi * harmonic / neurons)) ** 2, np.zeros(neurons // 2)])
    else:
        row = pairwise_correlation(2 * np.pi * np.arange(neurons) / neurons)
        values = np.fft.fft(row).real / neurons
    return np.sort(values)[::-1]


def participation_ratio(eigenvalues: np.ndarray) -> float:
    """Return (sum of eigenvalues [component])^2 / sum of their squares: 3 for the infinite ring, with two latents."""
    values = np.asarray(eigenvalues, dtype=float)
    return float(values.sum() ** 2 / (values**2).sum())


def components_for_share(eigenvalues: np.ndarray, share: float, total: float | None = None) -> int:
    """Return how many of the largest components hold at least `share` of the variance.

    Args:
        eigenvalues: [component], descending.
        total: all variance, where `eigenvalues` are only the largest of infinitely many; default their sum.

    Raises:
        UserError: the eigenvalues given do not reach the share.
    """
    summed = np.cumsum(np.asarray(eigenvalues, dtype=float))
    # A share that is met exactly must not be missed by rounding.
    wanted = share * (summed[-1] if total is None else total) * (1 - 1e-12)
    if summed[-1] < wanted:
        raise UserError(f"share of variance: expected at most {summed[-1]:.6g}, found {share}; give more eigenvalues.")
    return int(np.searchsorted(summed, wanted)) + 1
