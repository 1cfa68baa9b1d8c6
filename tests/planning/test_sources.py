"""A rule's input that no rule makes is digested into a parameter of the rule."""

from types import SimpleNamespace

import pytest

from calcium_latents.errors import UserError
from calcium_latents.planning.sources import files_parameter
from calcium_latents.provenance import files_digest


def files_of(*paths, **named):
    """Return the parameter of a rule with this input, for the wildcard one=a; None where it has none."""
    said = SimpleNamespace(paths=paths, kwpaths=named)

    def expand_input(wildcards):
        return [path.format(**wildcards) for path in paths], {}, {}, False

    workflow = SimpleNamespace(get_rule=lambda rule: SimpleNamespace(expand_input=expand_input))
    found = files_parameter(workflow, said, "read").get("user_files")
    return found and found(SimpleNamespace(items=lambda: [("one", "a")]))


def test_input_that_no_rule_makes_is_digested(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"123")
    assert files_of(f"{tmp_path}/{{one}}.npy", "results/smoke/b.nc") == files_digest([tmp_path / "a.npy"])


def test_input_that_rules_make_is_not(tmp_path):
    assert files_of("results/smoke/{one}.nc", tables=["results/smoke/b.csv", "results/smoke/c.csv"]) is None
    assert files_of() is None and files_parameter(None, None, "read") == {}
    assert files_of(tables=lambda wildcards: ["results/smoke/b.csv"]) == "none"  # what a function finds may be anything


def test_a_folder_is_no_input(tmp_path):
    with pytest.raises(UserError, match="rule read, input: expected files, found the folder"):
        files_of(str(tmp_path))
