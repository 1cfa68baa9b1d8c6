"""./run, with a Python that only writes down what it is asked to do: environments, extras, changed pins."""

import os
import shutil
import subprocess
import sys

import pytest

#: Answers `-c` and `--version` truly, makes environments that are copies of itself, and writes down everything else.
PYTHON = f"""#!/usr/bin/env bash
case "$1 ${{2:-}}" in
"-c "*|"--version "*) exec {sys.executable} "$@" ;;
"-m venv") rm -rf "$4"/*; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo "venv $4" >>"$WRITTEN" ;;
"-m pip") echo "pip ${{@: -1}}" >>"$WRITTEN"; [ ! -e "$WRITTEN.fail" ] || {{ echo "no such pin"; exit 1; }} ;;
*) echo "python $*" >>"$WRITTEN" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path, repository):
    """A function that runs `run` in a folder with what it reads, and returns (status, errors, what was done)."""
    folder = tmp_path / "check out"
    folder.mkdir()
    for name in ("run", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, folder / name)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    written = tmp_path / "written"

    def run(*arguments, **environment):
        written.write_text("")
        own = {"PYTHON": str(tmp_path / "python"), "WRITTEN": str(written), "PATH": "/usr/bin:/bin"} | environment
        done = subprocess.run([str(folder / "run"), *arguments], env=own, capture_output=True, text=True)
        return done.returncode, done.stderr, written.read_text().splitlines()

    run.folder, run.fails = folder, tmp_path / "written.fail"
    return run


def workflow(*arguments):
    return " ".join(["python -m calcium_latents.commands.workflow", *arguments])


def test_the_environment_is_made_once(checkout):
    status, said, done = checkout("--config", "scale=smoke")
    assert status == 0 and "Installing the environment" in said
    venv = checkout.folder / ".venv"
    assert done == [f"venv {venv}", "pip .[test,lint]", workflow("--config", "scale=smoke")]
    assert checkout("-n") == (0, "", [workflow("-n")])
    tests = "python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -x"
    assert checkout("test", "-x") == (0, "", [tests])


def test_extras_are_added_without_making_it_anew_and_stay_when_pins_change(checkout):
    checkout("-n")
    status, said, done = checkout("install", "slurm", "nwb-checks")
    assert (status, done) == (0, ["pip .[slurm,nwb-checks]"]) and "Installed: slurm,nwb-checks" in said
    assert checkout("install", "slurm", "minian")[2] == ["pip .[slurm,nwb-checks,minian]"]
    with (checkout.folder / "constraints.txt").open("a") as file:
        file.write("numpy==2.4.7\n")
    status, said, done = checkout("-n")
    assert status == 0 and done[1:] == ["pip .[test,lint,slurm,nwb-checks,minian]", workflow("-n")]


def test_extras_survive_an_installation_that_fails(checkout):
    checkout("install", "slurm")
    (checkout.folder / "constraints.txt").write_text("nothing==0\n")
    checkout.fails.touch()
    status, said, done = checkout("-n")
    assert status == 1 and "pip could not install" in said and "no such pin" in said
    checkout.fails.unlink()
    status, said, done = checkout("-n")
    assert status == 0 and "pip .[test,lint,slurm]" in done


def test_an_extra_that_could_not_be_installed_is_not_kept(checkout):
    checkout("-n")
    checkout.fails.touch()
    assert checkout("install", "slurm")[0] == 1
    checkout.fails.unlink()
    assert checkout("install", "minian")[2] == ["pip .[minian]"]


@pytest.mark.parametrize("extras", [[], ["slrum"], ["slurm", "x y"], [""], ["slurm minian"]])
def test_unknown_extras_are_named(checkout, extras):
    checkout("-n")
    status, said, done = checkout("install", *extras)
    assert status == 1 and done == []
    assert "expected extras among: slurm test minian nwb-checks lint" in said
    assert all(f"'{extra}'" in said for extra in extras[-1:])


def test_a_folder_of_something_else_is_left_alone(checkout, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").touch()
    status, said, done = checkout("-n", CALCIUM_LATENTS_VENV=str(mine))
    assert status == 1 and "holds something that ./run did not make" in said and done == []
    assert os.listdir(mine) == ["thesis.tex"]


def test_an_old_python_is_refused(checkout, tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 && exit\nexit 1\n')
    status, said, done = checkout("-n")
    assert status == 1 and "Python 3.11 or newer is needed" in said and "Python 3.9.1" in said
