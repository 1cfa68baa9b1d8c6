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

from calcium_latents import compiling

LOOPS = """
from calcium_latents.constants import GAIN
from calcium_latents.elementary import compiled, sigmoid

@compiled
def loop(x):
    return GAIN * sigmoid(x)

print(loop(0.0), sum(loop.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path, repository):
    """A small package with the real compiler and elementary functions; calling it runs its loop in a new process."""
    own, real = tmp_path / "calcium_latents", repository / "src/calcium_latents"
    own.mkdir()
    (own / "__init__.py").touch()
    for name in ("compiling.py", "provenance.py"):
        shutil.copy(real / name, own)
    shutil.copy(real / "models/lfads/compiled/math.py", own / "elementary.py")
    (own / "constants.py").write_text("GAIN = 4.0\n")
    (own / "loops.py").write_text(LOOPS)

    def run(cache=tmp_path / "cache"):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), compiling.VARIABLE: str(cache)}
        command = [sys.executable, "-c", "import calcium_latents.loops"]
        value, hits = subprocess.check_output(command, env=environment, text=True).split()
        return float(value), int(hits)

    run.folder = own
    return run


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


def test_an_edit_of_another_file_takes_effect(package):
    assert package() == (2.0, 0)
    assert package() == (2.0, 1)  # nothing changed: nothing is compiled
    elementary = package.folder / "elementary.py"
    text = elementary.read_text()
    changed = text.replace("lambda x: 1 / (1 + ", "lambda x: 0.5 / (1 + ")
    assert changed != text
    elementary.write_text(changed)
    assert package() == (1.0, 0)
    (package.folder / "constants.py").write_text("GAIN = 12.0\n")
    assert package() == (3.0, 0)
    elementary.write_text(text + "\n# a comment\n")
    (package.folder / "constants.py").write_text("GAIN = 4.0  # as before\n")
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
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), compiling.VARIABLE: str(tmp_path / "cache")}
    command = [sys.executable, "-c", "import calcium_latents.loops"]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {one.communicate()[0].split()[0] for one in started} == {"2.0"}
    assert package() == (2.0, 1)
    assert len(list((tmp_path / "cache").iterdir())) == 1


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
