"""Sections of the configuration: unknown and wrong fields are named, numbers are numbers."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import ParameterSection, is_number


@dataclass(frozen=True)
class Section(ParameterSection):
    SECTION: ClassVar[str] = "study"
    size: int = 3

    def __post_init__(self):
        if not is_number(self.size, whole=True):
            raise self.wrong("size", "a whole number", self.size)


def test_fields_are_read_and_wrong_ones_named():
    assert Section.from_mapping({"size": 4}) == Section(4) and Section(4).to_dict() == {"size": 4}
    with pytest.raises(UserError, match="study: unknown field sise; expected some of: size"):
        Section.from_mapping({"sise": 4})
    with pytest.raises(UserError, match=r"study\.size: expected a whole number, found 2\.5"):
        Section.from_mapping({"size": 2.5})


@pytest.mark.parametrize("value", [True, "3", None, float("nan"), float("inf")])
def test_what_is_no_number(value):
    assert not is_number(value)


def test_whole_numbers():
    assert is_number(2.0, whole=True) and is_number(2.5) and not is_number(2.5, whole=True)


@dataclass(frozen=True)
class Numbers(ParameterSection):
    count: int = 3
    share: float = 0.5
    width: float = 1.0
    kind: str = "a"

    def __post_init__(self) -> None:
        self.check_numbers("count", least=2, whole=True)
        self.check_numbers("share", most=1)
        self.check_numbers("width", above=True)
        self.check_choices({"kind": ("a", "b")})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 1, "a whole number of at least 2"),
        ("count", 2.5, "a whole number of at least 2"),
        ("share", 1.1, "a number from 0 to 1"),
        ("share", -0.1, "a number from 0 to 1"),
        ("share", True, "a number from 0 to 1"),
        ("width", 0, "a number above 0"),
        ("width", float("inf"), "a number above 0"),
        ("kind", "c", "one of a, b"),
    ],
)
def test_numbers_and_choices_have_bounds(name, value, expected):
    with pytest.raises(UserError, match=rf"simulation\.{name}: expected {expected}, found {value!r}"):
        Numbers.from_mapping({name: value})


def test_bounds_themselves_are_allowed_and_read_parameters_stay():
    found = Numbers.from_mapping({"count": 2, "share": 1, "width": 1e-9, "kind": "b"})
    assert Numbers.from_mapping(found) is found
