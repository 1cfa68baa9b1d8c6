"""What a run on a cluster needs beside Snakemake: an installed executor, an account, and no jobs of a killed run."""

import os
import shutil
import subprocess
import time
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calcium_latents.configuration.files import read_yaml
from calcium_latents.errors import UserError

BUILT_IN = {"local", "dryrun", "touch"}
EXTRAS = {"slurm"}  # of pyproject.toml: their pins stand in constraints.txt
CANCELLED_WITHIN_S = 120.0  # SLURM gives jobs some time (KillWait) to end by themselves
PLACEHOLDER = "your_account"  # in profiles/slurm/config.yaml


def require_executor(arguments: Iterable[str]) -> None:
    """Raise UserError where the executor that Snakemake's `arguments` or their profiles name is not installed.

    Snakemake itself would say that options of the profile are unknown.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--executor", "-e", default=None)
    parser.add_argument("--profile", "--workflow-profile", nargs="+", action="extend", default=[])
    try:
        named, _ = parser.parse_known_args(arguments)
    except ArgumentError:  # Snakemake says it better
        return
    executors = [(named.executor, "--executor")]
    for profile in [*named.profile, *filter(None, [os.environ.get("SNAKEMAKE_PROFILE")])]:
        for file in (Path(profile), Path(profile) / "config.yaml", Path("profiles") / profile / "config.yaml"):
            if file.is_file():
                executors.append((read_yaml(file).get("executor"), str(file)))
                break
    for executor, place in executors:
        if executor is None or executor in BUILT_IN:
            continue
        plugin = f"snakemake-executor-plugin-{executor}"
        if find_spec(plugin.replace("-", "_")) is None:
            install = f"`./run install {executor}`" if executor in EXTRAS else f"`.venv/bin/pip install {plugin}`"
            raise UserError(
                f"{place}: executor: expected an installed one, found {executor!r}, whose plugin ({plugin}) is not"
                f" installed. Install it by {install}."
            )


def require_account(parsed: Any) -> None:
    """Raise UserError where jobs would be submitted to the account that the profile has for a placeholder.

    Args:
        parsed: Snakemake's own reading of its arguments and profiles.
    """
    if parsed.executor != "slurm" or parsed.dryrun or "slurm_account" not in (parsed.default_resources or {}):
        return
    if parsed.default_resources["slurm_account"].raw == PLACEHOLDER:
        profiles = ", ".join(f"{profile}/config.yaml" for profile in parsed.profile or []) or "--default-resources"
        raise UserError(
            f"{profiles}: slurm_account: expected your account on the cluster, found the placeholder {PLACEHOLDER!r}."
            " Name it there, or remove the line where jobs need none (`sacctmgr show associations user=$USER` lists"
            " yours)."
        )


def cancel_jobs(folder: Path) -> int:
    """Cancel the jobs that Snakemake has submitted to SLURM from `folder`, and return how many, when they have ended.

    SLURM goes on with the jobs of a Snakemake that was killed, and they would write what the next one's jobs write. The
    job that this process is part of, if any, stays.
    """
    if shutil.which("squeue") is None:
        return 0
    found = []
    for line in _squeue("--format=%i|%k|%Z").splitlines():
        number, comment, directory = line.split("|", 2)
        if comment.startswith("rule_") and number != os.environ.get("SLURM_JOB_ID") and _same(directory, folder):
            found.append(number)
    if found:
        subprocess.run(["scancel", *found], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + CANCELLED_WITHIN_S
        while _squeue("--format=%i", f"--jobs={','.join(found)}").strip() and time.monotonic() < deadline:
            time.sleep(1.0)
    return len(found)


def _squeue(*options: str) -> str:
    return subprocess.run(
        ["squeue", "--me", "--noheader", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout


def _same(directory: str, folder: Path) -> bool:
    try:
        return os.path.samefile(directory, folder)
    except OSError:  # a folder of another machine
        return False
