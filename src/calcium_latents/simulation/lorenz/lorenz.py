"""The Lorenz system: three chaotic latent states whose Z oscillates at a speed set by downsampling."""

from functools import lru_cache

import numpy as np
from scipy.signal import welch

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.simulation.runge_kutta import runge_kutta_step

LATENTS = ("X", "Y", "Z")


def derivative(state: np.ndarray, sigma: float, rho: float, beta: float) -> np.ndarray:
    """Return d(state)/dt, shape [..., 3], for states [..., 3]."""
    x, y, z = np.moveaxis(state, -1, 0)
    return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z], axis=-1)


def step(
    state: np.ndarray,
    time_step: float,
    integrator: str,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
) -> np.ndarray:
    """Advance states [..., 3] by one step of 'euler' or of 'runge_kutta' (the classical fourth-order
    scheme)."""

    if integrator == "euler":
        return state + time_step * derivative(state, sigma, rho, beta)
    if integrator == "runge_kutta":
        return runge_kutta_step(lambda at, _: derivative(at, sigma, rho, beta), state, time_step)
    raise UserError(f"simulation.integrator: expected 'euler' or 'runge_kutta', found {integrator!r}.")


def trajectories(
    initial: np.ndarray,
    bins: int,
    downsampling: int,
    *,
    time_step: float = 0.01,
    integrator: str = "euler",
    burn_in_steps: int = 5000,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
) -> np.ndarray:
    """Run the system from `initial` [trajectory, 3] and keep every `downsampling`-th state.

    Returns
    -------
    Array [trajectory, bins, 3] in Lorenz units; the first kept state is the one after `burn_in_steps` steps.

    Raises
    ------
    UserError
        The integration left the attractor (time_step is too long).
    """
    state = np.array(initial, dtype=float)
    kept = np.empty((state.shape[0], bins, 3))
    # Divergence is detected once at the end: the overflow on the way there is not news.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(burn_in_steps):
            state = step(state, time_step, integrator, sigma, rho, beta)
        for index in range(bins):
            kept[:, index] = state
            for _ in range(downsampling):
                state = step(state, time_step, integrator, sigma, rho, beta)
    if not np.isfinite(kept).all():
        raise UserError(
            f"simulation.time_step: the Lorenz system diverged with {integrator} steps of {time_step}; "
            "expected 0.01 (the paper's), choose a shorter step."
        )
    return kept


@lru_cache(maxsize=32)
def peak_frequency_hz(
    downsampling: int,
    *,
    time_step: float = 0.01,
    integrator: str = "euler",
    bin_width_s: float = 0.01,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    bins: int = 2048,
    runs: int = 64,
) -> float:
    """Return the peak (Hz) of the power spectrum of Z, "with a sampling frequency of 100 Hz" (Methods).

    Measured on `runs` long trajectories from fixed initial states, because a few short trials of a chaotic
    system do not resolve the peak: it is a property of the settings, not of the seed.
    """
    fixed = generator(0, "peak frequency").normal(size=(runs, 3))
    z = trajectories(
        fixed, bins, downsampling, time_step=time_step, integrator=integrator, sigma=sigma, rho=rho, beta=beta
    )[:, :, 2]
    frequency, power = welch(z, fs=1.0 / bin_width_s, nperseg=min(1024, bins), axis=-1, detrend="constant")
    level = np.log(power.mean(axis=0))
    top = int(np.clip(level.argmax(), 1, level.size - 2))
    # A parabola through the top of the log spectrum places the peak between the frequencies of the transform.
    below, at, above = level[top - 1 : top + 2]
    return float(frequency[top] + 0.5 * (below - above) / (below - 2 * at + above) * frequency[1])
