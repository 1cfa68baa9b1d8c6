"""The real Snakefile: planned at every scale, and run at the smallest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCALES = sorted(path.stem for path in (ROOT / "config/scale").glob("*.yaml"))
CODE = ("Snakefile", "config", "workflow", "profiles", "envs", "src")


def snakemake(folder, *arguments, root=ROOT):
    """Run Snakemake on the Snakefile below `root`, with `folder` as its working directory."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(root / "Snakefile"),
        "--directory",
        str(folder),
    ]
    return subprocess.run(
        [*command, *arguments],
        cwd=root,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def planned(folder, *arguments, root=ROOT):
    """Return rule -> number of jobs of a dry run."""
    done = snakemake(folder, "--dry-run", "--quiet", "rules", "--config", "scale=smoke", *arguments, root=root)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.partition("Job stats:")[2].splitlines()
    rows = [line.split() for line in lines]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_can_be_planned(tmp_path, scale):
    done = snakemake(tmp_path, "--dry-run", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stdout
    for rule in ("simulate", "train", "radical_figure2", "claims"):
        assert rule in done.stdout


def test_without_real_recordings_their_rules_are_left_out_and_named(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"data_directory={empty}")
    assert done.returncode == 0, done.stdout
    assert "recording 'allen-visual-cortex' is left out" in done.stdout
    assert "import_recording" not in done.stdout
    assert "compare_with_spikes" not in done.stdout


def test_a_wrong_value_stops_before_anything_runs(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", 'radical={"seeds": []}')
    assert done.returncode != 0
    assert "field 'radical.seeds': expected at least 1 item(s), found []" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_missing_recording_that_is_not_optional_is_named(tmp_path):
    entries = tmp_path / "mine.yaml"
    entries.write_text("recordings:\n  mine: {file: not/here.npy, sampling_rate_hz: 30, is_dff: true}\n")
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"recordings_file={entries}")
    assert done.returncode != 0
    assert "recordings.mine.file" in done.stdout and "not/here.npy" in done.stdout


def test_every_figure_has_a_caption_and_every_rule_an_environment():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    from calcium_latents.figures import FIGURES

    for figure in FIGURES:
        assert (ROOT / f"workflow/report/{figure}.rst").is_file()
    assert text.count("\n    conda:") + text.count("\n            conda:") == text.count("    shell:")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow after a run at the smoke scale."""
    root = tmp_path_factory.mktemp("clone")
    for name in CODE:
        source, ignore = ROOT / name, shutil.ignore_patterns("__pycache__", "*.egg-info")
        (shutil.copytree if source.is_dir() else shutil.copy)(
            source, root / name, **({"ignore": ignore} if source.is_dir() else {})
        )
    done = snakemake(root, "--cores", "2", "--config", "scale=smoke", root=root)
    assert done.returncode == 0, done.stdout[-5000:]
    return root


@pytest.mark.slow
def test_smoke_run_makes_figures_tables_and_a_report(finished):
    results = finished / "results/smoke"
    figures = {path.stem for path in (results / "radical/figures").glob("*.png")}
    assert {
        "radical_figure2",
        "radical_extended_data1",
        "radical_extended_data2",
        "radical_supplementary1",
    } <= figures
    assert figures == {path.stem for path in (results / "radical/figures").glob("*.svg")}
    assert (results / "claims.csv").read_text().startswith("claim,study")
    report = results / "report.html"
    done = snakemake(finished, "--report", str(report), "--config", "scale=smoke", root=finished)
    assert done.returncode == 0, done.stdout
    assert report.stat().st_size > 100_000


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(finished):
    done = snakemake(finished, "--cores", "1", "--config", "scale=smoke", root=finished)
    assert "Nothing to be done" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "reruns", "spares"),
    [
        (
            "figures/radical_supplementary1.py",
            {"radical_supplementary1"},
            {"train", "evaluate", "radical_figure2"},
        ),
        ("analysis/held_out.py", {"score_recording"}, {"train", "simulate", "evaluate"}),
        ("analysis/latent_recovery.py", {"evaluate", "claims"}, {"train", "simulate", "deconvolve"}),
        (
            "simulation/lorenz.py",
            {"simulate", "train"},
            {"import_recording", "deconvolve", "compare_with_spikes"},
        ),
        (
            "models/lfads/decoder.py",
            {"train", "evaluate"},
            {"simulate", "deconvolve_simulation", "describe_simulation"},
        ),
    ],
)
def test_editing_a_module_reruns_exactly_what_depends_on_it(finished, module, reruns, spares):
    path = finished / "src/calcium_latents" / module
    original = path.read_text()
    try:
        path.write_text(original + "\n# only a comment\n")
        assert planned(finished, root=finished) == {}
        path.write_text(original + "\nEDITED = True\n")
        jobs = set(planned(finished, root=finished))
    finally:
        path.write_text(original)
    if not {"score_recording"} <= set(planned_all(finished)):
        reruns = reruns - {"score_recording"}  # no real recordings here
    assert reruns <= jobs
    assert not spares & jobs


def planned_all(finished):
    """Return the rules of a run from nothing."""
    return planned(finished, "--forceall", root=finished)
