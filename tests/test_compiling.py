"""Compiled code is kept between processes, and never outlives the code that it was made of."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

from calcium_latents import compiling, kept

LOOPS = """
from calcium_latents.constants import GAIN
from calcium_latents.elementary import compiled, sigmoid
OFFSET = 0.0

@compiled
def added(x):
    return x + OFFSET

@compiled
def loop(x):
    return added(GAIN * sigmoid(x))

print(loop(0.0), sum(loop.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path, repository):
    """A small package with the real compiler and elementary functions; calling it runs its loop in a new process."""
    own, real = tmp_path / "calcium_latents", repository / "src/calcium_latents"
    own.mkdir()
    (own / "__init__.py").touch()
    for name in ("compiling.py", "kept.py", "provenance.py"):
        shutil.copy(real / name, own)
    shutil.copy(real / "models/lfads/compiled/math.py", own / "elementary.py")
    (own / "constants.py").write_text("GAIN = 4.0\n")
    (own / "loops.py").write_text(LOOPS)

    def run(cache=tmp_path / "cache"):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), kept.VARIABLE: str(cache)}
        command = [sys.executable, "-c", "import calcium_latents.loops"]
        value, hits = subprocess.check_output(command, env=environment, text=True).split()
        return float(value), int(hits)

    run.folder = own
    return run


def test_an_edit_takes_effect_even_if_it_looks_like_none(package):
    """A constant and a function, in the module itself and in imported ones; the file keeps its size and gets older."""
    edits = [
        ("loops.py", "OFFSET = 0.0", "OFFSET = 3.0", 5.0),
        ("loops.py", "return x + OFFSET", "return x - OFFSET", -1.0),
        ("constants.py", "GAIN = 4.0", "GAIN = 6.0", 0.0),
        ("elementary.py", "lambda x: 1 / (1 + ", "lambda x: 3 / (1 + ", 6.0),
    ]
    assert [package(), package()] == [(2.0, 0), (2.0, 1)]
    unedited = {path: (path.read_text(), path.stat()) for path in package.folder.glob("*.py")}
    for age, (name, before, after, value) in enumerate(edits, 1):
        path = package.folder / name
        text = path.read_text()
        assert text.count(before) == 1 and len(before) == len(after)
        path.write_text(text.replace(before, after))
        os.utime(path, (unedited[path][1].st_mtime - 3600 * age,) * 2)
        assert package() == (value, 0)
    for path, (text, state) in unedited.items():
        path.write_text(text)
        os.utime(path, (state.st_mtime,) * 2)
    with open(package.folder / "elementary.py", "a") as file:
        file.write("\n# a comment\n")
    assert package() == (2.0, 1)  # what was compiled before is still there


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_compiled_code_that_was_cut_off_is_made_anew(package, tmp_path, kind, left):
    assert package() == (2.0, 0)
    files = list((tmp_path / "cache").rglob(f"*.{kind}"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:left])
    assert package() == (2.0, 0)
    assert package() == (2.0, 1)


def test_without_a_place_of_ones_own_a_temporary_one_is_used(package, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert [package(tmp_path / "file" / "below") for _ in range(2)] == [(2.0, 0), (2.0, 1)]
    kept = tmp_path / f"temporary/calcium-latents-{os.getuid()}"
    assert kept.is_dir() and kept.stat().st_mode & 0o077 == 0


def test_processes_that_start_together_share_one_place(package, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), kept.VARIABLE: str(tmp_path / "cache")}
    command = [sys.executable, "-c", "import calcium_latents.loops"]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {one.communicate()[0].split()[0] for one in started} == {"2.0"}
    assert package() == (2.0, 1)
    assert len(list((tmp_path / "cache").glob("*/"))) == 1


def test_other_functions_keep_their_place(monkeypatch):
    before = numba.config.CACHE_DIR
    assert compiling.njit(nogil=True)(abs_of)(-2.0) == 2.0  # of a module outside the package: not kept
    assert before == numba.config.CACHE_DIR


def abs_of(x):
    return abs(x)


def test_old_code_is_removed_unless_it_is_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "MOST_KEPT", 3)
    month = compiling.LONGEST_UNUSED_S

    def made(name, age_s):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "in-use").touch()
        os.utime(folder, (time.time() - age_s,) * 2)
        return folder

    for age, name in enumerate("abcde"):
        made(name, 10 * age)
    made("old", month + 60)
    with open(made("old-but-used", month + 120) / "in-use") as mark:
        fcntl.flock(mark, fcntl.LOCK_SH)
        compiling.remove_unused(tmp_path)
        assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["a", "b", "c", "old-but-used"]
    compiling.remove_unused(tmp_path)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["a", "b", "c"]


def test_a_user_without_a_home_gets_no_folder_of_that_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(kept.VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert kept.cache_directory() is not None
    assert not list(tmp_path.iterdir())
