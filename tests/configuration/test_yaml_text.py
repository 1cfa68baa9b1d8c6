"""YAML as it stands in the file: names as text, each once; dates and leading zeros are no numbers."""

import pytest
import yaml

from calcium_latents.configuration.files import read_yaml, with_types
from calcium_latents.configuration.yaml_text import parse
from calcium_latents.errors import UserError


def test_names_are_the_text_that_stands_in_the_file():
    names = ["2024-05-01", "0412", "NO", "1e3", "null", "~", "1_000", "'quoted'"]
    assert list(parse("\n".join(f"{name}: 1" for name in names))) == [name.strip("'") for name in names]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0412", "0412"),
        ("05.5", "05.5"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2024-05-01", "2024-05-01"),
        ("1e3", 1000.0),
        ("-2.5e-1", -0.25),
        ("412", 412),
        ("-0", 0),
        ("0.5", 0.5),
        ("yes", True),
        ("NO", False),
        ("null", None),
        ("'412'", "412"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_values(written, value):
    found = parse(f"field: {written}")["field"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\n\na: 3\n", "line 4: 'a' comes again, first in line 1"),
        ("a:\n  x: 1\n  y: {z: 1, z: 2}\n", "line 3: 'z' comes again, first in line 3"),
        ("1: 1\n'1': 2\n", "line 2: '1' comes again, first in line 1"),
        ("b: 1\n? [a]\n: 1\n", "line 2: expected a name, found sequence"),
    ],
)
def test_names_that_come_again_are_refused(text, said, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"mine.yaml: not valid YAML: {said}"):
        read_yaml(path)


def test_own_fields_go_over_merged_ones():
    assert parse("base: &b {x: 1, y: 2}\nown: {<<: *b, x: 3}")["own"] == {"x": 3, "y": 2}


def test_repository_files_say_the_same_to_other_readers(repository):
    """OmegaConf and Snakemake read some of them, too."""
    files = [path for folder in ("config", "profiles", "envs") for path in (repository / folder).rglob("*.yaml")]
    assert len(files) > 20
    for path in files:
        assert repr(parse(path.read_text())) == repr(yaml.safe_load(path.read_text())), path


@pytest.mark.parametrize(("encoding", "byte", "line"), [("latin-1", "0xe4", 2), ("utf-16", "0xff", 1)])
def test_other_encodings_are_named(encoding, byte, line, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes("recordings:\n  a: {file: M\u00e4rz.npy}\n".encode(encoding))
    with pytest.raises(UserError, match=f"mine.yaml, line {line}: expected UTF-8 text, found the byte {byte}"):
        read_yaml(path)


def test_values_of_the_command_line_that_are_no_yaml_stay_text():
    given = {"a": "0412", "b": "a: b: c", "c": "@x", "d": ["1e-3", "true", "null", ""]}
    assert with_types(given) == {"a": "0412", "b": "a: b: c", "c": "@x", "d": [0.001, True, None, ""]}
