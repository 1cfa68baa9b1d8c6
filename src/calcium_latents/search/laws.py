"""The law of one hyperparameter: where its first value comes from, and how it is perturbed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import is_number

SMALLEST_CHANGE = 0.002  # of the perturbation (original code): a copy always differs a little
PROBABILITIES = ("keep", "coordinated_keep")


@dataclass(frozen=True)
class HyperparameterLaw:
    """Distribution and perturbation of one hyperparameter; `search.hyperparameters.NAME` in the config.

    Attributes:
        name: of the hyperparameter.
        law: "uniform" or "log_uniform".
        low, high: ends of its range.
        initial: first value of every member; None draws it from the law.
        perturbation: w; a perturbed value is the old one times 1 + d, d uniform in (-w, w), |d| >= 0.002 w.
        limited: perturbed values are clipped to the range.
        symmetric: a perturbed value is the old one times or divided by 1 + |d|. Times 1 + d, as published, copies drift
            to lower values whatever their score: by 13 % a copy for w = 0.8 (mean of the logarithm).
    """

    name: str
    law: str
    low: float
    high: float
    perturbation: float
    initial: float | None = None
    limited: bool = False
    symmetric: bool = False

    def __post_init__(self):
        if self.law not in ("uniform", "log_uniform"):
            raise self._wrong("law", "uniform or log_uniform", self.law)
        for part in ("low", "high", "perturbation", *(["initial"] if self.initial is not None else [])):
            if not is_number(getattr(self, part)):
                raise self._wrong(part, "a finite number", getattr(self, part))
        if not 0 <= self.low < self.high:
            raise self._wrong("low", f"0 or more and below high ({self.high})", self.low)
        if self.law == "log_uniform" and self.low == 0:
            raise self._wrong("low", "a number above 0, since the law is log_uniform", self.low)
        if not 0 < self.perturbation < 1:
            raise self._wrong("perturbation", "a number between 0 and 1", self.perturbation)
        for part in ("limited", "symmetric"):
            if not isinstance(getattr(self, part), bool):
                raise self._wrong(part, "true or false", getattr(self, part))
        if self.name in PROBABILITIES and not (self.low > 0 and self.high <= 1 and self.limited):
            raise self._wrong(
                "low, high, limited", "a range within 0 to 1, limited", (self.low, self.high, self.limited)
            )
        if self.initial is not None:
            if self.limited and not self.low <= self.initial <= self.high:
                raise self._wrong("initial", f"a value in the range {self.low} to {self.high}", self.initial)
            if self.initial <= 0:
                raise self._wrong("initial", "a number above 0, which factors can change", self.initial)

    @classmethod
    def from_mapping(cls, name: str, section: Any) -> "HyperparameterLaw":
        """Read one entry of `search.hyperparameters`. Raises UserError where a field is unknown, missing or wrong."""
        known = [field.name for field in fields(cls) if field.name != "name"]
        needed = ("law", "low", "high", "perturbation")
        found = sorted(section) if isinstance(section, Mapping) else section
        if not isinstance(section, Mapping) or set(section) - set(known) or not set(needed) <= set(section):
            raise UserError(
                f"search.hyperparameters.{name}: expected the fields {', '.join(needed)}, and initial, limited and"
                f" symmetric where wanted, found {found}. Correct it in config/search."
            )
        return cls(name=name, **section)

    def draw(self, rng: np.random.Generator) -> float:
        """A member's first value."""
        if self.initial is not None:
            return float(self.initial)
        if self.law == "uniform":
            return float(rng.uniform(self.low, self.high))
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)

    def perturb(self, value: float, rng: np.random.Generator) -> float:
        """`value` times 1 + d (`symmetric`: times or divided by 1 + |d|), clipped where the law is limited."""
        size = rng.uniform(SMALLEST_CHANGE * self.perturbation, self.perturbation)
        up = rng.choice([-1.0, 1.0]) > 0
        lower = value / (1 + size) if self.symmetric else value * (1 - size)
        changed = value * (1 + size) if up else lower
        return float(min(max(changed, self.low), self.high) if self.limited else changed)

    def _wrong(self, part: str, expected: str, found: object) -> UserError:
        return UserError(
            f"search.hyperparameters.{self.name}.{part}: expected {expected}, found {found!r}."
            " Correct it in config/search."
        )


def read_laws(section: Any, known: list[str]) -> dict[str, HyperparameterLaw]:
    """Return name -> law of the config's `search.hyperparameters`.

    Args:
        section: name -> fields of `HyperparameterLaw`.
        known: names of the hyperparameters that the model has.

    Raises UserError naming the field where one is unknown or wrong.
    """
    if not isinstance(section, Mapping) or not section:
        raise UserError(f"search.hyperparameters: expected at least one of {', '.join(known)}, found {section!r}.")
    for name in section:
        if name not in known:
            raise UserError(f"search.hyperparameters: expected names among {', '.join(known)}, found {name!r}.")
    return {name: HyperparameterLaw.from_mapping(name, entry) for name, entry in section.items()}
