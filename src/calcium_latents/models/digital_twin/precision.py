"""In which precision a twin's convolutions run: that of training, or of questions that need no more."""

import torch

from calcium_latents.errors import UserError

PRECISIONS = ("auto", "float32", "bfloat16")


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Type in which convolutions are computed on `device`: "auto" is bfloat16 where that is fast, else float32."""
    if precision not in PRECISIONS:
        raise UserError(f"precision: expected one of {PRECISIONS}, found {precision!r}.")
    fast = device.type == "cuda" or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and fast) else torch.float32
