"""Paths that Snakemake cannot take are named when the workflow is planned."""

from enum import Enum
from types import SimpleNamespace

import pytest

from calcium_latents.errors import UserError
from calcium_latents.planning.paths import require_conda_folder, require_no_braces
from calcium_latents.planning.plan import Plan

Method = Enum("Method", "CONDA APPTAINER")


def test_braces_are_refused():
    for path in (None, "/data/my lab's (old), a=b $(x) [1]/F.npy"):
        require_no_braces("here", path)
    for path in ("/data/{dataset}/F.npy", "/data/}"):
        with pytest.raises(UserError, match="here: expected a path without { and }, .* found '/data/"):
            require_no_braces("here", path)


@pytest.mark.parametrize("field", ["file", "behaviour", "trials"])
def test_the_field_of_a_recording_is_named(tmp_path, field):
    entry = {"file": "a.npy", "studies": [], "optional": True} | {field: "{x}.csv"}
    settings = {"scale": "smoke", "seed": 1, "studies": ["recordings"], "recordings": {}}
    settings |= {"recordings_file": "mine.yaml", "data_directory": None, "recording_files": {"one": entry}}
    with pytest.raises(UserError, match=rf"mine.yaml, field 'recordings.one.{field}': expected a path without"):
        Plan(settings, tmp_path)


@pytest.mark.parametrize("name", ["my lab's", '"', "$(x)", "`x`", "\\"])
def test_a_folder_that_conda_cannot_enter_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    (tmp_path / "my lab").mkdir()
    monkeypatch.chdir(tmp_path / name)
    require_conda_folder(SimpleNamespace(deployment_method={Method.APPTAINER}, conda_prefix=None))
    require_conda_folder(SimpleNamespace(deployment_method={Method.CONDA}, conda_prefix=tmp_path / "my lab"))
    with pytest.raises(UserError, match="--sdm conda: expected a folder of environments without"):
        require_conda_folder(SimpleNamespace(deployment_method={Method.CONDA}, conda_prefix=None))
