"""Digests change with exactly the code and the configuration that a result depends on."""

import json
import os
import time

import pytest

from calcium_latents.provenance import (
    MOST_READ,
    code_digest,
    config_digest,
    files_digest,
    import_closure,
    provenance,
)

FILES = {
    "__init__.py": '"""Package."""\n',
    "commands/__init__.py": "",
    "commands/simulate.py": "from calcium_latents.lab import grow\n",
    "commands/figure.py": "def main():\n    from ..plots import draw\n",
    "lab/__init__.py": '"""Lab."""\nfrom calcium_latents.lab.growth import grow\nfrom .decay import shrink\n',
    "lab/growth.py": "from . import constants\n\ndef grow(x):\n    return x * constants.RATE\n",
    "lab/constants.py": "RATE = 2\n",
    "lab/decay.py": "def shrink(x):\n    return x / 2\n",
    "plots.py": "import calcium_latents.lab.decay\n\ndef draw():\n    pass\n",
    "typed.py": "if TYPE_CHECKING:\n    from .plots import draw\nelse:\n    from .lab import constants\n",
    "busy/__init__.py": "print('at work')\n",
    "busy/inner.py": "x = 1\n",
}


@pytest.fixture
def source(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "calcium_latents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def closure(source, module):
    return {name.removeprefix("calcium_latents.") for name in import_closure([f"calcium_latents.{module}"], source)}


def test_closure_looks_through_re_exports(source):
    assert closure(source, "commands.simulate") == {"commands.simulate", "lab.growth", "lab.constants"}


def test_closure_sees_imports_inside_functions_and_relative_ones(source):
    assert closure(source, "commands.figure") == {"commands.figure", "plots", "lab.decay"}


def test_imports_for_types_alone_do_not_count(source):
    assert closure(source, "typed") == {"typed", "lab.constants"}


def test_a_package_that_does_something_on_import_counts(source):
    assert closure(source, "busy.inner") == {"busy.inner", "busy"}


@pytest.mark.parametrize("changed", [name for name in FILES if name.endswith(".py")])
def test_digest_changes_exactly_for_dependent_commands(source, changed):
    modules = ["commands.simulate", "commands.figure"]
    before = {name: code_digest([f"calcium_latents.{name}"], source) for name in modules}
    path = source / "calcium_latents" / changed
    path.write_text(path.read_text() + "\nadded_here = 1\n")
    after = {name: code_digest([f"calcium_latents.{name}"], source) for name in modules}
    dependent = {
        "commands/simulate.py": {"commands.simulate"},
        "lab/__init__.py": {"commands.simulate", "commands.figure"},  # it now does more than re-export
        "lab/growth.py": {"commands.simulate"},
        "lab/constants.py": {"commands.simulate"},
        "commands/figure.py": {"commands.figure"},
        "plots.py": {"commands.figure"},
        "lab/decay.py": {"commands.figure"},
        "__init__.py": set(modules),
        "commands/__init__.py": set(modules),
    }
    assert {name for name in modules if before[name] != after[name]} == dependent.get(changed, set())


@pytest.mark.parametrize("harmless", ["# a comment\n", '"""A docstring."""\n', "\n\n"])
def test_comments_and_docstrings_do_not_count(source, harmless):
    path = source / "calcium_latents/lab/constants.py"
    before = code_digest(["calcium_latents.commands.simulate"], source)
    path.write_text(harmless + path.read_text())
    assert code_digest(["calcium_latents.commands.simulate"], source) == before


def test_unknown_modules_are_an_error(source):
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        code_digest(["calcium_latents.nowhere"], source)


def test_figures_do_not_depend_on_models():
    modules = import_closure(["calcium_latents.commands.figure", "calcium_latents.studies.radical.figures.figure2"])
    assert not [name for name in modules if ".models." in name or ".training." in name]


def test_config_digest_knows_values_not_order():
    assert config_digest({"a": 1, "b": [1, 2]}) == config_digest({"b": [1, 2], "a": 1})
    assert config_digest({"a": 1}) != config_digest({"a": 2})


def test_provenance_has_what_every_file_carries():
    attributes = provenance({"neurons": 3}, ["calcium_latents.seeds"], seed=5)
    assert set(attributes) == {"config_digest", "code_digest", "seed", "versions"}
    assert attributes["seed"] == 5
    assert {"python", "numpy"} <= set(json.loads(attributes["versions"]))


def replaced(path, content, age_s=3600.0):
    """Replace a file by one with an older time stamp, as rsync -a and cp -p do."""
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s,) * 2)


def test_a_file_that_is_replaced_by_an_older_one_of_the_same_size_is_noticed(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"abc")
    two.write_bytes(b"xyz")
    before = files_digest([one, two])
    assert before.startswith("2 files, 6 bytes, ") and before == files_digest([str(two), one, one])
    replaced(one, b"abd")
    changed = files_digest([one, two])
    assert changed != before and changed.startswith("2 files, 6 bytes, ")
    replaced(one, b"abc", age_s=7200)
    assert files_digest([one, two]) == before  # the content counts, whenever it was written
    replaced(one, b"xyz")
    replaced(two, b"abc")
    assert files_digest([one, two]) != before


@pytest.mark.parametrize("place", [0, MOST_READ, 40 * MOST_READ - 1])
def test_of_long_files_the_time_stamp_and_parts_count(place, tmp_path):
    path, other = tmp_path / "long", tmp_path / "other"
    for file in (path, other):
        with open(file, "wb") as opened:
            opened.truncate(40 * MOST_READ)
        os.utime(file, (10**9, 10**9))
    before = files_digest([path])
    assert before == files_digest([other])
    os.utime(path, (10**9 - 1, 10**9 - 1))
    assert files_digest([path]) != before
    with open(other, "r+b") as opened:
        opened.seek(place)
        opened.write(b"1")
    os.utime(other, (10**9, 10**9))
    assert (files_digest([other]) != before) == (
        place != MOST_READ
    )  # as the docstring says, between parts it is not seen


def test_many_files_are_digested_in_parts(tmp_path):
    """Of 1,000 files of 1 MiB (sparse ones), 64 MiB are read at most."""
    for number in range(1000):
        with open(tmp_path / f"{number}", "wb") as file:
            file.truncate(MOST_READ)
    paths = sorted(tmp_path.iterdir())
    started, before = time.perf_counter(), files_digest(paths)
    assert time.perf_counter() - started < 5
    replaced(paths[500], bytes(MOST_READ))
    assert files_digest(paths) != before


def test_what_cannot_be_read_counts_as_that(tmp_path):
    (tmp_path / "a").write_text("")
    assert files_digest([tmp_path / "nothing"]) != files_digest([tmp_path / "a"])
