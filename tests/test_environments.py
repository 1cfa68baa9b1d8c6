"""Conda's environments hold what their rules import, in the versions that are tested together."""

import ast
import re
import sys
import tomllib
from functools import cache

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from calcium_latents.commands.simulate import SIMULATORS
from calcium_latents.planning.studies import figure_modules
from calcium_latents.provenance import PACKAGE, SOURCE, import_closure

ROOT = SOURCE.parent
PYTHON = "3.11"
#: conda-forge's names -> those of PyPI
PYPI = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
#: names to import -> those of PyPI
PACKAGES = {"yaml": "pyyaml", "sklearn": "scikit-learn", "skimage": "scikit-image"}
PACKAGES |= {"hydra": "hydra-core", "pytorch_lightning": "pytorch-lightning"}
PACKAGES |= {"pydantic_core": "pydantic", "hdmf": "pynwb"}  # which bring them
#: of one environment, only where it is installed, only for types
UNLISTED = {"caiman", "zarr", "_typeshed"}
#: what xarray writes netCDF by
ENGINES = {"h5netcdf", "h5py"}
#: what rules call an environment -> its file
FILES = {"BASE_ENVIRONMENT": "base", "TRAINING_ENVIRONMENT": "training"}
#: conda's own versions in caiman.yaml, for the reasons that stand there
CAIMANS = {"caiman", "scipy"}


def constraints():
    """Return package -> version of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {name.lower(): version for name, version in (line.split("==") for line in lines if "==" in line)}


def environment(name):
    """Return package, as PyPI calls it -> version ("" where none is asked for) of an environment."""
    found = {}
    for entry in yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            package, version = re.fullmatch(r"([\w-]+)(?: =|==)?(\S*)", text).groups()
            found[PYPI.get(package, package)] = version
    return found


NAMES = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_versions_are_those_that_are_tested(name):
    pins, tested = environment(name), constraints()
    assert pins.pop("python") == PYTHON
    pins.pop("pip", None)
    own = CAIMANS if name == "caiman" else set()
    assert own <= set(pins)
    assert {package: version for package, version in pins.items() if package not in own} == {
        package: tested.get(package) for package in pins if package not in own
    }


#: what conda-forge's recipes ask for: caiman 1.13.2 (build 0), scipy 1.15.2
RECIPES = {"numpy": ">=2.0.0,<2.5", "scipy": ">=1.10.1", "h5py": ">=2.10.0", "python": ">=3.10,<3.14"}


def test_caimans_environment_is_one_that_its_recipe_allows():
    pins = environment("caiman")
    assert (pins["caiman"], pins["scipy"]) == ("1.13.2", "1.15.2")
    assert all(version in SpecifierSet(allowed) for name, allowed in RECIPES.items() for version in [pins[name]])


@cache
def imports(module):
    """Return the first parts of the names that a module of this package imports."""
    path = SOURCE.joinpath(*module.split("."))
    path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        found |= {name.split(".")[0] for name in names}
    return found


def imported(modules):
    """Return the packages that modules of this package import, directly or not, as PyPI calls them."""
    found = set().union(*map(imports, import_closure(modules)))
    return {PACKAGES.get(name, name) for name in found - set(sys.stdlib_module_names) - {PACKAGE} - UNLISTED}


def rules():
    """Yield (environment's name, modules that a rule's command runs), of all rules."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in re.split(r"^[ ]*rule(?= \w+:|:)", path.read_text(), flags=re.MULTILINE)[1:]:
            module = re.search(rf"python -m ({PACKAGE}[\w.]+)", block)[1]
            named = re.search(r"^ *conda:\n *(.*)$", block, re.MULTILINE)
            if named and "deconvolution_environment" in named[1]:  # by method
                yield "base", [module, f"{PACKAGE}.deconvolution.oasis"]
                yield "caiman", [module, f"{PACKAGE}.deconvolution.caiman"]
            else:
                yield FILES[named[1]] if named else "base", [module, *by_name(module)]


def by_name(module):
    """Return modules that a command imports by names in its words or its configuration."""
    command = module.removeprefix(f"{PACKAGE}.commands.")
    if command == "figure":
        return [figure for _, figure in figure_modules().values()]
    if command == "simulate":
        return list(SIMULATORS.values())
    if command in ("train", "search_worker"):
        texts = [path.read_text() for path in (ROOT / "config").glob("*/*.yaml")]
        return sorted({name for text in texts for name in re.findall(rf"_target_: ({PACKAGE}[\w.]+)\.\w+", text)})
    return []


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_has_what_its_rules_import_and_nothing_else(name):
    needed = set().union(*(imported(modules) for place, modules in rules() if place == name))
    assert len(needed) > 5
    assert set(environment(name)) - {"python", "pip", "caiman"} == needed | ENGINES


def test_environments_have_all_that_the_package_depends_on():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    packages = {re.match(r"[\w-]+", text)[0] for text in declared}
    held = set().union(*(environment(name) for name in NAMES)) - {"python", "pip", "caiman"}
    assert held == packages - {"snakemake", "psutil"}  # which ./run needs, and no rule


def test_containers_have_the_python_of_the_constraints():
    for name in ("Dockerfile", "apptainer.def"):
        assert f"python:{PYTHON}-slim" in (ROOT / "envs" / name).read_text()
    assert f"Python {PYTHON}" in (ROOT / "constraints.txt").read_text()
