"""What processes keep for each other: found again, and never in the way."""

import json

import pytest

from calcium_latents.kept import Kept, digest_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CALCIUM_LATENTS_CACHE", str(tmp_path))
    return tmp_path


def never():
    raise AssertionError("expected what was kept")


def test_a_value_is_made_once_and_found_by_the_next_process(folder):
    first = Kept("table.json")
    assert first.get("a", lambda: (1, {"b": None})) == [1, {"b": None}]
    assert first.get("a", never) == [1, {"b": None}]
    first.write()
    assert Kept("table.json").get("a", never) == [1, {"b": None}]
    assert [path.name for path in folder.iterdir()] == ["table.json"]


def test_two_processes_that_write_lose_nothing(folder):
    one, other = Kept("table.json"), Kept("table.json")
    one.get("a", lambda: 1), other.get("b", lambda: 2)
    one.write(), other.write()
    both = Kept("table.json")
    assert (both.get("a", never), both.get("b", never)) == (1, 2)


def test_above_the_most_only_what_was_asked_for_stays(folder):
    old = Kept("table.json")
    for number in range(5):
        old.get(str(number), lambda: 0)
    old.write()
    new = Kept("table.json", most=5)
    new.get("3", never), new.get("new", lambda: 1)
    new.write()
    assert json.loads((folder / "table.json").read_text()) == {"3": 0, "new": 1}


@pytest.mark.parametrize("damage", ["", "{", "[1]"])
def test_an_unreadable_file_counts_as_empty(folder, damage):
    (folder / "table.json").write_text(damage)
    table = Kept("table.json")
    assert table.get("a", lambda: 1) == 1
    table.write()
    assert Kept("table.json").get("a", never) == 1


def test_an_error_is_not_kept(folder):
    table = Kept("table.json")
    with pytest.raises(AssertionError):
        table.get("a", never)
    assert table.get("a", lambda: 2) == 2


def test_a_digest_tells_where_one_part_ends():
    assert digest_of("ab", "c") != digest_of("a", "bc") and digest_of("ab", b"c") == digest_of(b"ab", "c")
