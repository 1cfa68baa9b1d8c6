"""What a user names reaches every command as it stands, whatever its characters."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from forked_python import forked_python

ROOT = Path(__file__).resolve().parents[2]
#: words that the shell would split, expand, or run: a file marker-* would appear
HOSTILE = """it's "x" $(touch marker-a) `touch marker-b`;touch marker-c&touch marker-d>marker-e *?[x] \\ ~ # !x, $0"""
STUB = '#!/bin/sh\nfor word in "$@"; do printf \'%s\\0\' "$word"; done >"$RECORD"\n'


def named(what):
    """Return a hostile name whose end shows, too."""
    return f"[{what}] {HOSTILE} end"


FOLDER, FILE, TRIALS, BEHAVIOUR, OFFSETS, KEY, NEUROPIL = map(
    named, ("folder", "file", "trials", "behaviour", "offsets", "key", "neuropil")
)
SPIKES, IMAGES, IMAGE_FILE, IMAGE_KEY = map(named, ("spikes", "images", "image file", "image key"))
LABEL, NETWORK_LABEL, TWIN_LABEL, CONDITION = map(named, ("{label}", "{dataset}", "{", "}"))
PLANTED = [value for name, value in list(globals().items()) if name.isupper() and str(value).endswith(" end")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder of hostile name with files of hostile names and the configuration that names them."""
    folder = tmp_path_factory.mktemp("quoting") / "my lab's (copy)"
    data = folder / FOLDER
    for name in (f"spike_ground_truth/{SPIKES}", IMAGES):
        (data / name).mkdir(parents=True)
    (data / f"spike_ground_truth/{SPIKES}/{SPIKES}.mat").touch()
    with h5py.File(data / f"{FILE}.h5", "w") as file:
        for name in (KEY, NEUROPIL):
            file[name] = np.zeros((1200, 20))  # frames x neurons, 40 s: three chunks of the cross-encoder
    np.save(data / f"{OFFSETS}.npy", np.zeros(20))
    twin = {"images": np.zeros((6, 4, 4)), "responses": np.zeros((12, 3)), "image_of_trial": np.arange(12) % 6}
    np.savez(data / IMAGES / f"{IMAGE_FILE}.npz", **{f"{name} {IMAGE_KEY}": array for name, array in twin.items()})
    (data / f"{TRIALS}.csv").write_text("start_s,condition\n1.0,a\n1.5,a\n")
    (data / f"{BEHAVIOUR}.csv").write_text("time_s,running_speed_cm_s\n0,1\n40,2\n")
    entry = {
        "file": f"{FILE}.h5",
        "key": KEY,
        "sampling_rate_hz": 30,
        "is_dff": False,
        "neuropil": {"key": NEUROPIL},
        "trials": f"{TRIALS}.csv",
        "behaviour": f"{BEHAVIOUR}.csv",
        "sample_offsets": f"{OFFSETS}.npy",
    }
    responses = {**entry, "response_window_s": 0.1, "studies": ["cross_encoder", "recordings"]}
    recordings = folder / f"{named('entries')}.yaml"
    recordings.write_text(yaml.safe_dump({"recordings": {"one": entry, "two": responses}}))
    config = {
        "scale": "smoke",
        "data_directory": str(data),
        "recordings_file": str(recordings),
        "avae": {
            "run": ["noise-1", "joined"],
            "datasets": {
                "noise-1": {"label": " "},
                "joined": {"label": LABEL, "recordings": {CONDITION: ["one"]}, "conditions": True},
            },
        },
        "cross_encoder": {"datasets": {"spontaneous": {"label": NETWORK_LABEL}}},
        "digital_twin": {
            "run": ["independent", "mine"],
            "datasets": {
                "independent": {"label": "--seed"},
                "mine": {
                    "label": TWIN_LABEL,
                    "folder": IMAGES,
                    "recording": {n: {"file": f"{IMAGE_FILE}.npz", "key": f"{n} {IMAGE_KEY}"} for n in twin},
                },
            },
        },
        "recordings": {"models": {"radical": {"search": "pbt", "overrides": ["search.jobs=2"]}}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def snakemake(folder, *arguments, root=ROOT, path=()):
    """Run Snakemake in `folder`."""
    places = [*map(str, path), str(Path(sys.executable).parent), os.environ["PATH"]]
    command = [forked_python(), "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), *arguments]
    environment = os.environ | {"PATH": os.pathsep.join(places)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def commands(workplace):
    """Rule -> the commands of its jobs."""
    done = snakemake(workplace, "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in re.findall("^Shell command: (begin_job .*)$", done.stdout + done.stderr, re.MULTILINE):
        found.setdefault(line.split()[1], []).append(line.replace("<TBD>", "1"))  # known when the job's input is there
    return found


def log_of(command):
    """Return the file that a command writes its log to."""
    return Path(re.match(r"begin_job (?:\w+ ){4}(results/\S*\.log); ", command)[1])


@pytest.fixture(scope="module")
def words(workplace, commands, tmp_path_factory):
    """Rule -> the words that each of its commands hands to Python: bash runs them, with a `python` that notes them."""
    folder = tmp_path_factory.mktemp("stub")
    stub, record = folder / "python", folder / "record"
    stub.write_text(STUB)
    stub.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "RECORD": str(record), "HOME": str(folder)}
    found = {}
    for rule, lines in commands.items():
        for line in lines:
            log = workplace / log_of(line)
            log.parent.mkdir(parents=True, exist_ok=True)
            record.unlink(missing_ok=True)
            done = subprocess.run(
                ["bash", "-c", f"set -euo pipefail; source {shlex.quote(str(ROOT / 'workflow/job.sh'))}; {line}"],
                cwd=workplace,
                env=environment,
                capture_output=True,
                text=True,
            )
            said = log.read_text().splitlines()
            assert done.returncode == 0 and not done.stderr and len(said) == 1, (rule, line, done.stderr, said)
            found.setdefault(rule, []).append(record.read_text().split("\0")[:-1])
    return found


def test_all_rules_are_tried(workplace, commands):
    done = snakemake(workplace, "--list-rules")
    assert set(commands) == set(done.stdout.split()) - {"all"}


def test_every_word_arrives_whole(words):
    seen = set()
    for rule, jobs in words.items():
        for job in jobs:
            assert job[:1] == ["-m"] and job[1].startswith("calcium_latents."), rule
            for word in job:
                rest = word
                for planted in PLANTED:
                    for form in (planted, json.dumps(planted)[1:-1]):
                        seen |= {planted} if form in rest else set()
                        rest = rest.replace(form, "")
                assert "marker" not in rest and "touch" not in rest, (rule, word)
    assert seen == set(PLANTED)


def test_nothing_that_was_named_is_run(workplace, words):
    assert words and not list(workplace.glob("**/marker*"))


@pytest.mark.parametrize(
    ("rule", "option", "ending"),
    [
        ("import_recording", "--base-directory", f"/{FOLDER}"),
        ("cut_windows", "--base-directory", f"/{FOLDER}"),
        ("compare_with_spikes", "--file", f"/{FOLDER}/spike_ground_truth/{SPIKES}/{SPIKES}.mat"),
        ("import_image_responses", "--folder", f"/{FOLDER}/{IMAGES}"),
        ("resample_recording", "--trials", f"/{FOLDER}/{TRIALS}.csv"),
    ],
)
def test_a_path_is_the_word_after_its_option(words, rule, option, ending):
    after = [job[job.index(option) + 1] for job in words[rule] if option in job]
    assert after and all(word.endswith(ending) for word in after)


@pytest.mark.parametrize(("rule", "label"), [("add_noise", " "), ("simulate_visual_cortex", "--seed")])
def test_a_label_may_be_blank_or_look_like_an_option(words, rule, label):
    assert all(f"--label={label}" in job for job in words[rule])
