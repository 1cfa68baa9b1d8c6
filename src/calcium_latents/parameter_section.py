"""A section of the configuration as a dataclass: unknown and wrong fields are named."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

from calcium_latents.errors import UserError


class ParameterSection:
    """Base of frozen dataclasses of parameters; a subclass checks its own fields in `__post_init__`."""

    SECTION: ClassVar[str] = "simulation"  # its name in messages

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read parameters from a configuration section.

        Raises
        ------
        UserError
            A field is unknown, of the wrong type, or out of range.
        """
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


def is_number(value: object, whole: bool = False) -> bool:
    """Tell whether `value` is a finite number (no truth value), or a `whole` one."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return good and (not whole or float(value).is_integer())
