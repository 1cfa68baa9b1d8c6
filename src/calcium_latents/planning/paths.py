"""Paths that Snakemake itself cannot take, said before anything runs."""

from pathlib import Path
from typing import Any

from calcium_latents.errors import UserError

#: What the commands by which Snakemake makes and enters conda environments do not quote.
UNQUOTED = set("'\"$`\\")


def require_no_braces(place: str, path: str | None) -> None:
    """Raise a UserError, which names `place`, where Snakemake would look for wildcards in a path."""
    if path is not None and set(path) & set("{}"):
        raise UserError(
            f"{place}: expected a path without {{ and }}, in which Snakemake looks for wildcards, found {path!r}."
            " Rename it, or make a link to it and name that."
        )


def require_conda_folder(deployment: Any) -> None:
    """Raise a UserError where conda environments are asked for in a folder that Snakemake cannot enter.

    `deployment` is Snakemake's settings of that: deployment_method, conda_prefix.
    """
    folder = Path(deployment.conda_prefix or ".snakemake/conda").absolute()
    asked = any(method.name == "CONDA" for method in deployment.deployment_method)
    if asked and set(str(folder)) & UNQUOTED:
        raise UserError(
            f"--sdm conda: expected a folder of environments without any of {' '.join(sorted(UNQUOTED))} in its name,"
            f" which Snakemake does not quote, found {folder}. Add --conda-prefix FOLDER, of another name."
        )
