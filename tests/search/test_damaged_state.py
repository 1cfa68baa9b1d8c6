"""A search whose files were damaged goes on from what was before them, to the same result."""

import pytest
import torch

from calcium_latents.search import folder as folder_module
from calcium_latents.search.folder import SearchFolder


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(composed, tmp_path_factory):
    """The results of a search that nothing happened to."""
    from calcium_latents.commands.train import train

    directory = tmp_path_factory.mktemp("whole")
    train(composed(), directory)
    return directory


@pytest.fixture
def interrupted(search, tmp_path, monkeypatch):
    """Return a function: run until the end of a generation, but not its results; return the search's folder."""

    def run(generation):
        close = SearchFolder.close

        def closing(self, outcome, best):
            close(self, outcome, best)
            if outcome["generation"] == generation:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(SearchFolder, "close", closing)
            search(tmp_path / "run")
        (folder,) = (tmp_path / "run/search").iterdir()
        return folder

    return run


@pytest.mark.parametrize(
    ("after", "damaged"),
    [
        (2, "generation-0002/closed.json"),
        (2, "generation-0002/group-*.pt"),
        (2, "generation-*/*"),
        (3, "best/*"),
    ],
)
def test_it_goes_on_from_what_was_before(interrupted, search, whole, tmp_path, capsys, after, damaged):
    folder = interrupted(after)
    for path in folder.glob(damaged):
        path.write_bytes(b"")
    search(tmp_path / "run")
    said = capsys.readouterr().err
    assert "It counts as none" in said or "The search starts anew" in said
    for name in ("output.nc", "metrics.csv", "checkpoint.pt"):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


@pytest.mark.parametrize("text", ["", "{", "\0\0\0", "[]", "3", '{"generation": 7}', "{}"])
def test_what_is_no_outcome_counts_as_none(tmp_path, text, capsys):
    folder = SearchFolder(tmp_path, {"seed": 1})
    folder.generation(1).mkdir()
    (folder.generation(1) / folder_module.CLOSED).write_text(text)
    assert folder.last_closed() is None
    assert "closed.json: expected the state of a search" in capsys.readouterr().err


def test_a_group_that_holds_objects_is_trained_again(interrupted, search, tmp_path, capsys):
    folder = interrupted(2)
    for path in folder.glob("generation-0002/group-*.pt"):
        torch.save({"members": [print]}, path)
    search(tmp_path / "run")
    assert "the class print, which could run code" in capsys.readouterr().err
