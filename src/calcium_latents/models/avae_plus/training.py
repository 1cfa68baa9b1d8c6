"""Training of AVAE+: evidence lower bound with the residual's own variance, on traces joined anew from pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from calcium_latents.models.avae_plus.network import AvaePlus, AvaePlusSizes
from calcium_latents.models.avae_plus.parameters import STEPS_PER_ROUND, AvaePlusOptions
from calcium_latents.models.traces.augmentation import join_pieces
from calcium_latents.models.traces.bins import TraceBins
from calcium_latents.models.traces.member_queue import Fit
from calcium_latents.models.traces.pca_family import fit_principal_components
from calcium_latents.seeds import generator
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams

FORGETTING = 0.98  # of the running mean of squared residuals, a step


class AvaePlusFit(Fit):
    """Trains M models of equal sizes on their own neurons.

    Args:
        bins: for each model, how its traces are binned.
        training: for each model, scaled bins of its training neurons [n, B].
        hidden, latents, identity: see `AvaePlusSizes`.
        betas: weight of the divergence of each model [M]; 1: the evidence lower bound.
        seeds: one a model.
        options: see `AvaePlusOptions`.
    """

    pool: torch.Tensor
    codes: torch.Tensor

    def __init__(
        self,
        bins: Sequence[TraceBins],
        training: Sequence[np.ndarray],
        hidden: int,
        latents: int,
        identity: int,
        betas: Sequence[float],
        seeds: Sequence[int],
        options: AvaePlusOptions,
    ):
        self.options, self.step = options, 0
        pools = [_pool(x, b, options, seed) for x, b, seed in zip(training, bins, seeds, strict=True)]
        codes = [b.identity(pool) for b, pool in zip(bins, pools, strict=True)]
        starts = [fit_principal_components(pool[:4096], latents - identity) for pool in pools]
        mean, components, scales = (
            torch.as_tensor(np.stack([getattr(start, name) for start in starts]))
            for name in ("mean", "components", "scales")
        )
        streams, sizes = Streams(seeds), AvaePlusSizes(len(seeds), mean.shape[1], hidden, latents, identity)
        super().__init__(
            AvaePlus(sizes, streams, mean, components, scales.clamp_min(1e-6)),
            streams,
            betas,
            pool=torch.as_tensor(np.stack(pools)),
            codes=torch.as_tensor(np.stack(codes)),
            variance=torch.ones(len(seeds)),
        )

    def start(self, device: torch.device) -> None:
        """Move to `device`."""
        super().start(device)
        rates = torch.zeros(len(self.betas), device=device)
        betas, clip = tuple(self.options.adam_betas), self.options.gradient_clip
        self.optimizer = PopulationAdam(self.model.parameters(), rates, betas, clip=clip)

    def round(self) -> bool:
        """Some steps of the optimiser."""
        options = self.options
        for _ in range(min(STEPS_PER_ROUND, options.steps - self.step)):
            rate = options.learning_rate * options.schedule.factor(self.step, options.steps)
            self.optimizer.set_learning_rate(torch.full_like(self.betas, rate))
            error, divergence = self._losses()
            bins = self.pool.shape[-1]
            # the bound over 2 variance / bins: squared errors weigh one, whatever the residual's variance is by now
            loss = error + (2 / bins) * self.betas * self.variance * divergence
            self.optimizer.zero_grad()
            loss.sum().backward()
            self.optimizer.step()
            keep = min(FORGETTING, self.step / (self.step + 1))
            # a batch that is not finite moves nothing: neither weights (see PopulationAdam) nor this
            seen = torch.where(error.isfinite(), error.detach(), self.variance)
            self.variance = keep * self.variance + (1 - keep) * seen
            self.step += 1
        for member in range(len(self.betas)):
            row = {"member": member, "step": self.step, "training_error": float(self.variance[member])}
            # pyrefly: ignore[unbound-name]  # a round has one step or more
            self._rows.append(row | {"divergence": float(divergence.detach()[member])})
        return self.step >= options.steps

    def results(self) -> list[dict[str, Any]]:
        """Weights of each model, and the variance of its residuals (in variances of the training bins)."""
        return [own | {"variance": float(v)} for own, v in zip(super().results(), self.variance, strict=True)]

    def _losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared error of a bin, and divergence of a trace, of each model `[M]`, on a new batch."""
        members, size, sizes = len(self.betas), self.options.batch_size, self.model.sizes
        drawn = (self.streams.uniform(members, size) * self.pool.shape[1]).long()
        rows = torch.arange(members, device=drawn.device).unsqueeze(1), drawn
        x, code = self.pool[rows], self.codes[rows]
        noise = self.streams.normal(members, size, sizes.latents)
        mean = self.model.encode(x, code)
        difference = self.model.decode(mean + noise * self.model.log_sd.exp()) - x
        divergence = self.model.divergence(mean, code, self.options.identity_sd)
        return difference.square().mean((1, 2)), divergence.mean(1)


def _pool(training: np.ndarray, bins: TraceBins, options: AvaePlusOptions, seed: int) -> np.ndarray:
    """Return traces to train on [pool, B]: some as they are, most joined from pieces."""
    originals = round(options.original * options.pool)
    shift = options.shift_sd_s / bins.width_s
    joined = join_pieces(
        training, options.pool - originals, options.joints, options.joint_probability, shift, bins.decay, seed
    )
    # whole rounds of all traces, so that none counts more than another by more than one
    as_they_are = np.resize(np.arange(len(training)), originals)
    pool = np.concatenate([training[as_they_are], joined])
    return np.ascontiguousarray(pool[generator(seed, "order of the pool").permutation(len(pool))])
