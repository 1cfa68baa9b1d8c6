"""Finite ring networks by other ways than the closed forms: what the theory and the simulation are checked against."""

import numpy as np

from calcium_latents.simulation.networks.ring_network import RingTrajectory
from calcium_latents.theory.ring import COUPLING, SHIFT, drive_magnitude, threshold_lines


def population_drive(
    angles: np.ndarray, latents: np.ndarray, coupling: float = COUPLING, shift: float = SHIFT
) -> np.ndarray:
    """Return mean_j v(theta_j) Theta(u(theta_j) . k) [..., 2] of neurons at `angles` [N] for latents [..., 2]."""
    angles = np.asarray(angles, dtype=float)
    active = np.asarray(latents, dtype=float) @ np.stack([np.cos(angles), np.sin(angles)]) > 0
    outgoing = coupling * np.stack([np.cos(angles + shift), np.sin(angles + shift)], axis=-1)
    return active.astype(float) @ outgoing / angles.size


def largest_drive_error(neurons: int, coupling: float = COUPLING) -> float:
    """Return the largest distance between the drives of N equally spaced neurons and of the infinite network.

    Reached at the edges of the sectors, where the drives are pi/n apart in angle: J/n to leading order,
    n = `threshold_lines`.
    """
    lines = threshold_lines(neurons)
    return float(abs(drive_magnitude(neurons, coupling) - coupling / np.pi * np.exp(1j * np.pi / lines)))


def random_drive_error(neurons: int, coupling: float = COUPLING) -> float:
    """Return the root mean squared distance between the drives of N neurons at random angles and of infinitely many.

    A mean of N independent terms: J sqrt((1/2 - 1/pi^2) / N).
    """
    return float(coupling * np.sqrt((0.5 - 1 / np.pi**2) / neurons))


def polygon_radius(neurons: int, coupling: float = COUPLING, shift: float = SHIFT) -> float:
    """Return the radius of the corners of the limit cycle of equally spaced neurons, a polygon."""
    return float(drive_magnitude(neurons, coupling) * np.cos(shift) / np.cos(np.pi / threshold_lines(neurons)))


def polygon_return_map(radius: float, neurons: int, coupling: float, shift: float) -> tuple[float, float]:
    """Follow equally spaced neurons exactly from one threshold to the next; a negative shift is the mirror image.

    Between thresholds the drive is constant, and the latents move on a straight line towards it. From their radius as
    they enter a sector, return that as they enter the next one, and the time that it takes.
    """
    drive, half = drive_magnitude(neurons, coupling), np.pi / threshold_lines(neurons)
    across, along = drive * np.sin(abs(shift) - half), drive * np.cos(abs(shift) - half)
    decay = across / (across + radius * np.sin(2 * half))
    return float(along * (1 - decay) + radius * np.cos(2 * half) * decay), float(-np.log(decay))


def simulate_steps(
    angles: np.ndarray,
    initial: np.ndarray,
    duration: float,
    time_step: float,
    coupling: float = COUPLING,
    shift: float = SHIFT,
) -> RingTrajectory:
    """Simulate the network by exponential Euler steps: the drive is held for `time_step`, the rest is exact.

    Arguments as `simulate_exact`. Holding the drive delays it by half a step: period and radius are too large by about
    the step (period +1.0e-3 relative at a step of 1e-3).
    """
    basis = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    outgoing = coupling * np.stack([np.cos(angles + shift), np.sin(angles + shift)], axis=1) / angles.size
    latent = np.linalg.lstsq(basis, initial, rcond=None)[0]
    residual = initial - basis @ latent
    times = np.arange(0.0, duration, time_step)
    latents, drives = np.empty((times.size, 2)), np.empty((times.size, 2))
    before, switched = np.zeros(angles.size, dtype=bool), []
    decay = np.exp(-time_step)
    for step, now in enumerate(times):
        active = basis @ latent + residual * np.exp(-now) > 0
        switched.append(np.flatnonzero(active != before))
        before = active
        latents[step], drives[step] = latent, active.astype(float) @ outgoing
        latent = drives[step] + (latent - drives[step]) * decay
    return RingTrajectory(angles, residual, times, latents, drives, switched, float(duration))
