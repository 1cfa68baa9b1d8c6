"""PyTorch's files: the same bytes for the same content; what is read, refused without being run, or counts as none."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from calcium_latents.training.torch_files import UnreadableFile, read_state, read_torch, write_torch


class Makes:
    """Makes a folder when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


VALUE = {
    "tensors": [torch.arange(3), torch.randn(2, 3, dtype=torch.float64), torch.Generator().get_state()],
    "arrays": (np.arange(3.0), np.array(["a", "bc"]), np.array([True]), np.float64(0.1), np.int64(3), np.str_("x")),
    7: {"shape": torch.Size([2]), "type": torch.float32, "none": None, "set": {1, 2}, "text": "ä", "flag": True},
}


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor | np.ndarray):
        return one.dtype == other.dtype and bool((one == other).all())
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("mapped", [False, True])
def test_what_is_written_is_read(tmp_path, mapped):
    write_torch(VALUE, tmp_path / "a.pt")
    assert same(VALUE, read_torch(tmp_path / "a.pt", mapped))


@pytest.mark.parametrize(
    "value", [{"a": [Path("a")]}, {Path("a"): 1}, [np.array([None])], {"a": (torch.nn.Linear(1, 1),)}]
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, value):
    with pytest.raises(TypeError, match=r"a\.pt.*expected numbers, text or containers"):
        write_torch(value, tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


def test_an_object_is_named_and_not_made(tmp_path):
    mark = tmp_path / "run"
    torch.save({"state": Makes(mark)}, tmp_path / "a.pt")
    for read in (read_torch, read_state):
        if read is read_torch:
            with pytest.raises(UnreadableFile, match=r"a\.pt: .*found the class posix\.mkdir, which could run"):
                read(tmp_path / "a.pt")
        else:
            assert read(tmp_path / "a.pt") is None
    assert not mark.exists()
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert mark.exists()  # it would have been


def _flip(path):
    """Damage one byte of the largest tensor, where nothing but its checksum tells."""
    with zipfile.ZipFile(path) as archive:
        item = max(archive.infolist(), key=lambda item: item.file_size)
    content = bytearray(path.read_bytes())
    content[item.header_offset + len(content) // 200 + 200] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "text": lambda path: path.write_text("no checkpoint\n"),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "bit": _flip,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_counts_as_none_and_is_said(tmp_path, damage, capsys):
    path = tmp_path / "resume.pt"
    write_torch({"a": torch.arange(5000)}, path)
    DAMAGES[damage](path)
    with pytest.raises(UnreadableFile, match=r"resume\.pt: expected"):
        read_torch(path)
    assert read_state(path) is None
    assert "resume.pt: expected" in capsys.readouterr().err


def test_no_file_is_no_state(tmp_path, capsys):
    assert read_state(tmp_path / "resume.pt") is None and capsys.readouterr().err == ""
    with pytest.raises(IsADirectoryError):
        read_state(tmp_path)


def snapshot(step):
    return {"step": step, "state": {"weight": torch.arange(3.0) + step}, "metrics": {"a_nll": 0.1 * step}}


def test_what_was_read_and_goes_on_has_the_same_bytes_as_what_was_made_at_once(tmp_path):
    whole, first, resumed, named = (tmp_path / f"{name}.pt" for name in ("whole", "first", "resumed", "other-name"))
    model = torch.nn.Linear(2, 1)
    write_torch({"snapshots": [snapshot(0), snapshot(1)], "of": ("text", "text")}, whole)
    write_torch({"snapshots": [snapshot(0)], "state": model.state_dict()}, first)
    before = read_torch(first)
    write_torch({"snapshots": [*before["snapshots"], snapshot(1)], "of": ("text", "".join("text"))}, resumed)
    assert whole.read_bytes() == resumed.read_bytes()
    write_torch(read_torch(whole), named)
    assert whole.read_bytes() == named.read_bytes()
    assert before["state"]._metadata == model.state_dict()._metadata
    assert read_torch(whole)["of"] == ("text", "text") and read_torch(whole)["snapshots"][1]["step"] == 1
