"""PyTorch's files have the same bytes for the same content, whatever is one object in memory."""

import torch

from calcium_latents.training.torch_files import read_torch, write_torch


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
