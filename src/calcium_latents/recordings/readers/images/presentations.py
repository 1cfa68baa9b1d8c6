"""What readers of responses to images return, whatever the file, and how they read fields of an entry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail


@dataclass
class Presentations:
    """Images and the responses to each of their presentations, in the file's units.

    Attributes:
        images: [image, y, x].
        image_of_trial: [trial], index into images.
        responses: [trial, neuron]; NaN = not recorded.
        animal, neuron: [neuron], numbers.
        number: [image], the image's number in the file, from 0.
        test: [image], whether it is a test image; None if the file does not say.
        source: the images' file.
        attributes: further attributes for the box.
    """

    images: np.ndarray
    image_of_trial: np.ndarray
    responses: np.ndarray
    animal: np.ndarray
    neuron: np.ndarray
    number: np.ndarray
    test: np.ndarray | None
    source: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def of_neurons(self, kept: np.ndarray) -> "Presentations":
        """Return those of the neurons at some indices."""
        return replace(self, responses=self.responses[:, kept], animal=self.animal[kept], neuron=self.neuron[kept])

    def of_trials(self, kept: np.ndarray, before: tuple[np.ndarray, np.ndarray]) -> "Presentations":
        """Return some trials, after others: their images [trial] and responses [trial, neuron]."""
        images, responses = before
        return replace(
            self,
            image_of_trial=np.concatenate([images, self.image_of_trial[kept]]),
            responses=np.concatenate([responses, self.responses[kept]]),
        )


def known_fields(entry: Mapping[str, Any], known: Iterable[str], source: str) -> None:
    """Raise UserError for a field of `entry` that nobody reads: a typing error would go unnoticed."""
    unknown = sorted(set(entry) - set(known))
    if unknown:
        fail(source, unknown[0], f"fields among {sorted(known)}", "another name", "Correct or remove it in the entry.")


def number(
    entry: Mapping[str, Any],
    name: str,
    source: str,
    default: float,
    minimum: float = -np.inf,
    whole: bool = False,
) -> float:
    """Return a number of `entry`, checked.

    Raises UserError for another type, or a value below `minimum`, or a fraction where `whole`.
    """
    value = entry.get(name, default)
    good = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value) and value >= minimum
    if not good or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        expected = kind if np.isinf(minimum) else f"{kind} from {minimum:g} on"
        fail(source, name, expected, f"{value!r:.100}", "Correct it in the entry.")
    return value
