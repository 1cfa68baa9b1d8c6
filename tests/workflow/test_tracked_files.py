"""Whatever a user does to a file that is read, what was made of it is made again: asked of the real Snakefile.

What rules run is replaced by an empty command, so that only Snakemake's decisions are tried.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from forked_python import forked_python
from test_snakefile import ROOT
from user_files import smooth_traces, suite2p_folder

#: Writes empty files in place of the results.
NOTHING = '#!/bin/bash\nwhile [ $# -gt 0 ]; do [ "$1" = --output ] && touch "$2"; shift; done; true\n'
YEAR_S = 365 * 24 * 3600


def older(path: Path) -> None:
    """Replace a file by one of the same size, another value at its end, with an older time stamp, as rsync -a and cp -p
    do."""
    *before, last = path.read_bytes()
    path.write_bytes(bytes([*before, last ^ 1]))
    made_older(path)


def made_older(path: Path) -> None:
    """Give a file the time stamp of a year ago."""
    stamp = path.stat().st_mtime - YEAR_S
    os.utime(path, (stamp, stamp))


def cells_rewritten(folder: Path) -> None:
    """Curate: six of the seven cells are none, of an older time stamp."""
    cells = np.load(folder / "plane0/iscell.npy")
    np.save(folder / "plane0/iscell.npy", cells * [0, 1])
    made_older(folder / "plane0/iscell.npy")


def second_plane(folder: Path) -> None:
    """Combine two planes, all files of an older time stamp."""
    for name in ("plane1", "combined"):
        shutil.copytree(folder / "plane0", folder / name)
        for path in (folder / name).iterdir():
            made_older(path)


#: What happens to a recording's folder of suite2p; the first is left alone.
CHANGES = {
    "untouched": lambda folder: None,
    "touched": lambda folder: (folder / "plane0/notes.txt").touch(),
    "rewritten": cells_rewritten,
    "deleted": lambda folder: (folder / "plane0/iscell.npy").unlink(),
    "added": second_plane,
}


ONE = {"file": "~/a.npy", "sampling_rate_hz": 30, "is_dff": True, "studies": []}
#: Recordings of one file, each with one of their own that is replaced.
ENTRIES = {
    "file": ONE | {"file": "~/own/file.npy"},
    "behaviour": ONE | {"behaviour": "~/own/behaviour.csv"},
    "offsets": ONE | {"sample_offsets": "~/own/offsets.npy"},
    "trials": ONE | {"trials": "~/own/trials.csv", "studies": ["recordings"]},
}
IMAGES = {
    "training_images": "untouched/plane0/F.npy",
    "training_responses": ["untouched/plane0/F.npy"],
    "test_images": {"file": "~/own/images.npy"},
    "test_responses": {"file": "untouched/plane0/F.npy"},
}
STUDIES = {
    "studies": ["recordings", "spike_ground_truth", "digital_twin"],
    "digital_twin": {
        "run": ["mine"],
        "datasets": {"mine": {"label": "mine", "folder": "~/", "recording": IMAGES, "in_silico": False}},
    },
}


@pytest.fixture
def workflow(tmp_path):
    """A user's files in a home, and a function that runs Snakemake on them and returns which jobs it ran or would."""
    home, data, programs = tmp_path / "home", tmp_path / "data", tmp_path / "programs"
    for name in CHANGES:
        suite2p_folder(home / name / "plane0", smooth_traces())
    own = [home / "own" / name for name in ("file.npy", "behaviour.csv", "offsets.npy", "trials.csv", "images.npy")]
    truth = [data / "spike_ground_truth" / name for name in ("DS1/a.mat", "DS1/b.mat", "DS2/c.mat")]
    for path in (home / "a.npy", *own, *truth):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"123")
    for path in (home / "a.npy", own[0]):
        np.save(path, smooth_traces())
    own[1].write_text("time_s,running_speed_cm_s\n0,1\n13,1")
    np.save(own[2], np.zeros(7))
    own[3].write_text("start_s,condition\n1,1\n3,1")
    programs.mkdir()
    (programs / "python").write_text(NOTHING)
    (programs / "python").chmod(0o755)
    entries = {name: {"file": f"~/{name}", "studies": []} for name in CHANGES} | ENTRIES
    (tmp_path / "mine.yaml").write_text(json.dumps({"recordings": entries}))
    targets = [f"recordings/{name}/recording.nc" for name in entries] + ["recordings/trials/events.nc"]
    targets += ["spike_ground_truth/spike_inference.csv", "digital_twin/mine/responses.nc"]

    def run(*options):
        command = [forked_python(), "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
        command += [*options, "--directory", str(tmp_path), "--config", "scale=smoke", f"data_directory={data}"]
        command += [f"recordings_file={tmp_path}/mine.yaml", *(f"{key}={json.dumps(STUDIES[key])}" for key in STUDIES)]
        environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
        done = subprocess.run(
            [*command, "--", *(f"results/smoke/{target}" for target in targets)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return set(re.findall(r"^Job \d+: (.*)$", done.stdout, re.MULTILINE))

    run.home, run.replaced = home, [*own, truth[1]]
    return run


@pytest.mark.slow
def test_what_is_made_of_a_file_is_made_again_when_it_changes(workflow):
    made = {f"Import {name}" for name in (*CHANGES, *ENTRIES)}
    made |= {"Compare events with real spikes", "Import responses to images: mine", "Cut trials into trials"}
    assert workflow() >= made
    assert workflow("--dry-run") == set()
    for name, change in CHANGES.items():
        change(workflow.home / name)
    for path in workflow.replaced:
        older(path)
    assert workflow("--dry-run") == made - {"Import untouched", "Import touched", "Import trials"}
