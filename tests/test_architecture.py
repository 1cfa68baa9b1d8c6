"""Imports point one way: the arrows of the house, read from the imports themselves."""

import ast
from functools import cache
from pathlib import Path

import pytest

from calcium_latents.configuration.loading import study_names
from calcium_latents.planning.studies import figure_modules, has_table, studies
from calcium_latents.provenance import PACKAGE, SOURCE


def words(text: str) -> set[str]:
    """Return the words of a text."""
    return set(text.split())


#: Room -> the rooms that it may import. Modules of the package itself (errors, files, seeds, ...) are everybody's.
BASE = words(
    "accelerator compiling errors files hydra_words kept parameter_section processes progress provenance"
    " recording_formats seeds unfailing_file"
)
LOW = {"recordings", "distributions", "theory"}
ARROWS: dict[str, set[str]] = {
    "distributions": set(),
    "theory": set(),
    "recordings": {"distributions"},
    "simulation": LOW,
    "deconvolution": LOW,
    "statistics": LOW,
    "metrics": LOW | {"statistics"},
    "configuration": {"deconvolution"},  # what may be said of its methods
    "planning": {"configuration", "models", "search", "training", "recordings"},  # settings and headers
    "training": LOW,
    "models": LOW | {"training"},
    "search": LOW | {"training", "models"},
    "claims": LOW | {"configuration", "statistics", "metrics", "planning"},
    "figures": LOW | {"statistics", "metrics", "planning"},
    "launch": {"configuration", "planning"},
    "commands": LOW
    | words("claims configuration deconvolution figures launch metrics planning search simulation training"),
    "studies": LOW
    | words(
        "claims commands configuration deconvolution figures metrics models planning simulation statistics training"
    ),
}


def room(module: str) -> str:
    """Return the folder of the package that a module stands in, or its own name."""
    return module.split(".")[1] if "." in module else ""


def imports():
    """Yield (importing module, imported module) of the whole package."""
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                yield from ((name, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names if alias.name.split(".")[0] == PACKAGE)


def test_every_room_is_known():
    rooms = {path.name for path in (SOURCE / PACKAGE).iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms - BASE == set(ARROWS)


def test_imports_point_one_way():
    wrong = [
        (one, other)
        for one, other in imports()
        if room(one) in ARROWS and room(other) not in ARROWS[room(one)] | BASE | {room(one), "__version__"}
    ]
    assert not wrong


def test_what_all_use_imports_no_room():
    assert not [(one, other) for one, other in imports() if room(one) in BASE and room(other) not in BASE]


def test_no_study_imports_another():
    def study(module):
        return module.split(".")[2] if room(module) == "studies" and module.count(".") > 1 else None

    pairs = {(study(one), study(other)) for one, other in imports() if study(one) and study(other)}
    assert pairs and all(one == other for one, other in pairs)


def test_rooms_that_depend_on_each_other_do_not_go_in_circles():
    waiting = {name: set(others) for name, others in ARROWS.items()}
    while waiting:
        free = {name for name, others in waiting.items() if not others & set(waiting)}
        assert free, f"a circle among {sorted(waiting)}"
        waiting = {name: others for name, others in waiting.items() if name not in free}


#: What makes intervals, tests and fits. A figure's numbers are made in `tabulate`, so that they stand in a table.
COMPUTING = ("calcium_latents.statistics.", "scipy.stats.", "scipy.optimize.", "sklearn.")
ARRANGING = {"scipy.optimize.linear_sum_assignment"}  # of pictures on the page


@cache
def parsed(module: str) -> tuple[dict[str, ast.AST], dict[str, str]]:
    """Return the functions and classes of a module of this package, and name -> what it was imported from."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse((path if path.is_file() else path.with_suffix("") / "__init__.py").read_text())
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name.split(".")[0]: alias.name + "." for alias in node.names}
    return {node.name: node for node in tree.body if hasattr(node, "name")}, imported


def reached_from(module: str, function: str) -> set[str]:
    """Return what a function uses, directly or through functions of this package, by dotted names."""
    reached, waiting = set(), [(module, function)]
    while waiting:
        module, function = waiting.pop()
        functions, imported = parsed(module)
        for node in ast.walk(functions[function]) if function in functions else ():
            if isinstance(node, ast.Name):
                target = f"{module}.{node.id}" if node.id in functions else imported.get(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
                target = f"{imported[node.value.id].rstrip('.')}.{node.attr}"
            else:
                continue
            if target and target not in reached:
                reached.add(target)
                home, _, name = target.rpartition(".")
                if target.startswith(PACKAGE) and is_module(home):
                    waiting.append((home, name))
    return reached


def is_constant(name: str) -> bool:
    """Return whether a dotted name ends with one in capitals."""
    return name.rpartition(".")[2].isupper()


def is_module(name: str) -> bool:
    """Return whether this package has a module of that name."""
    path = SOURCE.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("figure", sorted(figure_modules()))
def test_drawing_computes_nothing(figure):
    used = reached_from(figure_modules()[figure][1], "draw")
    assert not {name for name in used if name.startswith(COMPUTING) and name not in ARRANGING and not is_constant(name)}


def test_what_tabulates_is_seen_to_compute():
    """The check above would see it."""
    with_numbers = [module for _, module in figure_modules().values() if has_table(module)]
    assert any(name.startswith(COMPUTING) for module in with_numbers for name in reached_from(module, "tabulate"))


def test_files_have_one_idea_each():
    long = [path for path in Path(SOURCE / PACKAGE).rglob("*.py") if len(path.read_text().splitlines()) > 400]
    rules = SOURCE.parent / "workflow/rules"
    long += [path for path in rules.glob("*.smk") if len(path.read_text().splitlines()) > 300]
    assert not long and len((rules / "common.smk").read_text().splitlines()) <= 250


def test_all_studies_have_what_a_study_has():
    root = SOURCE.parent
    assert list(studies()) == study_names()  # study.py and parameters.py
    for study in studies():
        for path in (f"workflow/rules/{study}.smk", f"config/scale/paper/{study}.yaml"):
            assert (root / path).is_file(), path
