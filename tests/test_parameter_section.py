"""Sections of the configuration: unknown and wrong fields are named, all at once; numbers are numbers."""

import pickle
from typing import Annotated, ClassVar, Literal, Self

import pytest
from pydantic import Field, model_validator

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import (
    INCREASING,
    Count,
    Flag,
    Number,
    Numeric,
    ParameterSection,
    Share,
    Text,
    Whole,
    expected,
    is_number,
)


class Part(ParameterSection):
    sizes: Annotated[tuple[Count, ...], Field(min_length=1), INCREASING] = (1, 2)
    kind: Literal["a", "b"] = "a"


class Section(ParameterSection):
    SECTION: ClassVar[str] = "study"
    size: Whole = 3
    rate_hz: Annotated[float, Numeric(), Field(gt=0, lt=9)] = 1.0
    share: Share | None = None
    part: Part = Part()
    parts: dict[Text, Part] = {}
    listed: tuple[Part, ...] = ()
    either: Part | Flag | Number = 0.5

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.size > 100 * self.rate_hz:
            raise self.wrong("size", f"at most a hundred times rate_hz ({self.rate_hz})", self.size)
        return self


def test_fields_are_read_and_wrong_ones_named():
    assert Section.from_mapping({"size": 4}) == Section(size=4) and Section(size=4).to_dict()["size"] == 4
    with pytest.raises(UserError, match="study: unknown field 'sise'; did you mean 'size'"):
        Section.from_mapping({"sise": 4})
    with pytest.raises(UserError, match=r"study\.size: expected a whole number, found 2\.5"):
        Section.from_mapping({"size": 2.5})
    with pytest.raises(UserError, match="study: expected named fields, found 3"):
        Section.from_mapping(3)
    with pytest.raises(UserError, match=r"study\.size: expected at most a hundred times rate_hz"):
        Section(size=400)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate_hz": True}, "rate_hz: expected a number above 0 and below 9, found True"),
        ({"rate_hz": "3"}, "rate_hz: expected a number above 0 and below 9, found '3'"),
        ({"share": 1.5}, "share: expected a number from 0 to 1, or null, found 1.5"),
        ({"part": {"sizes": [2, 1]}}, "part.sizes: .* at least 1 item.s., in increasing order, found"),
        ({"part": {"sizes": []}}, "part.sizes: expected a list, each a whole number of at least 1, at least 1 item"),
        ({"part": {"kind": "c"}}, "part.kind: expected one of a, b, found 'c'"),
        ({"part": {"kinds": "c"}}, "part: unknown field 'kinds'; did you mean 'kind'"),
        ({"part": None}, "part: expected named fields, found None"),
        ({"parts": {"x": {"kind": 1}}}, "parts.x.kind: expected one of"),
        ({"listed": [{}, {"kind": 1}]}, "listed.1.kind: expected one of"),
        ({"either": {"kind": 1}}, "either.kind: expected one of"),
        ({"either": "x"}, "either: expected fields of Part or true or false or a number, found 'x'"),
    ],
)
def test_faults_say_where_and_what_is_expected(given, said):
    with pytest.raises(UserError, match=f"^study.{said}"):
        Section.from_mapping(given)


def test_all_faults_are_named_at_once():
    with pytest.raises(UserError) as raised:
        Section.from_mapping({"rate": 1, "size": "x", "part": {"kind": 1, "sizes": 1}, "listed": [{"kin": 1}]})
    assert len(str(raised.value).splitlines()) == 5


def test_faults_go_through_worker_processes():
    with pytest.raises(UserError) as raised:
        Section(size="x")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_numbers_stay_as_they_are_given():
    """A digest of 5 is not one of 5.0."""
    given = Section.from_mapping({"size": 4.0, "rate_hz": 5, "part": {"kind": "b"}})
    assert repr(given.to_dict()["rate_hz"]) == "5" and repr(given.size) == "4"
    assert given.to_dict()["part"] == {"kind": "b"} and set(given.given()) == {"size", "rate_hz", "part"}
    assert given.changed(size=5).rate_hz == 5
    with pytest.raises(UserError, match="share"):
        given.changed(share=2)


def test_what_is_expected_is_said_in_words():
    assert expected(Section.model_fields["share"]) == "a number from 0 to 1, or null"
    assert expected(Section.model_fields["parts"]) == "named entries, each fields of Part"


@pytest.mark.parametrize("value", [True, "3", None, float("nan"), float("inf")])
def test_what_is_no_number(value):
    assert not is_number(value)


def test_whole_numbers():
    assert is_number(2.0, whole=True) and is_number(2.5) and not is_number(2.5, whole=True)
