"""The `python` that tests run commands with does what Python does."""

import subprocess
import sys

import psutil
import pytest
from forked_python import forked_python

SHOW = "import os, sys; print(sys.argv, os.getcwd(), os.environ['WORD'], sys.stdin.read()); import own; own.show()"

OWN = """
import sys
def show():
    print(__file__, __name__, file=sys.stderr)
if __name__ == "__main__":
    show()
"""


@pytest.mark.parametrize(
    "words",
    [
        ["-c", SHOW, "a", "b c"],
        ["-c", "import sys; sys.exit('said')"],
        ["-c", "import sys; sys.exit(7)"],
        ["-c", "import sys; sys.exit()"],
        ["-c", "1 / 0"],
        ["-c", "import atexit; atexit.register(print, 'at the end')"],
        ["-m", "own", "a"],
        ["-m", "nothing"],
        ["script.py", "a"],
    ],
)
def test_it_does_what_python_does(tmp_path, words):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/own.py").write_text(OWN)
    (tmp_path / "script.py").write_text("import sys\nprint(sys.argv, __name__)\nimport own\n")
    how = {"cwd": tmp_path, "input": "given", "capture_output": True, "text": True}
    how["env"] = {"WORD": "a word", "PYTHONPATH": str(tmp_path / "elsewhere")}
    real, forked = (subprocess.run([python, *words], **how) for python in (sys.executable, forked_python()))
    assert (forked.returncode, forked.stdout) == (real.returncode, real.stdout)
    last = [done.stderr.splitlines()[-1:] for done in (real, forked)]
    assert last[0] == last[1] or "No module named nothing" in last[1][0]


def test_a_command_that_is_killed_fails():
    done = subprocess.run([forked_python(), "-c", "import os; os.kill(os.getpid(), 9)"])
    assert done.returncode == 137


def test_a_command_dies_with_the_one_that_waits_for_it():
    command = [forked_python(), "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    number = int(waiting.stdout.readline())
    assert psutil.pid_exists(number)
    waiting.kill()
    waiting.wait()
    psutil.wait_procs([process for process in psutil.process_iter() if process.pid == number], timeout=30)
    assert not psutil.pid_exists(number)


def test_nothing_of_this_project_is_imported_before():
    code = "import sys; print(*sys.modules)"
    modules = subprocess.check_output([forked_python(), "-c", code], text=True).split()
    assert "torch" in modules and not [name for name in modules if name.startswith("calcium_latents")]
