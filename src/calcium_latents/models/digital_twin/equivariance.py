"""How well a core keeps its promise: an image that is turned gives the same features, turned."""

import numpy as np
import torch
from scipy import ndimage

from calcium_latents.models.digital_twin.core import RotationEquivariantCore

BLUR_PX = 1.5  # of the images: what a turn between pixels would change by interpolation is taken out first
NEAR_PX = 2  # of the centre, where maps are compared: a turn moves nothing out of sight


@torch.no_grad()
def turning_error(core: RotationEquivariantCore, images: np.ndarray, turns: int = 1) -> float:
    """Return the relative error of features when images are turned by `turns` steps of the rotation group.

    Images are blurred (SD 1.5 px) and cut to a disc, turned by cubic interpolation, and features within 2 px of the
    centre are compared with those of the upright images, turned likewise and shifted along rotations: the root of the
    mean squared difference over the features' standard deviation. 0 for a turn by 90 degrees, up to rounding.

    Args:
        core: in evaluation mode.
        images: [n, y, x]; the largest square about their centre is taken.
        turns: steps of the group, clockwise on a screen (from x towards y).
    """
    size = min(images.shape[1:])
    top, left = (length - size for length in images.shape[1:])
    square = images[:, top // 2 : top // 2 + size, left // 2 : left // 2 + size]
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    disc = np.clip((size - 1) / 2 - np.hypot(y, x), 0, 1)
    upright = ndimage.gaussian_filter(square, (0, BLUR_PX, BLUR_PX)) * disc
    degrees = 360 * turns / core.sizes.rotations

    def turned(values: np.ndarray) -> np.ndarray:
        if degrees % 90 == 0:
            return np.rot90(values, -round(degrees / 90), (-2, -1))
        return ndimage.rotate(values, -degrees, (-2, -1), reshape=False, order=3)

    def features(values: np.ndarray) -> np.ndarray:
        return core(torch.as_tensor(np.ascontiguousarray(values, np.float32))).numpy()

    before, after = features(upright), features(turned(upright))
    expected = np.roll(turned(before), turns, 1)
    middle = slice((before.shape[-1] - 1) // 2 - NEAR_PX, before.shape[-1] // 2 + NEAR_PX + 1)
    expected, found = expected[..., middle, middle], after[..., middle, middle]
    spread = expected - expected.mean((0, 1, 3, 4), keepdims=True)
    return float(np.sqrt(((found - expected) ** 2).mean() / (spread**2).mean()))
