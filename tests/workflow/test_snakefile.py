"""The real Snakefile: planned at every scale, and run at the smallest."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked_python import forked_python

ROOT = Path(__file__).resolve().parents[2]
SCALES = sorted(path.parent.name for path in (ROOT / "config/scale").glob("*/scale.yaml"))
CODE = ("Snakefile", "config", "workflow", "profiles", "envs", "src")


def snakemake(folder, *arguments, root=ROOT, path=None):
    """Run Snakemake on the Snakefile below `root` in `folder`; commands are looked for in the folder `path` first."""
    path = os.pathsep.join([str(path or ""), str(Path(sys.executable).parent), os.environ["PATH"]]).lstrip(os.pathsep)
    words = ["--snakefile", str(root / "Snakefile"), "--directory", str(folder), *arguments]
    return subprocess.run(
        [forked_python(), "-m", "snakemake", *words],
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
    figures = (
        "radical_figure2",
        "cross_encoder_figure3",
        "latent_contributions_transition_roles",
        "avae_figure3",
        "digital_twin_figure4",
    )
    for rule in ("simulate", "simulate_cultures", "train", *figures, "claims"):
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
    assert (
        "field 'radical.seeds': expected a list, each a whole number from 0 to 9223372036854775807, at least 1 item(s)"
        in done.stdout
    )
    assert "Traceback" not in done.stdout


def test_a_missing_recording_that_is_not_optional_is_named(tmp_path):
    entries = tmp_path / "mine.yaml"
    entries.write_text("recordings:\n  mine: {file: not/here.npy, sampling_rate_hz: 30, is_dff: true}\n")
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"recordings_file={entries}")
    assert done.returncode != 0
    assert "recordings.mine.file" in done.stdout and "not/here.npy" in done.stdout


def recordings_file(folder, entries):
    """Write a recordings file of `entries`, each a text of further fields, all of one existing file of traces."""
    np.save(folder / "traces.npy", np.zeros((3000, 12), np.float32))
    (folder / "trials.csv").write_text("start_s,condition\n1.0,a\n")
    path = folder / "mine.yaml"
    lines = [f"  {name}: {{file: {folder}/traces.npy, {fields}}}" for name, fields in entries.items()]
    path.write_text("\n".join(["recordings:", *lines, ""]))
    return path


def test_several_recordings_go_through_the_studies_that_they_name(tmp_path):
    both = "sampling_rate_hz: 30, is_dff: true"
    trials = f"trials: {tmp_path}/trials.csv, response_window_s: 0.5"
    entries = {"one": both, "two": f"{both}, studies: [recordings]", "three": f"{both}, {trials}"}
    entries["four"] = f"{both}, studies: [cross_encoder], chunk_s: 2.0, buffer_s: 1.2"
    path = recordings_file(tmp_path, entries)
    options = ["--config", "scale=smoke", f"recordings_file={path}"]
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", *options)
    assert done.returncode == 0, done.stdout
    for name in ("one", "two", "three"):
        assert f"Draw recordings/recordings_event_rates-{name}" in done.stdout
        assert f"Contributions of neurons: radical-{name}" in done.stdout
    assert "recordings_event_rates-four" not in done.stdout and "Resample two" not in done.stdout
    assert "Resample one" in done.stdout and "Resample four" in done.stdout
    assert f"--trials {tmp_path}/trials.csv --window-s 0.5" in done.stdout
    trained = [line for line in done.stdout.splitlines() if "commands.train" in line and "cross_encoder/four" in line]
    assert trained and all("data.chunk_s=2.0 data.buffer_s=1.2" in line for line in trained)


def test_a_recording_cannot_take_the_name_of_a_simulated_one(tmp_path):
    path = recordings_file(tmp_path, {"spontaneous": "sampling_rate_hz: 30, is_dff: true"})
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"recordings_file={path}")
    assert done.returncode != 0 and "recordings.spontaneous': expected another name" in done.stdout


def test_responses_need_onsets(tmp_path):
    path = recordings_file(tmp_path, {"one": "sampling_rate_hz: 30, is_dff: true, response_window_s: 0.5"})
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"recordings_file={path}")
    assert done.returncode != 0
    assert "recordings.one.response_window_s" in done.stdout and "columns start_s and condition" in done.stdout


def cultures(groups):
    """Return the study avae of one dataset, the user's recordings by condition, as an override."""
    return {"run": ["mine"], "datasets": {"mine": {"label": "mine", "recordings": groups, "conditions": True}}}


def plan_cultures(folder, change, studies=("recordings", "avae")):
    """Plan avae with `change` on three recordings, one of which is only for datasets."""
    fields = "sampling_rate_hz: 30, is_dff: true, studies: "
    named = {"one": "[avae]", "two": "[]", "three": "[recordings]"}
    path = recordings_file(folder, {name: fields + studies for name, studies in named.items()})
    words = ["scale=smoke", f"recordings_file={path}", f"studies={list(studies)}", f"avae={json.dumps(change)}"]
    return snakemake(folder, "--dry-run", "--printshellcmds", "--config", *words)


def test_a_users_cultures_are_joined_by_condition(tmp_path):
    done = plan_cultures(tmp_path, cultures({"control": ["one", "two"], "treated group": ["three"]}))
    assert done.returncode == 0, done.stdout
    file = "results/smoke/recordings/{}/recording.nc"
    triples = [f"control=one={file.format('one')}", f"control=two={file.format('two')}"]
    triples.append(f"treated group=three={file.format('three')}")
    assert shlex.join(f"--recording={triple}" for triple in triples) in done.stdout
    drawn = {line.partition("Draw ")[2] for line in done.stdout.splitlines() if "Draw avae/" in line}
    assert drawn == {"avae/avae_figure6-mine", "avae/avae_recordings"}
    assert "simulate_cultures" not in done.stdout and "leave out what is not run: noise-1." in done.stdout
    embedded = {name for name in ("mine", "one", "two", "three") if f"on avae/{name}, seed 1" in done.stdout}
    assert embedded == {"mine", "one"}
    claims = next(line for line in done.stdout.splitlines() if "commands.claims" in line)
    assert "avae/mine" not in claims  # the user's conditions are none of the paper's


@pytest.mark.parametrize(
    ("change", "studies", "said"),
    [
        (cultures({"a": ["nix"]}), ["recordings", "avae"], "(one, two, three), found 'nix'"),
        (cultures({"a": ["one"], "b": ["one"]}), ["recordings", "avae"], "each recording once, found 'one' twice"),
        (cultures({"a": ["one"]}), ["avae"], "expected the study 'recordings'"),
        ({"datasets": {"noise-1": {"set": "nix"}}}, ["avae"], "'avae.datasets.noise-1.set': expected names among"),
    ],
)
def test_names_that_a_dataset_of_traces_gets_wrong_are_explained(tmp_path, change, studies, said):
    done = plan_cultures(tmp_path, change, studies)
    assert done.returncode != 0 and said in done.stdout and "Traceback" not in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "studies",
    [["cross_encoder"], ["avae"], ["digital_twin"], ["latent_contributions"], ["recordings", "cross_encoder"]],
)
def test_studies_can_be_planned_without_the_others(tmp_path, studies):
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", f"studies={studies}")
    assert done.returncode == 0, done.stdout
    assert "radical_figure2" not in done.stdout
    left_out = "latent contributions 'radical' are left out: study 'recordings' is not run" in done.stdout
    assert left_out == (studies == ["latent_contributions"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow after a run at the smoke scale."""
    root = tmp_path_factory.mktemp("clone")
    for name in CODE:
        source, ignore = ROOT / name, shutil.ignore_patterns("__pycache__", "*.egg-info")
        (shutil.copytree if source.is_dir() else shutil.copy)(
            source, root / name, **({"ignore": ignore} if source.is_dir() else {})
        )
    done = snakemake(root, "--cores", "2", "--config", "scale=smoke", root=root, path=forked_python().parent)
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
    for study, names in {
        "cross_encoder": {f"cross_encoder_figure{i}" for i in (1, 2, 3, 4)} | {"cross_encoder_gaussian_process_limit"},
        "latent_contributions": {
            "latent_contributions_transition_roles",
            "latent_contributions_lagged_influence",
            "latent_contributions-cross-encoder",
        },
        "digital_twin": {
            *(f"digital_twin_figure{i}" for i in (1, 2, 3, 4, 5, 6)),
            *(f"digital_twin_{name}" for name in ("images", "scores", "recovery", "recovery-dependent")),
        },
        "avae": {*(f"avae_figure{i}" for i in (1, 3, 4, 5)), "avae_figure6-tauopathy", "avae_cultures"},
    }.items():
        assert names <= {path.stem for path in (results / study / "figures").glob("*.png")}
    assert (results / "claims.csv").read_text().startswith("claim,study")
    report = results / "report.html"
    done = snakemake(finished, "--report", str(report), "--config", "scale=smoke", root=finished)
    assert done.returncode == 0, done.stdout
    assert report.stat().st_size > 100_000


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(finished):
    done = snakemake(finished, "--cores", "1", "--config", "scale=smoke", root=finished)
    assert "Nothing to be done" in done.stdout


#: module -> rules that run again when it is edited, rules that do not
EDITS = {
    "studies/radical/figures/supplementary1.py": ({"radical_supplementary1"}, {"train", "evaluate", "radical_figure2"}),
    "metrics/held_out.py": ({"score_recording"}, {"train", "simulate", "evaluate"}),
    "metrics/latent_recovery.py": ({"evaluate", "claims"}, {"train", "simulate", "deconvolve"}),
    "simulation/lorenz/lorenz.py": ({"simulate", "train"}, {"import_recording", "deconvolve", "compare_with_spikes"}),
    "models/cross_encoder/network.py": (
        {"train", "score_cross_encoder", "contributions"},
        {"simulate_population", "solvable_network", "roles_benchmark", "evaluate"},
    ),
    "theory/ring.py": ({"solvable_network", "cross_encoder_figure1"}, {"train", "simulate_population"}),
    "models/avae/training.py": (
        {"train", "score_avae", "compare_conditions", "avae_figure6__tauopathy"},
        {"simulate_cultures", "add_noise", "score_cross_encoder"},
    ),
    "models/digital_twin/normalisation.py": (
        {"train", "find_optimal_stimuli", "run_experiments", "find_meis"},
        {"simulate_visual_cortex", "simulate_cultures", "import_recording"},
    ),
    "studies/digital_twin/tuning/tuning_indices.py": (
        {"run_experiments", "digital_twin_recovery"},
        {"train", "find_optimal_stimuli", "find_meis"},
    ),
    "simulation/culture/gcamp6s.py": ({"simulate_cultures", "add_noise"}, {"simulate", "join_recordings"}),
    "models/lfads/decoder.py": ({"train", "evaluate"}, {"simulate", "deconvolve_simulation", "describe_simulation"}),
}


@pytest.fixture
def edited(finished):
    """A function that adds a line to a module, until the end of the test."""
    originals = {}

    def edit(module, line):
        path = finished / "src/calcium_latents" / module
        originals[path] = path.read_text()
        path.write_text(f"{originals[path]}\n{line}\n")

    yield edit
    for path, text in originals.items():
        path.write_text(text)


@pytest.fixture(scope="module")
def rules_from_nothing(finished):
    """The rules of a run from nothing."""
    return set(planned(finished, "--forceall", root=finished))


@pytest.mark.slow
def test_comments_rerun_nothing(finished, edited):
    for module in EDITS:
        edited(module, "# only a comment")
    assert planned(finished, root=finished) == {}


@pytest.mark.slow
@pytest.mark.parametrize("module", EDITS)
def test_editing_a_module_reruns_exactly_what_depends_on_it(finished, edited, rules_from_nothing, module):
    reruns, spares = EDITS[module]
    edited(module, "EDITED = True")
    jobs = set(planned(finished, root=finished))
    if "score_recording" not in rules_from_nothing:
        reruns = reruns - {"score_recording"}  # no real recordings here
    assert reruns <= jobs
    assert not spares & jobs
