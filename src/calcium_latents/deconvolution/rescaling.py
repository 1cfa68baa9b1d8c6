"""Event sizes: a common smallest event for every neuron, and no rounding dust below it."""

import numpy as np

from calcium_latents.errors import UserError

#: Events are float32 and carry rounding: the smallest event that models must accept lies this much (relative)
#: below the threshold, so that an event at the threshold is neither outside nor at the edge of their support.
EVENT_MINIMUM_MARGIN = 1e-4

#: Relative distance below the threshold that is rounding of the solver, not an event of that size.
ROUNDING = 1e-3

#: Fraction of the threshold below which a value is numerical dust and means "no event".
DUST = 1e-2


def snap_events(events: np.ndarray, minimum: float, name: str = "events") -> np.ndarray:
    """Return `events` (any shape) with dust set to zero and events just below `minimum` set to it.

    A threshold method has no events between zero and its threshold; what lies there is rounding.

    Raises
    ------
    UserError
        A value lies clearly between zero and `minimum`, or below zero.
    """
    if minimum <= 0:
        return np.maximum(events, 0)
    snapped = np.where(np.abs(events) < DUST * minimum, 0.0, events)
    snapped = np.where((snapped < minimum) & (snapped >= minimum * (1 - ROUNDING)), minimum, snapped)
    wrong = (snapped != 0) & (snapped < minimum)
    if wrong.any():
        raise UserError(
            f"{name}: expected 0 or at least the threshold {minimum:.6g}, found {snapped[wrong][0]:.6g}. "
            "Deconvolve again with the package's own methods, or set s_min to the threshold that was used."
        )
    return snapped


def rescale_events(events: np.ndarray, minimum: float, target: float = 0.1) -> np.ndarray:
    """Scale events [time] so that `minimum` becomes `target`.

    As in the published treatment of real recordings: events are divided by each neuron's own threshold, "so
    that the smallest event is 0.1 for every neuron" and one event minimum holds for the population.
    """
    return events * (target / minimum)


def smallest_event(events: np.ndarray) -> float:
    """Return the smallest of `events` (any shape) above zero, NaN where there is none."""
    above = events[events > 0]
    return float(above.min()) if above.size else float("nan")
