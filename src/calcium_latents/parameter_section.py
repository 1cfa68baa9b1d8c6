"""One declaration of every parameter: a frozen pydantic model a section, whose fields say type, range and meaning.

A field's meaning stands in the docstring below it. What is wrong is said with field, expected and found, all faults at
once; `expected` is the same text as in docs/configuration.md, since both are made of the declaration.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError, model_validator
from pydantic_core import core_schema

from calcium_latents.errors import UserError

MOST_WHOLE = 2**63 - 1  # of NumPy's integers


def is_number(value: object, whole: bool = False) -> bool:
    """Tell whether `value` is a finite number (no truth value), or a `whole` one that arrays and tables hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, int):
        return abs(value) <= MOST_WHOLE
    return math.isfinite(value) and (not whole or (value.is_integer() and abs(value) <= MOST_WHOLE))


class Fault(NamedTuple):
    """What is wrong in one field: where it stands in the section, and "expected ..., found ..."."""

    path: tuple[str | int, ...]
    text: str


class WrongFieldsError(UserError, ValueError):
    """Wrong fields of a section; as a ValueError, pydantic collects it with those of other sections."""

    def __init__(self, faults: list[Fault], section: str):
        self.faults, self.section = faults, section
        super().__init__(
            "\n".join(
                f"{'.'.join(map(str, (section, *path)))}: {text} Correct it in the scale's configuration."
                for path, text in faults
            )
        )

    def __reduce__(self):  # worker processes raise it, too
        return type(self), (self.faults, self.section)


@dataclass(frozen=True)
class Rule:
    """A check of a value, and what it asks for in words."""

    words: str
    holds: Callable[[Any], bool]

    def __get_pydantic_core_schema__(self, source, handler):
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value):
        if not self.holds(value):
            raise ValueError(self.words)
        return value


@dataclass(frozen=True)
class Numeric:
    """Takes finite numbers as they are given (an int stays one, so that digests do), or whole ones as int."""

    whole: bool = False
    infinite: bool = False  # takes infinity, too

    def __get_pydantic_core_schema__(self, source, handler):
        return core_schema.no_info_plain_validator_function(self._check)

    def _check(self, value):
        if not is_number(value, self.whole) and not (self.infinite and value in (math.inf, -math.inf)):
            raise ValueError("no number")
        return int(value) if self.whole else value


@dataclass(frozen=True)
class FieldsOf:
    """Marks named fields of a section that go over another's, and are checked with them."""

    kind: type


INCREASING = Rule("in increasing order", lambda values: all(a < b for a, b in zip(values, values[1:], strict=False)))
DIFFERENT = Rule("all different", lambda values: len(set(values)) == len(values))
NAME = Rule("of letters, digits, - and _", lambda name: re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None)

Number = Annotated[float, Numeric()]
Positive = Annotated[float, Numeric(), Field(gt=0)]
NotNegative = Annotated[float, Numeric(), Field(ge=0)]
Share = Annotated[float, Numeric(), Field(ge=0, le=1)]
Whole = Annotated[int, Numeric(whole=True)]
Count = Annotated[int, Numeric(whole=True), Field(ge=1)]
NotNegativeWhole = Annotated[int, Numeric(whole=True), Field(ge=0)]
Between = Annotated[float, Numeric(), Field(gt=0, lt=1)]
Rate = Annotated[float, Numeric(), Field(ge=0, lt=1)]  # of dropout, of forgetting: 1 would leave nothing
Bound = Annotated[float, Numeric(infinite=True), Field(gt=0)]
#: NumPy's seeds have no limit, PyTorch's are below 2^64; tables hold less: pandas makes decimals of larger ones when it
#: joins them with others, and two seeds become one.
Seed = Annotated[int, Numeric(whole=True), Field(ge=0, le=MOST_WHOLE)]
Flag = StrictBool
Text = Annotated[StrictStr, Field(min_length=1)]
Numbers = Annotated[tuple[Number, ...], Field(min_length=1)]
PositiveNumbers = Annotated[tuple[Positive, ...], Field(min_length=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]


LEFT_OUT: Any = None  # default of a field that may be left out, but not be null


class ParameterSection(BaseModel):
    """Base of sections of the configuration. A subclass compares fields in validators of mode "after"."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    SECTION: ClassVar[str] = "simulation"  # its name in messages
    FILLED: ClassVar[bool] = False  # whether `given` states defaults (but null), too

    def __init__(self, **values: Any):
        """Take fields by name. Raises UserError: a field is unknown, of the wrong type, or out of range."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise WrongFieldsError(faults_of(error, type(self), values), self.SECTION) from None

    # pyrefly: ignore[missing-attribute]  # pydantic's own mark of a function
    __init__.__pydantic_base_init__ = True  # sections within a section are not made by it: their faults are collected

    @classmethod
    def from_mapping(cls, mapping: "Mapping[str, Any] | ParameterSection") -> Self:
        """Read parameters from a configuration section, or take those that were read.

        Raises UserError as when they are made by name.
        """
        try:
            return cls.model_validate(dict(mapping) if isinstance(mapping, Mapping) else mapping)
        except ValidationError as error:
            raise WrongFieldsError(faults_of(error, cls, mapping), cls.SECTION) from None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for digests and attributes: all fields, of sections within those that were given."""
        return {name: _plain(value) for name, value in self}

    def given(self) -> dict[str, Any]:
        """Return plain values of the fields that were given, and of others of sections that are `FILLED`."""
        return {
            name: _plain(value)
            for name, value in self
            if name in self.model_fields_set or (self.FILLED and value is not None)
        }

    def changed(self, **values: Any) -> Self:
        """Return the same section with other values, which are checked."""
        return type(self)(**{**dict(self), **values})

    @classmethod
    def wrong(cls, name: str, expected: str, found: object) -> WrongFieldsError:
        """Return the error that names a field ('': the section), what was expected and what was found."""
        return WrongFieldsError([Fault((name,) if name else (), f"expected {expected}, found {found!r}.")], cls.SECTION)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: Callable[[Any], Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            raise WrongFieldsError(faults_of(error, cls, value), cls.SECTION) from None


def _plain(value: Any) -> Any:
    if isinstance(value, ParameterSection):
        return value.given()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def unknown_field(name: str, known: list[str], what: str = "field") -> str:
    """Return "unknown field ...", with the known one that looks like it, or all."""
    return f"unknown {what} '{name}'; {suggestion(name, known)}"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return "did you mean ...?" where a known name looks like `name`, else all that are known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}."


def faults_of(error: ValidationError, section: type[ParameterSection], value: Any) -> list[Fault]:
    """Return the faults in `value` of a section, and of sections within it, ordered by place."""
    found: dict[tuple[str | int, ...], str] = {}
    errors = error.errors(include_url=False)
    for one in errors:
        if isinstance(inner := one.get("ctx", {}).get("error"), WrongFieldsError):
            path = one["loc"]
            if len(path) > 1 and _is_of_kinds(section.model_fields[str(path[0])].annotation):
                if not isinstance(value[path[0]], Mapping):
                    continue  # any other kind may have been meant
                path = path[:1]
            found |= {(*path, *fault.path): fault.text for fault in inner.faults}
    within = {path[0] for path in found if path}  # what is wrong there is said more closely
    missing = [str(one["loc"][0]) for one in errors if one["type"] == "missing" and len(one["loc"]) == 1]
    unknown = [str(one["loc"][0]) for one in errors if one["type"] in ("extra_forbidden", "invalid_key")]
    if unknown:
        found[()] = " ".join(unknown_field(name, list(section.model_fields)) for name in unknown)
    for one in errors:
        path, inner = one["loc"], one.get("ctx", {}).get("error")
        if isinstance(inner, WrongFieldsError) or (path and str(path[0]) in (*missing, *unknown, *within)):
            continue
        if not path:
            found[()] = f"expected named fields, found {value!r}."
        else:
            path, kind, of = _place(section.model_fields[str(path[0])], path, value)
            found[path] = f"expected {kind}, found {of!r}.{_quotes(kind, of)}"
    if missing:
        present = ", ".join(value) or "nothing"
        text = f"expected the field(s) {', '.join(missing)}, found only {present}."
        found[()] = f"{found[()]} {text}" if () in found else text
    return [Fault(path, found[path]) for path in sorted(found, key=lambda path: list(map(str, path)))]


def _quotes(kind: str, found: Any) -> str:
    """Return the advice to quote, where text stands unquoted that YAML takes for a number or a truth value."""
    items = found if isinstance(found, list | tuple) else [found]
    taken = "text" in kind and any(isinstance(item, bool | int | float) for item in items)
    return " Put text that YAML takes for a number or a truth value in quotes." if taken else ""


def _is_of_kinds(annotation: Any) -> bool:
    return get_origin(_without_none(annotation)) in (Union, UnionType)


def _place(field, path: tuple, value: Any) -> tuple[tuple, str, Any]:
    """Return where a wrong value stands (within named entries: which one), what is expected there, and the value."""
    annotation, found = _without_none(field.annotation), value[path[0]]
    if get_origin(annotation) is dict and len(path) > 1:
        key, item = get_args(annotation)
        if "[key]" in path:
            return path[:1], f"names that are each {describe(key)}", path[1]
        return path[:2], describe(item), found[path[1]]
    return path[:1], expected(field), found


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        rest = [part for part in get_args(annotation) if part is not NoneType]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def expected(field) -> str:
    """Return what a field of a section takes, in words."""
    return describe(field.annotation, field.metadata)


def describe(annotation: Any, metadata: tuple | list = ()) -> str:
    """Return what a type and its rules ask for: "a whole number of at least 1", "one of a, b", ..."""
    origin = get_origin(annotation)
    if origin is Annotated:
        annotation, *inner = get_args(annotation)
        return describe(annotation, [*inner, *metadata])
    if origin in (Union, UnionType):
        kinds = [part for part in get_args(annotation) if part is not NoneType]
        words = [describe(part, metadata) for part in kinds]
        return " or ".join(words) + (", or null" if len(kinds) < len(get_args(annotation)) else "")
    if overlaid := [part.kind for part in metadata if isinstance(part, FieldsOf)]:
        return f"fields of {overlaid[0].__name__}"
    several = origin in (list, tuple, dict)
    return ", ".join([_noun(annotation, origin) + _bounds(metadata), *_rules(metadata, several)])


def _noun(annotation: Any, origin: Any) -> str:
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if origin is tuple and get_args(annotation)[-1] is not Ellipsis:
        return f"{len(get_args(annotation))} items, each {describe(get_args(annotation)[0])}"
    if origin in (list, tuple):
        return f"a list, each {describe(get_args(annotation)[0])}"
    if origin is dict:
        return f"named entries, each {describe(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, ParameterSection):
        return f"fields of {annotation.__name__}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(annotation, "anything")


def _parts(metadata: tuple | list) -> list:
    return [part for rule in metadata for part in getattr(rule, "metadata", [rule])]  # Field(...) holds its rules


def _bounds(metadata: tuple | list) -> str:
    bound = {}
    for part in _parts(metadata):
        bound |= {name: value for name in ("ge", "gt", "le", "lt") if (value := getattr(part, name, None)) is not None}
    if {"ge", "le"} <= set(bound):
        return f" from {_printed(bound['ge'])} to {_printed(bound['le'])}"
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    return "".join(f" and {words[name]} {_printed(value)}" for name, value in bound.items()).removeprefix(" and")


def _rules(metadata: tuple | list, several: bool) -> list[str]:
    found = []
    for part in _parts(metadata):
        if least := getattr(part, "min_length", None):
            found += [f"at least {least} item(s)"] if several else []  # text is never empty
        if isinstance(part, Rule):
            found.append(part.words)
        if isinstance(part, Numeric) and part.infinite:
            found.append("or .inf")
    return found


def _printed(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
