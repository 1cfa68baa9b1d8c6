"""The classical Runge-Kutta scheme of fourth order."""

from collections.abc import Callable

import numpy as np


def runge_kutta_step(slope: Callable, at: np.ndarray, time_step: float, now: float = 0.0) -> np.ndarray:
    """Return the state (any shape) one step after `at`; `slope` is the derivative at a state and a time."""
    first = slope(at, now)
    second = slope(at + 0.5 * time_step * first, now + 0.5 * time_step)
    third = slope(at + 0.5 * time_step * second, now + 0.5 * time_step)
    fourth = slope(at + time_step * third, now + time_step)
    return at + time_step / 6 * (first + 2 * second + 2 * third + fourth)


def runge_kutta(slope: Callable, initial: np.ndarray, time_step: float, steps: int) -> np.ndarray:
    """Return the states [steps + 1, ...] from `initial` [...] at time 0 on."""
    states = np.empty((steps + 1, *np.shape(initial)))
    states[0] = initial
    for step in range(steps):
        states[step + 1] = runge_kutta_step(slope, states[step], time_step, step * time_step)
    return states
