"""Entries of a file of recordings: nothing is lost or doubled, and what is wrong is said with its place."""

import pytest

from calcium_latents.configuration.loading import load_configuration, read_recordings
from calcium_latents.errors import UserError


def read(folder, text):
    """Return the entries of a file of this text."""
    (folder / "mine.yaml").write_text(text)
    return read_recordings(folder / "mine.yaml", "mine.yaml")


def test_names_are_kept_as_they_stand(tmp_path):
    lines = [f"  {name}: {{file: {name}.npy}}" for name in ("2024-05-01", "0412", "NO", "1e3", "null")]
    entries = read(tmp_path, "\n".join(["recordings:", *lines]))
    assert {name: entry["file"] for name, entry in entries.items()} == {
        name: f"{name}.npy" for name in ("2024-05-01", "0412", "NO", "1e3", "null")
    }
    assert read(tmp_path, "recordings: {a: {file: 2024-05-01}}")["a"]["file"] == "2024-05-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recordings:\n  a: {file: x}\n  a: {file: y}\n", "line 3: 'a' comes again, first in line 2"),
        ("recordings:\n  a:\n    file: x\n    file: y\n", "line 4: 'file' comes again, first in line 3"),
        ("recordings: {a: {file: x}, A: {file: y}}", "recordings.A': expected another name, since 'a' differs in"),
        ("recordings: {figures: {file: x}}", "recordings.figures': expected another name, since results have a folder"),
        ("recordings: {Figures: {file: x}}", "recordings.Figures': expected another name, since results have a folder"),
        ("recordings: {1.5: {file: x}}", "names that are each text, of letters, digits, - and _, found '1.5'"),
        ("recordings: {a: {file: 412}}", "recordings.a.file': expected text, found 412. Put text .* in quotes"),
        ("recordings: {a: {file: x, studies: [NO]}}", r"studies': .* found \[False\]. Put text .* in quotes"),
        (
            "recordings: {a: {file: x, neuropil: {coeficient: 1}}}",
            "neuropil': unknown field 'coeficient'; did you mean",
        ),
        ("recordings: {a: {file: x, neuropil: {coefficient: '1'}}}", "coefficient': expected a number from 0 to 2"),
        ("recordings: {a: {file: x, neuropil: 3}}", "neuropil': expected .* a number from 0 to 2 .*, found 3"),
        ("recordings: {a: {file: x, neurons: good}}", "neurons': expected .* one of all, usable, found 'good'"),
        ("recordings: {a: {file: x, neurons: []}}", r"neurons': expected a list, .* at least 1 item\(s\)"),
        ("recordings: {a: {file: x, neurons: [2, 2]}}", "neurons': expected a list, .* all different"),
    ],
)
def test_wrong_entries(text, said, tmp_path):
    with pytest.raises(UserError, match=said):
        read(tmp_path, text)


def test_a_field_of_the_configuration_that_comes_twice_is_named(tmp_path):
    """Snakemake itself hands over the last of the two."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("scale: smoke\nseed: 1\nseed: 2\n")
    with pytest.raises(UserError, match=r"config/config.yaml: .* line 3: 'seed' comes again, first in line 2"):
        load_configuration({"scale": "smoke", "seed": 2}, tmp_path)
