"""What a machine has for its jobs."""

import os
from argparse import Namespace
from types import SimpleNamespace

import pytest

from calcium_latents.launch import machine

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
LISTED = """GPU 0: NVIDIA H200 (UUID: GPU-1a)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2b)
  MIG 3g.20gb     Device  0: (UUID: MIG-3c)
  MIG 3g.20gb     Device  1: (UUID: MIG-4d)
"""


def groups(folder, lines, files):
    """Write a tree of control groups and the file that names those of a process; return both."""
    for name, text in files.items():
        (folder / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup" / name).write_text(text)
    (folder / "own").write_text(lines)
    return folder / "cgroup", folder / "own"


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ("0::/job/step\n", {"job/memory.max": "800000000\n", "job/step/memory.max": "max\n"}),
        ("0::/\n", {"memory.max": "800000000\n"}),  # of a container
        ("0::/elsewhere\n", {"memory.max": "800000000\n"}),
        ("3:cpu:/a\n2:memory:/slurm/job\n0::/\n", {"memory/slurm/job/memory.limit_in_bytes": "800000000\n"}),
    ],
)
def test_memory_is_what_the_control_groups_leave(tmp_path, lines, files):
    assert machine.memory_mb(*groups(tmp_path, lines, files)) == 720


def test_memory_is_the_machines_where_nothing_limits_it(tmp_path):
    whole = int(PHYSICAL * machine.FOR_JOBS / 1_000_000)
    assert machine.memory_mb(tmp_path / "none", tmp_path / "none") == whole
    v1 = {"memory/memory.limit_in_bytes": "9223372036854771712\n"}  # as version 1 says that there is no limit
    assert machine.memory_mb(*groups(tmp_path, "2:memory:/\n", v1)) == whole


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """A function that puts an nvidia-smi into the path that prints a text and ends with a status."""

    def write(text, status=0):
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return write


def test_gpus_are_those_of_the_driver_and_the_instances_of_those_that_are_cut(listing):
    listing(LISTED)
    assert machine.gpus() == ["GPU-1a", "MIG-3c", "MIG-4d"]


def test_there_are_no_gpus_where_the_driver_fails_or_is_missing(listing, monkeypatch):
    listing("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", status=9)
    assert machine.gpus() == []
    monkeypatch.setenv("PATH", "/nothing")
    assert machine.gpus() == []


@pytest.mark.parametrize(("visible", "found"), [("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-1a", ["GPU-1a"])])
def test_gpus_that_the_user_names_are_taken(listing, monkeypatch, visible, found):
    listing(LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == found


def shared(monkeypatch, executor=None, visible="5,6", **resources):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv(machine.GPUS_VARIABLE, "stale")
    given = {name: SimpleNamespace(value=value) for name, value in resources.items()}
    return machine.share(Namespace(executor=executor, resources=given)), os.environ.get(machine.GPUS_VARIABLE)


def test_jobs_share_what_there_is(monkeypatch):
    words, leased = shared(monkeypatch)
    assert words == ["--resources", f"mem_mb={machine.memory_mb()}", "gpu=2"] and leased == "5,6"
    words, leased = shared(monkeypatch, visible="")
    assert words[-1] == "gpu=0" and leased is None


def test_what_the_user_says_goes_over_it(monkeypatch):
    words, leased = shared(monkeypatch, "local", mem_mb=700, tokens=3)
    assert words == ["--resources", "mem_mb=700", "gpu=2", "tokens=3"]


def test_a_cluster_shares_its_machines_itself(monkeypatch):
    assert shared(monkeypatch, "slurm") == ([], None)
