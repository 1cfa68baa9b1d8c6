"""What would make a claim hold is said before its numbers are known."""

import numpy as np
import pytest

from calcium_latents.claims.question import Question
from calcium_latents.claims.table import BEATEN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED

ASKED = Question("my_study", "some_name", "2c", "More than nothing", "> 0", side="above", bound=0.1)


@pytest.mark.parametrize(
    ("ours", "status"),
    [((0.5, 0.2, 0.8), REPRODUCED), ((0.5, 0.1, 0.9), NOT_REPRODUCED), ((0.5, np.nan, np.nan), NOT_TESTED)],
)
def test_the_interval_decides(ours, status):
    claim = ASKED.answer(ours, "because")
    assert (claim.status, claim.ours, claim.reason) == (status, 0.5, "because")
    assert claim.claim == "my-study-some-name" and claim.study == "my_study"
    assert claim.statement == "More than nothing (reproduced: interval above 0.1)"


def test_without_a_number_nothing_is_tested():
    assert ASKED.answer().status == ASKED.answer(good=True).status == NOT_TESTED


def test_below_and_beaten():
    below = Question("s", "n", "1", "Less", side="below")
    assert below.answer((-1.0, -2.0, -0.5), best=True).status == BEATEN
    assert below.answer((-1.0, -2.0, 0.5), best=True).status == NOT_REPRODUCED


def test_the_answer_may_decide():
    plain = Question("s", "n", "1", "Something")
    assert plain.answer(1.0).status == NOT_TESTED
    assert plain.answer(1.0, good=True).status == REPRODUCED
    assert plain.answer(1.0).statement == "Something"
