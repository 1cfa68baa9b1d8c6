"""`./run` as it is in a container: sources that nobody may change, in a folder of any name, and a user without a home.

The folder is filled by what the container's file copies and the command is its entry point, so that both are tried.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from calcium_latents.seeds import generator

ROOT = Path(__file__).resolve().parents[2]
HOME = "/opt/calcium-latents"  # in the container
USER = 12345
#: another user, who may read what root alone may (this environment can lie below root's home), and write nothing
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
AS_USER += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def copied() -> list[str]:
    """Return what the Dockerfile copies."""
    lines = re.findall(r"^COPY (.*) (\S+)$", (ROOT / "envs/Dockerfile").read_text(), re.MULTILINE)
    assert all(into in ("./", names) for names, into in lines)
    return [name for names, _ in lines for name in names.split()]


def test_both_container_files_hold_the_same():
    text = (ROOT / "envs/apptainer.def").read_text()
    files = re.search(r"^%files\n(.*?)^%", text, re.MULTILINE | re.DOTALL)[1]
    assert [line.split() for line in files.splitlines() if line] == [[name, f"{HOME}/"] for name in copied()]
    docker = (ROOT / "envs/Dockerfile").read_text()
    for words in ("python:3.11-slim", "./run --version", "CALCIUM_LATENTS_VENV=/opt/venv"):
        assert words in text and words in docker


def can_be_another() -> bool:
    """Tell whether this user may act as another."""
    try:
        return subprocess.run([*AS_USER, sys.executable, "-c", ""], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def container():
    """A folder of hostile name with sources, an environment, and a place for results; not below pytest's, which is
    closed to other users."""
    if sys.prefix == sys.base_prefix or not can_be_another():
        pytest.skip("needs root, setpriv and a virtual environment")
    above = Path(tempfile.mkdtemp())
    folder = above / "my lab's (copy), $(touch marker) `touch marker`"
    try:
        above.chmod(0o755)
        sources, venv, work = folder / "calcium latents", folder / "venv", folder / "work"
        for path in (sources, venv, work):
            path.mkdir(parents=True)
        for name in copied():
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
            copy = {"ignore": ignore} if (ROOT / name).is_dir() else {}
            (shutil.copytree if copy else shutil.copy)(ROOT / name, sources / name, **copy)
        for path in Path(sys.prefix).iterdir():
            if path.name != "key":
                (venv / path.name).symlink_to(path)
        digest = "{ cat run pyproject.toml constraints.txt; python --version; } | sha256sum | cut -d' ' -f1"
        path = f"{venv}/bin:{os.environ['PATH']}"
        key = subprocess.check_output(["bash", "-c", digest], cwd=sources, env={"PATH": path})
        (venv / "key").write_bytes(key)
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod((path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH) & ~(stat.S_IWGRP | stat.S_IWOTH))
        os.chown(work, USER, USER)
        yield folder
    finally:
        shutil.rmtree(above)


def files(folder):
    """Return all files below a folder."""
    return {path for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.slow
def test_another_user_runs_it_from_sources_that_cannot_be_changed(container):
    sources, work = container / "calcium latents", container / "work"
    traces = 1 + generator(1, "tests", "containers").random((1200, 5))  # 40 s: three chunks of the cross-encoder
    np.save(container / "my recording's traces.npy", traces)
    entry = {
        "file": "my recording's traces.npy",
        "sampling_rate_hz": 30,
        "is_dff": True,
        "orientation": "frames x neurons",
    }
    (container / "my entries.yaml").write_text(json.dumps({"recordings": {"mine": entry}}))
    before = files(container)
    entry_point = json.loads(re.search(r"^ENTRYPOINT (.*)$", (ROOT / "envs/Dockerfile").read_text(), re.MULTILINE)[1])
    command = [word.replace(HOME, str(sources)).replace("/work", str(work)) for word in entry_point]
    targets = [
        "recordings/mine/recording.nc",
        "cross_encoder/spontaneous/reduced_rank_regression/seed-1/output.nc",
        "digital_twin/independent/responses.nc",  # by compiled loops
        "cross_encoder/figures/cross_encoder_figure1.png",
    ]
    settings = ["scale=smoke", f"data_directory={container}", f"recordings_file={container}/my entries.yaml"]
    words = ["--cores", "2", "--config", *settings, "--", *(f"results/smoke/{target}" for target in targets)]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHON": sys.executable,
        "CALCIUM_LATENTS_VENV": str(container / "venv"),
    }
    done = subprocess.run(
        [*AS_USER, *command, *words],
        cwd="/",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-5000:]}"
    for target in targets:
        assert (work / "results/smoke" / target).stat().st_uid == USER
    new = files(container) - before
    assert new and all(path.is_relative_to(work) for path in new)
    for cache in ("matplotlib", "calcium-latents"):
        assert any(path.is_relative_to(work / ".snakemake/caches" / cache) for path in new)
    assert not list(container.rglob("marker"))
