"""Papers' values stand in one place, each with where it stands in the paper; wrong entries are named."""

import re

import pytest

from calcium_latents.claims.paper import FOLDER, papers, read_paper
from calcium_latents.errors import UserError
from calcium_latents.planning.studies import with_claims
from calcium_latents.provenance import PACKAGE, SOURCE


def test_every_study_with_claims_has_its_paper():
    assert [path.stem for path in papers()] == sorted(with_claims())
    for study in with_claims():
        for name, value in read_paper(study).items():
            assert value.printed and value.where, name


@pytest.mark.parametrize("study", with_claims())
def test_every_value_is_read(study):
    text = "".join(path.read_text() for path in (SOURCE / PACKAGE / "studies").glob("*/**/*.py"))
    for name in read_paper(study):
        stem = re.sub(r"_[a-z0-9]+$", "_", name)  # some are read by kind: culture_rates_hz_{kind}
        assert re.search(rf"""["']({name}["']|{stem}{{)""", text), name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: x\n", "field 'values': expected a mapping"),
        ("values: {a: {value: 1, printed: '1'}}\n", "values.a.*expected the fields value, printed and where"),
        ("values: {a: {value: 1, printed: '1', where: p. 3, page: 3}}\n", "values.a"),
    ],
)
def test_wrong_entries_are_named(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"mine\.yaml.*{said}"):
        read_paper("mine", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.yaml"):
        read_paper("absent", tmp_path)
    assert FOLDER.is_dir()
