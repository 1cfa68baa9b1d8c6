"""Studies and their figures, found by where they stand: a folder of `calcium_latents.studies`, a module each.

Constants of modules that are slow to import (figures, claims) are read without importing them.
"""

import ast
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.kept import Kept, digest_of
from calcium_latents.provenance import PACKAGE, SOURCE

FOLDER = SOURCE / PACKAGE / "studies"


@cache
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
    - `deconvolution_options(plan, dataset)`: of the dataset's deconvolution (default: those of the study's section);
    - `targets(plan)`: files beside figures that the workflow makes;
    - `at_the_end(plan)`: lines to print when a run has ended well;
    - `check(plan)`: raises UserError where the configuration cannot be meant;
    - `check_data(plan)`: the same of what files say, and of how sizes of data and models fit; asked once, when a
      workflow is planned.
    """
    return import_module(f"{PACKAGE}.studies.{study}.study")


def labels() -> dict[str, tuple[str, str, str]]:
    """Return method -> (label, name of the colour, marker) of all studies."""
    said = [constants(FOLDER / study / "study.py").get("LABELS", {}) for study in studies()]
    return {name: look for looks in said for name, look in looks.items()}


@cache
def figure_modules() -> dict[str, tuple[str, str]]:
    """Return figure -> (study, module). A figure is a module of a study's folder `figures` that draws.

    It is named as the study and the module, or as the module alone where that begins with the study's name.
    """
    found = {}
    for study in studies():
        for path in sorted((FOLDER / study / "figures").glob("*.py")):
            if _is_figure(path):
                own = path.stem == study or path.stem.startswith(f"{study}_")
                name = path.stem if own else f"{study}_{path.stem}"
                if name in found:
                    raise UserError(f"{path}: expected a name of its own, found another figure {name!r}.")
                found[name] = (study, f"{PACKAGE}.studies.{study}.figures.{path.stem}")
    return found


def has_table(module: str) -> bool:
    """Return whether a figure module makes a table of its numbers, with a function `tabulate`."""
    return "tabulate" in _functions(_file(module))


def _is_figure(path: Path) -> bool:
    """Return whether a module is a figure. Raises UserError where it draws, but does not say of what."""
    if "draw" not in _functions(path):
        return False
    inputs = constants(path).get("INPUTS")
    if not (isinstance(inputs, dict) and all(isinstance(text, str) for text in inputs.values())):
        raise UserError(
            f"{path}, INPUTS: expected a literal mapping of inputs to patterns of files, found {inputs!r}."
            ' For example: INPUTS = {"scores": "{run}/scores.csv"}'
        )
    return True


def _functions(path: Path) -> list[str]:
    return _said(path)[0]


def with_claims() -> list[str]:
    """Return the studies of papers that make claims."""
    return [study for study in studies() if (FOLDER / study / "claims.py").is_file()]


def claim_tables(study: str) -> Mapping[str, str]:
    """Return table -> pattern of its files, of the claims of a study; empty for a study without claims."""
    return constants(FOLDER / study / "claims.py").get("TABLES", {}) if study in with_claims() else {}


def module_constants(module: str) -> dict[str, Any]:
    """Return the constants of a module of this package, by its dotted name."""
    return constants(_file(module))


def _file(module: str) -> Path:
    return SOURCE.joinpath(*module.split(".")).with_suffix(".py")


@cache
def constants(path: Path) -> dict[str, Any]:
    """Return name -> value of a module's top-level assignments that are literals."""
    return {name: ast.literal_eval(text) for name, text in _said(path)[1].items()}


#: Functions and constants by the bytes of a module: figures and claims are many, and parsing them takes half a second.
_SAID = Kept("constants.json")


@cache
def _said(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return a module's top-level functions, and its constants as Python writes them."""
    data = path.read_bytes()
    return _SAID.get(digest_of(str(path), data), lambda: _parsed(path, data))


def _parsed(path: Path, data: bytes) -> tuple[list[str], dict[str, str]]:
    try:
        body = ast.parse(data, filename=str(path)).body
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: expected Python, found {error.msg}.") from None
    found = {}
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value and isinstance(targets[0], ast.Name):
            try:
                found[targets[0].id] = repr(ast.literal_eval(statement.value))
            except ValueError:
                continue
    return [node.name for node in body if isinstance(node, ast.FunctionDef)], found
