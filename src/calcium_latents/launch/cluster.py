"""What a run on a cluster needs before Snakemake can say so itself: the executor's plugin, and the user's account."""

import os
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calcium_latents.configuration.files import read_yaml
from calcium_latents.errors import UserError

BUILT_IN = {"local", "dryrun", "touch"}
EXTRAS = {"slurm"}  # of pyproject.toml: their pins stand in constraints.txt
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
