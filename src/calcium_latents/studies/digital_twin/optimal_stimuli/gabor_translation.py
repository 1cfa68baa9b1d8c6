"""Every place of a stimulus at the cost of one image: the twin's maps of features move with the image.

The core is a convolution. A stimulus in the middle of a canvas that is wider than the images gives maps from which the
rate at every place is read by moving the neuron's mask. The grid of 506 places costs one pass instead of 506, though
of a larger canvas (`canvas_cost`). Two things are not the same as in an image of its own: the core pads with zeros at
the image's border, and the canvas has none there; and a canvas does not cut a stimulus off. Both matter for masks near
the border. Hence the shared scan only proposes: its best few stimuli are shown to the neuron once more, as images, and
refined (`gabor_search.refine`).

It pays for many neurons over a wide area. Counted for the published grid and 13,047 neurons: the whole grid is 9.3
million images; a coarse scan at own places and refinement about 1.2 million, most of them refinement; the shared scan
of all other parameters (18,432 canvases, worth about 52,000 images) that shows each neuron 3 proposals 91,000, a
hundredth. For 300 neurons within a few px of the centre both come to some 15,000 to 30,000 images.

Turning the canvas by 90 degrees is exact too, and would halve the orientations that are convolved. It is not used:
it saves at most half of a scan that is smaller than the refinement.
"""

from itertools import product

import numpy as np
import torch
from torch.nn import functional

from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.progress import progress
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import (
    BestOfKinds,
    Optima,
    Probe,
    SearchSettings,
    refine,
    thinned,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import StimulusGrid
from calcium_latents.studies.digital_twin.probe import ModelProbe

IMAGES = 32  # canvases at once: rates at every place are [IMAGES, neurons, places]
NEURONS = 512


def can_share(probe: Probe) -> bool:
    """Tell whether a probe is a twin, whose core can be asked for maps."""
    return hasattr(probe, "twin")


def canvas_margin(grid: StimulusGrid) -> int:
    """Return by how many px the canvas is wider than an image on each side, so that every place is read."""
    places = list(grid.place_axes().values())
    reach = [np.abs(values - size // 2).max() for values, size in zip(places, grid.image_shape, strict=True)]
    return int(max(reach))


def canvas_cost(grid: StimulusGrid) -> float:
    """Return the area of a canvas over that of an image."""
    margin = canvas_margin(grid)
    return float(np.prod([(size + 2 * margin) / size for size in grid.image_shape]))


def shared_search(probe: ModelProbe, grid: StimulusGrid, neurons: np.ndarray, settings: SearchSettings) -> Optima:
    """Return the best stimuli of neurons [n] by a shared scan and the refinement of its proposals.

    Axes are thinned as in `SearchSettings` (steps of 1: the whole grid), places are not; no rounds of refinement: the
    proposals are only shown. `scan_images` of the result counts canvases in the cost of images.
    """
    neurons = np.asarray(neurons)
    rows, canvases = shared_scan(probe.twin, grid, neurons, settings)
    return refine(probe, grid, rows, neurons, settings, int(np.ceil(canvases * canvas_cost(grid))))


def shared_scan(
    twin: DigitalTwin, grid: StimulusGrid, neurons: np.ndarray, settings: SearchSettings
) -> tuple[np.ndarray, int]:
    """Return each neuron's best rows [n, candidate, axis] over all places, and the number of canvases."""
    margin = canvas_margin(grid)
    height, width = grid.image_shape
    middle = np.array([height // 2, width // 2])
    shape = (height + 2 * margin, width + 2 * margin)
    canvas = grid.changed(image_shape=shape, rows_px=None, columns_px=None, margin_px=0)
    others = np.array(list(product(*[thinned(n, v, settings) for n, v in list(grid.axes.items())[2:]])))
    # reading at (i, j) puts the stimulus at middle + margin - (i, j)
    first = [int(values[0]) for values in grid.place_axes().values()]
    windows = [middle[axis] + margin - first[axis] - np.arange(grid.shape[axis]) for axis in (0, 1)]
    best = BestOfKinds(grid, np.hstack([np.zeros((len(others), 2), int), others]), len(neurons))
    place = np.zeros(best.rates.shape, int)
    for start in progress(range(0, len(others), IMAGES), "shared scan", unit="batch"):
        part = others[start : start + IMAGES]
        rows = np.hstack([np.broadcast_to(middle + margin, (len(part), 2)), part])
        rates = translated_rates(twin, canvas.render(canvas.parameters(rows)), neurons)
        rates = rates[:, :, windows[0]][..., windows[1]].reshape(len(part), len(neurons), -1)
        before = best.rates.copy()
        best.take(start, rates.max(axis=2))
        neuron, kind = np.nonzero(best.rates > before)
        place[neuron, kind] = rates.argmax(axis=2)[best.number[neuron, kind] - start, neuron]
    order = np.argsort(-best.rates, axis=1, kind="stable")[:, : settings.candidates]
    number, place = (np.take_along_axis(values, order, 1) for values in (best.number, place))
    places = np.stack(np.unravel_index(place, grid.shape[:2]), axis=-1)
    return np.concatenate([places, others[number]], axis=-1), len(others)


@torch.no_grad()
def translated_rates(twin: DigitalTwin, canvases: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """Return rates [n, neuron, i, j] to the windows of image size whose upper left pixel is (i, j) of the canvas.

    Args:
        twin: with core, masks, weights, bias, response_scale.
        canvases: [n, y, x], at least as large as an image.
        neurons: [k].
    """
    device = twin.masks.device
    numbers = torch.as_tensor(np.asarray(neurons), device=device)
    features = twin.core(torch.as_tensor(canvases, device=device, dtype=torch.float32)).flatten(1, 2).float()
    rates = []
    for part in numbers.split(NEURONS):
        weights = twin.weights.flatten(1)[part].float()
        maps = torch.einsum("ncyx,kc->nkyx", features, weights)
        drive = functional.conv2d(maps, twin.masks[part].float()[:, None], groups=len(part))
        scale = twin.response_scale[part][:, None, None]
        rates.append(functional.softplus(drive + twin.bias[part][:, None, None]) * scale)
    return torch.cat(rates, dim=1).cpu().numpy()
