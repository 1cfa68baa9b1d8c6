"""Where networks are computed."""

import pytest
import torch

from calcium_latents.accelerator import device_of
from calcium_latents.errors import UserError


def test_devices():
    assert device_of("cpu") == "cpu"
    with pytest.raises(UserError, match="expected one of cpu, gpu, found 'tpu'"):
        device_of("tpu")


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="expected a GPU that PyTorch can use, found none .*--resources gpu=0"):
        device_of("gpu")


def test_a_gpu_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("gpu") == "cuda"
