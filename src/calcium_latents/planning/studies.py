"""Studies and their figures, found by where they stand: a folder of `calcium_latents.studies`, a module each.

Constants of modules that are slow to import (figures, claims) are read without importing them.
"""

import ast
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from calcium_latents.provenance import PACKAGE, SOURCE

FOLDER = SOURCE / PACKAGE / "studies"


@lru_cache(maxsize=1)
def studies() -> tuple[str, ...]:
    """Return the names of all studies: folders with a description, study.py."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/study.py")))


def description(study: str) -> ModuleType:
    """Return the module `study.py` of a study. It may have, and most studies have few of them:

    - `LABELS`: method -> (label, colour, marker), in the order of legends; a literal;
    - `TRAINED_ON`: the file of a dataset that models are trained on (default: events.nc);
    - `groups(plan)`: group -> names of datasets, or key -> folder below the study's, for inputs of figures and claims;
    - `datasets(plan)`: names of the datasets that take part (default: the field `run` of the study's section);
    - `overrides(plan, dataset)`: Hydra's overrides for all models on a dataset (default: those of its entry);
    - `targets(plan)`: files beside figures that the workflow makes;
    - `check(plan)`: raises UserError where the configuration cannot be meant.
    """
    return import_module(f"{PACKAGE}.studies.{study}.study")


def labels() -> dict[str, tuple[str, str, str]]:
    """Return method -> (label, name of the colour, marker) of all studies."""
    said = [constants(FOLDER / study / "study.py").get("LABELS", {}) for study in studies()]
    return {name: look for looks in said for name, look in looks.items()}


@lru_cache(maxsize=1)
def figure_modules() -> dict[str, tuple[str, str]]:
    """Return figure -> (study, module). A figure is a module of a study's folder `figures` that has INPUTS.

    It is named as the study and the module, or as the module alone where that begins with the study's name.
    """
    found = {}
    for study in studies():
        for path in sorted((FOLDER / study / "figures").glob("*.py")):
            if "INPUTS" in constants(path):
                name = path.stem if path.stem.startswith(study) else f"{study}_{path.stem}"
                found[name] = (study, f"{PACKAGE}.studies.{study}.figures.{path.stem}")
    return found


def has_table(module: str) -> bool:
    """Return whether a figure module makes a table of its numbers, with a function `tabulate`."""
    tree = ast.parse(_file(module).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "tabulate" for node in tree.body)


def with_claims() -> list[str]:
    """Return the studies of papers that make claims."""
    return [study for study in studies() if (FOLDER / study / "claims.py").is_file()]


def claim_tables(study: str) -> Mapping[str, str]:
    """Return table -> pattern of its files, of the claims of a study; empty for a study without claims."""
    return constants(FOLDER / study / "claims.py")["TABLES"] if study in with_claims() else {}


def module_constants(module: str) -> dict[str, Any]:
    """Return the constants of a module of this package, by its dotted name."""
    return constants(_file(module))


def _file(module: str) -> Path:
    return SOURCE.joinpath(*module.split(".")).with_suffix(".py")


@cache
def constants(path: Path) -> dict[str, Any]:
    """Return name -> value of a module's top-level assignments that are literals."""
    found = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
            except ValueError:
                continue
    return found
