"""The solvable ring network with a finite number of neurons: an exact map between crossings, and time steps.

The equations stand in `calcium_latents.theory.ring`. Time is in units of the time constant.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.simulation.runge_kutta import runge_kutta
from calcium_latents.theory.ring import COUPLING, SHIFT, flow

# Crossings closer in time than this are one: opposite neurons cross together up to rounding.
SIMULTANEOUS = 1e-12


@dataclass(frozen=True)
class RingTrajectory:
    """The course of a ring network whose drive m is constant between given times.

    From `time[k]` on, and up to the next, the latents relax towards `drive[k]` along a straight line:
    k(t) = m + (k - m) exp(-(t - time[k])). The neurons' states are x_i(t) = u(theta_i) . k(t) + residual_i exp(-t).

    `angles` [N] rad; `residual` [N], the part of the initial state outside the span of u; `time` [segment];
    `latent` and `drive` [segment, 2]; `switched`, for each segment, the neurons that turn on or off at its start (in
    the first segment: that are active at first); `duration`.
    """

    angles: np.ndarray
    residual: np.ndarray
    time: np.ndarray
    latent: np.ndarray
    drive: np.ndarray
    switched: list[np.ndarray]
    duration: float

    @cached_property
    def active(self) -> np.ndarray:
        """Return whether each neuron is active [segment, N]."""
        changed = np.zeros((len(self.switched), self.angles.size), dtype=bool)
        for row, neurons in zip(changed, self.switched, strict=True):
            row[neurons] = True
        return np.logical_xor.accumulate(changed, axis=0)

    def segments(self, times: np.ndarray) -> np.ndarray:
        """Return the index of the segment [time] in which each of `times` [time] lies; UserError when outside."""
        times = np.asarray(times, dtype=float)
        if times.size and not (times.min() >= 0 and times.max() <= self.duration):
            raise UserError(
                f"ring network, times: expected between 0 and the duration {self.duration:g}, found "
                f"{times.min():g} to {times.max():g}; simulate longer."
            )
        return np.searchsorted(self.time, times, side="right") - 1

    def latents(self, times: np.ndarray) -> np.ndarray:
        """Return the latents [time, 2] at `times` [time], in any order."""
        at = self.segments(times)
        decay = np.exp(-(np.asarray(times, dtype=float) - self.time[at]))[:, None]
        return self.drive[at] + (self.latent[at] - self.drive[at]) * decay

    def states(self, times: np.ndarray) -> np.ndarray:
        """Return the pre-activations x [time, N] at `times` [time]."""
        basis = np.stack([np.cos(self.angles), np.sin(self.angles)])
        return self.latents(times) @ basis + np.exp(-np.asarray(times, dtype=float))[:, None] * self.residual

    def activity(self, times: np.ndarray) -> np.ndarray:
        """Return the post-activations [time, N], 0 or 1, at `times` [time]."""
        return self.active[self.segments(times)].astype(np.int8)

    def dwell_times(self, start: float, end: float) -> np.ndarray:
        """Return how long [segment] each segment lasts within [start, end]: weights of exact averages over time."""
        edges = np.clip(np.append(self.time, self.duration), start, end)
        return np.diff(edges)

    def returns(self, direction: float = 0.0) -> np.ndarray:
        """Return the times at which the latents cross the half-line at the angle `direction` (rad), exactly.

        Differences between neighbours are the periods of the network. A network at rest has none.
        """
        along = np.array([np.cos(direction), np.sin(direction)])
        across = np.array([-along[1], along[0]])
        edges = np.append(self.time, self.duration)
        corners = np.vstack([self.latent, self.latents(edges[-1:])])
        # A corner on the line itself counts as behind it for both of its segments, so that it is found once.
        side = corners @ across > 0
        found = np.flatnonzero((side[:-1] != side[1:]) & (corners[:-1] @ along > 0))
        wait = np.log1p(-(self.latent[found] @ across) / (self.drive[found] @ across))
        return self.time[found] + np.clip(wait, 0.0, np.diff(edges)[found])


def equal_angles(neurons: int) -> np.ndarray:
    """Return N equally spaced angles (rad) from 0."""
    return 2 * np.pi * np.arange(neurons) / neurons


def random_angles(neurons: int, random: np.random.Generator) -> np.ndarray:
    """Return N independent uniform angles (rad), sorted."""
    return np.sort(random.uniform(0.0, 2 * np.pi, neurons))


def initial_state(angles: np.ndarray, latent: np.ndarray) -> np.ndarray:
    """Return the state [N] of neurons at `angles` [N] that has the latents [2] and nothing beside them."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1) @ np.asarray(latent, dtype=float)


def simulate_exact(
    angles: np.ndarray, initial: np.ndarray, duration: float, coupling: float = COUPLING, shift: float = SHIFT
) -> RingTrajectory:
    """Simulate the network without time steps.

    Between crossings of the threshold every x_i relaxes exponentially to a fixed field f_i, so that the next crossing
    is at the smallest ln(1 - x_i/f_i) among the neurons whose field has the sign opposite to their state.

    Args:
        angles: [N] rad.
        initial: [N], any state x(0); a state of 0 counts as inactive.
        duration: in time constants.
        coupling, shift: J and D (rad).

    Raises:
        UserError: shapes or duration are wrong, or activity chatters (a negative coupling * cos(shift) makes neurons
            inhibit themselves).
    """
    angles, initial = _check(angles, initial, duration)
    basis, outgoing = _weights(angles, coupling, shift)
    latent = np.linalg.lstsq(basis, initial, rcond=None)[0]
    residual = initial - basis @ latent
    active, now = initial > 0, 0.0
    times, latents, drives, switched = [], [], [], [np.flatnonzero(active)]
    # A neuron crosses twice a turn: far more than this many crossings are none of a rotation.
    most = int(100 * angles.size * (1 + duration) * (1 + abs(np.tan(shift))))
    while True:
        drive = active.astype(float) @ outgoing
        times.append(now)
        latents.append(latent)
        drives.append(drive)
        field = basis @ drive
        moving = np.flatnonzero(active != (field > 0))
        if not moving.size:
            break
        state = basis[moving] @ latent + residual[moving] * np.exp(-now)
        with np.errstate(divide="ignore"):
            # Rounding may leave a neuron that has just crossed on the wrong side: it crosses at once.
            wait = np.log1p(np.maximum(-state / field[moving], 0.0))
        step = wait.min()
        if not now + step < duration:
            break
        if len(times) > most:
            raise UserError(
                f"ring network, coupling and shift: expected a self-excitation coupling * cos(shift) > 0, found "
                f"coupling {coupling} and shift {shift}; neurons switch without end."
            )
        latent = drive + (latent - drive) * np.exp(-step)
        now += step
        crossing = moving[wait <= step + SIMULTANEOUS]
        active[crossing] = ~active[crossing]
        switched.append(crossing)
    return RingTrajectory(
        angles, residual, np.array(times), np.array(latents), np.array(drives), switched, float(duration)
    )


def reduced_trajectory(initial: np.ndarray, time_step: float, steps: int) -> np.ndarray:
    """Integrate the infinite network's latents (Eq. 5) from `initial` [..., 2] by Runge-Kutta: [steps + 1, ..., 2]."""
    return runge_kutta(lambda at, _: flow(at), initial, time_step, steps)


def _weights(angles: np.ndarray, coupling: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return u(theta) [N, 2] and v(theta)/N [N, 2]."""
    basis = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    outgoing = coupling / angles.size * np.stack([np.cos(angles + shift), np.sin(angles + shift)], axis=-1)
    return basis, outgoing


def _check(angles: np.ndarray, initial: np.ndarray, duration: float) -> tuple[np.ndarray, np.ndarray]:
    angles, initial = np.asarray(angles, dtype=float), np.asarray(initial, dtype=float)
    if angles.ndim != 1 or angles.shape != initial.shape or not angles.size:
        raise UserError(f"ring network, initial state: expected a number per angle, found {initial.shape}.")
    if not (np.isfinite(initial).all() and np.isfinite(angles).all() and duration > 0):
        raise UserError("ring network: expected finite angles and states and a duration > 0, found others.")
    return angles, initial
