"""What CONTRIBUTING.md says: a figure, a model, a reader and a study are added with that many files, and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forked_python import forked_python

SPEED = "lorenz-7hz"
TEMPLATES = Path(__file__).parent / "templates"
CODE = ("Snakefile", "config", "workflow", "profiles", "envs", "src")
#: template -> file that is changed -> (start of the line after which one line is added, that line)
CHANGES = {
    "figure": {},
    "model": {
        "config/scale/paper/radical.yaml": (
            "radical: {data: subframe",
            "  population_average: {data: frames, training: closed_form, search: none}",
        )
    },
    "reader": {
        "src/calcium_latents/recordings/readers/formats/__init__.py": (
            "inscopix,",
            "        min1pipe,",
        )
    },
    "study": {"config/config.yaml": ("# Each", None)},  # its name, in the line that lists the studies
}


def added(template: str) -> list[Path]:
    """Return the files of a template, as they lie in the repository."""
    folder = TEMPLATES / template
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "cache" not in str(path))


@pytest.fixture
def checkout(tmp_path, repository, request):
    """A copy of the repository with the template's files in it, and its one line."""
    template = request.param
    root = tmp_path / "checkout"
    for name in CODE:
        source, ignore = repository / name, shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            root.mkdir(exist_ok=True)
            shutil.copy(source, root / name)
    for path in added(template):
        assert not (root / path).exists(), f"{path} is no new file"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TEMPLATES / template / path, root / path)
    for name, (place, line) in CHANGES[template].items():
        if line is None:
            continue
        lines = (root / name).read_text().splitlines()
        (number,) = [number for number, text in enumerate(lines) if text.strip().startswith(place)]
        lines.insert(number + 1, line)
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def make(root: Path, *arguments: str, recordings_file: object = "null") -> str:
    """Run the workflow of a checkout; return what it says."""
    places = [str(forked_python().parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(places), "PYTHONPATH": str(root / "src")}
    radical = {"run": [SPEED], "convergence": {"dataset": SPEED}, "figures": {"examples": [SPEED]}}
    options = ["scale=smoke", f"recordings_file={recordings_file}", f"radical={json.dumps(radical)}"]
    done = subprocess.run(
        [forked_python(), "-m", "snakemake", "--cores", "2", *arguments, "--config", *options],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("checkout", ["figure"], indirect=True)
def test_a_figure(checkout):
    stem = "results/smoke/radical/figures/radical_noise_levels"
    make(checkout, f"{stem}.png")
    assert (checkout / f"{stem}.svg").is_file()
    assert (checkout / f"{stem}.csv").read_text().startswith("dataset,value,lower,upper,n\nlorenz-7hz,")


@pytest.mark.slow
@pytest.mark.parametrize("checkout", ["model"], indirect=True)
def test_a_model(checkout):
    make(checkout, "results/smoke/radical/lorenz-7hz/population_average/seed-1/output.nc")
    said = make(checkout, "results/smoke/radical/lorenz-7hz/scores.csv", "-n", "--printshellcmds")
    assert "population_average/seed-1/output.nc" in said  # it is scored beside the others


@pytest.mark.slow
@pytest.mark.parametrize("checkout", ["reader"], indirect=True)
def test_a_reader(checkout):
    test = checkout / "tests/recordings/readers/test_min1pipe.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout / "src")}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
    entries = checkout / "mine.yaml"
    entries.write_text("recordings: {mine: {file: a.mat, format: min1pipe, sampling_rate_hz: 20, optional: true}}\n")
    assert "'mine' is left out" in make(checkout, "-n", recordings_file=entries)


@pytest.mark.slow
@pytest.mark.parametrize("checkout", ["study"], indirect=True)
def test_a_study(checkout):
    studies = (checkout / "config/config.yaml").read_text()
    (checkout / "config/config.yaml").write_text(re.sub(r"studies: \[.*\]", "studies: [event_fidelity]", studies))
    make(checkout)
    results = checkout / "results/smoke"
    assert (results / "event_fidelity/figures/event_fidelity_fidelity.png").is_file()
    (row,) = [line for line in (results / "claims.csv").read_text().splitlines() if "noise-costs" in line]
    assert ",reproduced," in row


def test_the_number_of_files_is_the_one_that_is_said(repository):
    """CONTRIBUTING.md has a table: task, new files, changed files."""
    text = (repository / "CONTRIBUTING.md").read_text()
    for template, changes in CHANGES.items():
        (new, changed) = re.search(rf"\| \[?a {template}\b[^|]*\| (\d+) \| (\d+) \|", text).groups()
        assert int(new) == len(added(template)), template
        assert int(changed) == len(changes), template
