"""A section of the configuration as a dataclass: unknown and wrong fields are named."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

from calcium_latents.errors import UserError


class ParameterSection:
    """Base of frozen dataclasses of parameters; a subclass checks its own fields in `__post_init__`."""

    SECTION: ClassVar[str] = "simulation"  # its name in messages

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any] | Self) -> Self:
        """Read parameters from a configuration section; parameters that are read already are returned as they are.

        Raises
        ------
        UserError
            A field is unknown, of the wrong type, or out of range.
        """
        if isinstance(mapping, cls):
            return mapping
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(mapping) - known):
            raise UserError(
                f"{cls.SECTION}: unknown field {', '.join(unknown)}; expected some of: "
                f"{', '.join(sorted(known))}. Correct the name in the scale's configuration."
            )
        return cls(**mapping)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for digests and attributes."""
        return asdict(self)

    @classmethod
    def wrong(cls, name: str, expected: str, found: object) -> UserError:
        """Return the error that names a field, what was expected and what was found."""
        return UserError(
            f"{cls.SECTION}.{name}: expected {expected}, found {found!r}. Correct it in the scale's configuration."
        )

    def check_numbers(
        self, *names: str, least: float | None = 0, most: float | None = None, above: bool = False, whole: bool = False
    ) -> None:
        """Check that fields are numbers of at least `least` (or `above` it) and at most `most`, or `whole` ones.

        Raises
        ------
        UserError
            Names the field, what was expected and what was found.
        """
        span = "" if least is None else f" {'above' if above else 'of at least'} {least:g}"
        span = span if most is None else f" from {least:g} to {most:g}"
        for name in names:
            value = getattr(self, name)
            good = is_number(value, whole) and (least is None or (value > least if above else value >= least))
            if not good or (most is not None and value > most):
                raise self.wrong(name, f"a {'whole ' if whole else ''}number{span}", value)

    def check_choices(self, choices: Mapping[str, Iterable[str]]) -> None:
        """Check that fields have one of their `choices`.

        Raises
        ------
        UserError
            Names the field, what was expected and what was found.
        """
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise self.wrong(name, f"one of {', '.join(allowed)}", getattr(self, name))


def is_number(value: object, whole: bool = False) -> bool:
    """Tell whether `value` is a finite number (no truth value), or a `whole` one."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return good and (not whole or float(value).is_integer())
