"""How alike two bar codes are in what they do: the covariance of the features that they weigh."""

import torch
from torch import Tensor

from calcium_latents.models.digital_twin.twin import DigitalTwin

NEURONS = 64  # whose masks are averaged over, spread evenly


@torch.no_grad()
def feature_covariance(twin: DigitalTwin, images: Tensor, block: int = 256) -> Tensor:
    """Return the covariance [rotation, feature, rotation, feature] of pooled features over `images` [n, y, x].

    Features are pooled by masks of unit sum, as neurons' drives are. For the difference d of two bar codes, d C d is
    the variance of the difference of their drives over the images, wherever the neurons lie. Two neurons that weigh
    redundant features differently, but do the same, are at distance 0, while their weights are far apart.

    Turning all images must not matter: the covariance is averaged over turns of the rotation group, so it is circulant,
    and commutes with cyclic shifts of bar codes.
    """
    twin.eval()
    chosen = torch.linspace(0, twin.neurons - 1, min(NEURONS, twin.neurons)).round().long()
    masks = twin.masks[chosen].flatten(1)
    masks = (masks / masks.sum(1, keepdim=True).abs().clamp_min(1e-12)).to(twin.bias.device)
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for part in images.split(block):
        features = twin.core(part).flatten(1, 2).flatten(2)
        pooled = (features @ masks.T).mT.flatten(0, 1).double()  # [images neurons, channel]
        count, total, products = count + len(pooled), total + pooled.sum(0), products + pooled.T @ pooled
    mean = total / count
    rotations, features = twin.weights.shape[1:]
    covariance = (products / count - mean[:, None] * mean).view(rotations, features, rotations, features)
    turns = [covariance.roll((k, k), (0, 2)) for k in range(rotations)]
    return (sum(turns[1:], turns[0]) / rotations).float().cpu()
