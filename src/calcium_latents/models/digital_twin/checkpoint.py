"""A trained digital twin on disk, and back."""

from pathlib import Path
from typing import Any

import torch

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.training.torch_files import UnreadableFile, read_torch


def described(twin: DigitalTwin) -> dict[str, Any]:
    """What is needed to rebuild `twin`."""
    return {"sizes": twin.sizes.to_dict(), "image_shape": tuple(twin.image_shape), "state": twin.state_dict()}


def restore(path: str | Path) -> DigitalTwin:
    """Rebuild the twin of a checkpoint, in evaluation mode and full precision.

    Raises:
        UserError: the file is no checkpoint of a digital twin.
    """
    try:
        saved = read_torch(path)
        sizes, state = CoreSizes(**saved["sizes"]), saved["state"]
        twin = DigitalTwin(sizes, tuple(saved["image_shape"]), len(state["bias"]), torch.Generator())
        twin.load_state_dict(state)
    except (OSError, UnreadableFile, KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{path}: expected a checkpoint of a digital twin, found something else ({error!r})."
            " Give the checkpoint.pt of a training run of the model digital_twin."
        ) from None
    return twin.eval()
