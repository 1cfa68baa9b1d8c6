"""The search space: where a hyperparameter's first values come from, and how they are perturbed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import is_number

SMALLEST_CHANGE = 0.002  # of the perturbation (original code): a copy always differs a little
RATES = ("dropout_rate", "coordinated_dropout_rate")


@dataclass(frozen=True)
class SearchedHyperparameter:
    """Distribution and perturbation of one hyperparameter; `search.hyperparameters.NAME` in the config.

    Attributes:
        name: of the hyperparameter.
        distribution: "uniform" or "log_uniform".
        low, high: ends of its range.
        initial: first value of every member; None draws it.
        perturbation: w; a perturbed value is the old one times 1 + d, d uniform in (-w, w), |d| >= 0.002 w.
        limited: perturbed values are clipped to the range.
        symmetric: a perturbed value is the old one times or divided by 1 + |d|. Times 1 + d, as published, copies drift
            to lower values whatever their score: by 13 % a copy for w = 0.8 (mean of the logarithm).
        perturbed: "value", or "complement": the factor is on 1 - value (of a dropout rate, the kept fraction, which the
            published code searches).
    """

    name: str
    distribution: str
    low: float
    high: float
    perturbation: float
    initial: float | None = None
    limited: bool = False
    symmetric: bool = False
    perturbed: str = "value"

    def __post_init__(self):
        if self.distribution not in ("uniform", "log_uniform"):
            raise self._wrong("distribution", "uniform or log_uniform", self.distribution)
        if self.perturbed not in ("value", "complement"):
            raise self._wrong("perturbed", "value or complement", self.perturbed)
        for part in ("low", "high", "perturbation", *(["initial"] if self.initial is not None else [])):
            if not is_number(getattr(self, part)):
                raise self._wrong(part, "a finite number", getattr(self, part))
        if not 0 <= self.low < self.high:
            raise self._wrong("low", f"0 or more and below high ({self.high})", self.low)
        if self.distribution == "log_uniform" and self.low == 0:
            raise self._wrong("low", "a number above 0, since the distribution is log_uniform", self.low)
        if not 0 < self.perturbation < 1:
            raise self._wrong("perturbation", "a number between 0 and 1", self.perturbation)
        for part in ("limited", "symmetric"):
            if not isinstance(getattr(self, part), bool):
                raise self._wrong(part, "true or false", getattr(self, part))
        complement = self.perturbed == "complement"
        if (complement or self.name in RATES) and not (self.high < 1 and self.limited):
            raise self._wrong("high, limited", "a range from 0 to below 1, limited", (self.high, self.limited))
        if complement and self.distribution != "uniform":
            raise self._wrong("distribution", "uniform, since the complement is perturbed", self.distribution)
        if self.initial is not None:
            if self.limited and not self.low <= self.initial <= self.high:
                raise self._wrong("initial", f"a value in the range {self.low} to {self.high}", self.initial)
            if self._factored(self.initial) <= 0:
                raise self._wrong("initial", "a number above 0, which factors can change", self.initial)

    @classmethod
    def from_mapping(cls, name: str, section: Any) -> "SearchedHyperparameter":
        """Read one entry of `search.hyperparameters`. Raises UserError where a field is unknown, missing or wrong."""
        known = [field.name for field in fields(cls) if field.name != "name"]
        needed = ("distribution", "low", "high", "perturbation")
        found = sorted(section) if isinstance(section, Mapping) else section
        if not isinstance(section, Mapping) or set(section) - set(known) or not set(needed) <= set(section):
            raise UserError(
                f"search.hyperparameters.{name}: expected the fields {', '.join(needed)}, and initial, limited,"
                f" symmetric and perturbed where wanted, found {found}. Correct it in config/search."
            )
        return cls(name=name, **section)

    def draw(self, rng: np.random.Generator) -> float:
        """A member's first value."""
        if self.initial is not None:
            return float(self.initial)
        if self.distribution == "uniform":
            low, high = sorted((self._factored(self.low), self._factored(self.high)))
            value = self._factored(rng.uniform(low, high))
        else:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(min(max(value, self.low), self.high))

    def perturb(self, value: float, rng: np.random.Generator) -> float:
        """`value` (or 1 - it) times 1 + d (`symmetric`: times or divided by 1 + |d|), clipped where limited."""
        size = rng.uniform(SMALLEST_CHANGE * self.perturbation, self.perturbation)
        up = rng.choice([-1.0, 1.0]) > 0
        factored = self._factored(value)
        lower = factored / (1 + size) if self.symmetric else factored * (1 - size)
        changed = self._factored(factored * (1 + size) if up else lower)
        return float(min(max(changed, self.low), self.high) if self.limited else changed)

    def _factored(self, value: float) -> float:
        """What factors act on; its own inverse."""
        return 1 - value if self.perturbed == "complement" else value

    def _wrong(self, part: str, expected: str, found: object) -> UserError:
        return UserError(
            f"search.hyperparameters.{self.name}.{part}: expected {expected}, found {found!r}."
            " Correct it in config/search."
        )


def read_search_space(section: Any, known: list[str]) -> dict[str, SearchedHyperparameter]:
    """Return name -> entry of the config's `search.hyperparameters`.

    Args:
        section: name -> fields of `SearchedHyperparameter`.
        known: names of the hyperparameters that the model has.

    Raises UserError naming the field where one is unknown or wrong.
    """
    if not isinstance(section, Mapping) or not section:
        raise UserError(f"search.hyperparameters: expected at least one of {', '.join(known)}, found {section!r}.")
    for name in section:
        if name not in known:
            raise UserError(f"search.hyperparameters: expected names among {', '.join(known)}, found {name!r}.")
    return {name: SearchedHyperparameter.from_mapping(name, entry) for name, entry in section.items()}
