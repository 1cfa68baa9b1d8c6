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
