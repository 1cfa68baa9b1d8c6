"""Progress in logs: plain lines now and then, nothing for what is fast."""

import pytest

from calcium_latents import progress as module
from calcium_latents.progress import duration, how_far, plural, progress


@pytest.fixture
def clock(monkeypatch):
    """A clock whose `now` the test sets."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_log_has_its_first_line_after_seconds_and_few_more(clock, capsys):
    for _ in progress(range(40), "infer", unit="batch"):
        clock.now += 2.5
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "infer: 2 of 40 batches, 5 s, about 95 s left",
        "infer: 10 of 40 batches, 25 s, about 75 s left",
        "infer: 18 of 40 batches, 45 s, about 55 s left",
        "infer: 26 of 40 batches, 65 s, about 35 s left",
        "infer: 34 of 40 batches, 85 s, about 15 s left",
        "infer: all 40 batches, 100 s",
    ]


def test_what_is_fast_says_nothing_and_yields_all(clock, capsys):
    assert list(progress(iter("abc"), "read", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_of_unknown_length(clock, capsys):
    for _ in progress(iter(range(3)), "read", unit="line"):
        clock.now += 6
    assert capsys.readouterr().err.splitlines() == ["read: 1 lines, 6 s", "read: all 3 lines, 18 s"]


def test_a_terminal_has_a_bar_and_no_lines(clock, capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    bars = []
    monkeypatch.setattr(module, "tqdm", lambda items, **look: bars.append(look) or items)
    for _ in progress(range(4), "infer", unit="batch"):
        clock.now += 10
    assert capsys.readouterr().err == ""
    assert [(bar["desc"], bar["unit"]) for bar in bars] == [("infer", " batches")]


@pytest.mark.parametrize(("seconds", "said"), [(31.4, "31 s"), (300, "5 min"), (9000, "2.5 h")])
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_words():
    assert [plural(unit) for unit in ("batch", "fit", "step")] == ["batches", "fits", "steps"]
    assert how_far(0, 4, "fits", 7.0) == "0 of 4 fits, 7 s" and how_far(4, 4, "fits", 7.0) == "4 of 4 fits, 7 s"
