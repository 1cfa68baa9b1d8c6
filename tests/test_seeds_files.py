"""Streams of random numbers and atomic writes."""

import os
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from calcium_latents import files, processes
from calcium_latents.errors import UserError
from calcium_latents.files import atomic_path, read_table, remove_partials, user_path, write_table
from calcium_latents.provenance import PACKAGE, SOURCE
from calcium_latents.seeds import generator, integer


def test_same_address_same_numbers():
    first, second = (generator(3, "neuron", 7).random(5) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "other", [(4, "neuron", 7), (3, "neuron", 8), (3, "neuron"), (3, "neuron", "7"), (3, 7, "neuron")]
)
def test_other_address_other_numbers(other):
    assert not np.array_equal(generator(3, "neuron", 7).random(5), generator(*other).random(5))


def test_streams_are_independent_of_each_other():
    numbers = np.stack([generator(1, "trial", trial).standard_normal(2000) for trial in range(20)])
    correlation = np.corrcoef(numbers) - np.eye(20)
    assert np.abs(correlation).max() < 0.12  # five standard errors


def test_integer_seeds_fit_in_63_bits():
    seeds = [integer(seed, "weights") for seed in range(200)]
    assert len(set(seeds)) == 200
    assert min(seeds) >= 0 and max(seeds) < 2**63


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "table.csv"
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".csv" and not target.exists()
        temporary.write_text("whole")
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]
    assert target.read_text() == "whole"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"


def test_tables_are_read_with_checks(tmp_path):
    write_table(pd.DataFrame({"a": [1], "b": [2]}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", ("a", "b")).to_dict("list") == {"a": [1], "b": [2]}
    with pytest.raises(UserError, match=r"t.csv: expected the columns \['c'\], found \['a', 'b'\]"):
        read_table(tmp_path / "t.csv", ("a", "c"))
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "nowhere.csv"):
        with pytest.raises(UserError, match=f"{name}: expected a CSV table"):
            read_table(tmp_path / name)


def test_where_a_users_path_leads(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_path("a/b.npy", tmp_path) == tmp_path / "a/b.npy"
    assert user_path(str(tmp_path / "b.npy"), "elsewhere") == tmp_path / "b.npy"
    assert user_path("~/b.npy", tmp_path) == tmp_path / "home/b.npy"
    assert user_path("~nobody-of-this-name/b.npy", tmp_path) == tmp_path / "~nobody-of-this-name/b.npy"


def test_only_one_place_says_where_a_users_path_leads():
    """Else planning tracks another file than the one that is read."""
    found = {path.name for path in (SOURCE / PACKAGE).rglob("*.py") if "expanduser" in path.read_text(encoding="utf-8")}
    assert found == {"files.py", "kept.py", "user.py"}  # the others: caches, which are nobody's input


def test_a_file_is_on_the_disk_before_its_name_is_and_the_name_before_the_end(tmp_path, monkeypatch):
    done = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("renamed") or replace(old, new))
    with atomic_path(tmp_path / "table.csv") as temporary:
        temporary.write_text("whole")
    assert done == [str(temporary), "renamed", str(tmp_path)]


def test_a_long_name_leaves_room_for_the_writers(tmp_path):
    target = tmp_path / ("n" * 240 + ".csv")
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole"


def test_partial_files_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path, monkeypatch):
    other = subprocess.Popen(["sleep", "60"])
    with atomic_path(tmp_path / "deep/alive.nc") as own:
        own.touch()
        theirs = own.with_name(own.name.replace(processes.process_name(), processes.process_name(other.pid)))
        elsewhere = own.with_name(own.name.replace(processes.process_name(), "00000000-1-00000000"))
        users = tmp_path / "deep/.my.partial.nc"
        for path in (theirs, elsewhere, users):
            path.touch()
        assert remove_partials(tmp_path) == 0
        other.kill()
        other.wait()
        assert remove_partials(tmp_path) == 1 and not theirs.exists()
        day = files.ABANDONED_S
        os.utime(elsewhere, (0, time.time() - 0.9 * day))
        assert remove_partials(tmp_path) == 0
        os.utime(elsewhere, (0, time.time() - 1.1 * day))
        assert remove_partials(tmp_path) == 1 and not elsewhere.exists()
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [".my.partial.nc", "alive.nc"]
