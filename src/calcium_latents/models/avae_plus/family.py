"""AVAE+ for the training command: trained, then every neuron's latents refined."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor
from torch.utils.data import DataLoader

from calcium_latents.models.avae_plus.network import AvaePlus, AvaePlusSizes
from calcium_latents.models.avae_plus.parameters import AvaePlusOptions
from calcium_latents.models.avae_plus.training import AvaePlusFit
from calcium_latents.models.traces.bins import TraceBins, fit_bins
from calcium_latents.models.traces.embedding import EmbeddingCollector, MemberOutput
from calcium_latents.models.traces.latent_inference import Posterior, refine_latents
from calcium_latents.models.traces.member_queue import QueueTraining, batches_of_equals
from calcium_latents.models.traces.neuron_traces import Member, read_fits
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.models.traces.statistics import STATISTICS
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import TRAINING
from calcium_latents.seeds import integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.streams import Streams

LATENTS_PER_IDENTITY = 4
SMALLEST_BETA = 1e-3  # of inference: without any prior, latents of which a trace shows nothing would be free
SMALLEST_GAIN = 1e-4  # of inference, a step: a hundredth of a nat or two; half of the traces have arrived after a few
INFERRED_AT_ONCE = 512  # neurons; a Jacobian is latents times as large as the traces


@dataclass
class AvaePlusFamily:
    """AVAE+ as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.AvaePlusModel`, which checks them.
    """

    name: str
    latent_sizes: list[int]
    hidden: int
    betas: list[float]
    bins: dict[str, Any]
    _prepared: Any = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[QueueTraining, DataLoader, int]:
        """Return the queue of fits and the number of rounds that they last; see `ModelFamily.prepare`."""
        how = AvaePlusOptions(**training)
        sizes = [(size, self.hidden) for size in self.latent_sizes]
        traces, options, members, parts = read_fits(recording, path, data, sizes, self.betas)
        layout = BinOptions(**self.bins)
        layout.check_length(traces.values.shape[1], traces.rate_hz, max(self.latent_sizes), path)

        def bins_of(number: int) -> TraceBins:
            values = traces.values[parts[number] == TRAINING]
            return fit_bins(values, traces.rate_hz, layout, identity_latents(members[number].latent_size))

        def fit(chosen: list[int]) -> AvaePlusFit:
            some = [members[number] for number in chosen]
            bins = [bins_of(number) for number in chosen]
            training = [b.to_bins(traces.values[parts[n] == TRAINING]) for b, n in zip(bins, chosen, strict=True)]
            size = some[0].latent_size
            betas, seeds = [m.beta for m in some], [integer(seed, "avae_plus", repr(m)) for m in some]
            return AvaePlusFit(bins, training, self.hidden, size, identity_latents(size), betas, seeds, how)

        self._prepared = traces, members, parts, options, how, seed, bins_of
        queue = [partial(fit, chosen) for chosen in batches_of_equals(members, parts, how.together)]
        module = QueueTraining(queue, how.rounds)
        return module, load_numbers(module.steps), module.steps

    @torch.no_grad()
    def result(self, module: QueueTraining, recording: xr.Dataset) -> FitResult:
        """Infer every neuron's latents under every member; see `ModelFamily.result`."""
        traces, members, parts, options, how, seed, bins_of = self._prepared
        collector, checkpoint = EmbeddingCollector(traces), {}
        rows = list(zip(members, parts, module.finished, strict=True))
        for number, (member, part, trained) in enumerate(progress(rows, "infer latents", unit="fit")):
            bins = bins_of(number)
            posterior = infer(member, bins, trained, traces.values, how)
            reconstruction = reconstruct(member, bins, trained, posterior.mean)
            collector.add(member, part, MemberOutput(posterior.mean.numpy(), reconstruction, posterior.sd.numpy()))
            if number == 0:
                checkpoint = {"bins": vars(bins), **trained, "member": vars(member)}
        return FitResult(
            inferred=collector.embedding(recording, self.name, seed, identity_latents(members[0].latent_size)),
            checkpoint={
                "family": configured(self),
                **checkpoint,
                "identity_sd": how.identity_sd,
                "refinements": how.refinements,
                **traces.scaling(options.normalisation),
            },
            metrics=pd.DataFrame(module.history),
            timing=pd.DataFrame(module.timing),
        )


def identity_latents(latent_size: int) -> int:
    """Return how many of the latents are identity latents."""
    return min(latent_size // LATENTS_PER_IDENTITY, len(STATISTICS))


def restore(member: Member, bins: TraceBins, state: Mapping[str, Tensor]) -> AvaePlus:
    """Return a trained model as a population of one; weights in `state` are [1, ...]."""
    identity = identity_latents(member.latent_size)
    sizes = AvaePlusSizes(1, bins.bins, member.hidden, member.latent_size, identity)
    blank = torch.zeros(1, bins.bins), torch.zeros(1, sizes.timing, bins.bins), torch.ones(1, sizes.timing)
    model = AvaePlus(sizes, Streams([0]), *blank)
    model.load_state_dict(state)
    return model.requires_grad_(False)


@torch.no_grad()
def infer(member: Member, bins: TraceBins, trained: Mapping, values: np.ndarray, how: AvaePlusOptions) -> Posterior:
    """Return the posterior of the latents [n, latents] of normalised traces [n, T], or of shorter ones [n, m].

    Of shorter ones, whole bins count. The prior's precision is multiplied by beta, as its divergence is in training,
    but by `SMALLEST_BETA` at least.
    """
    model = restore(member, bins, trained["state"])
    known = bins.bins if values.shape[1] == bins.samples else values.shape[1] // bins.factor
    seen = bins.to_bins(values[:, : known * bins.factor])
    code = torch.as_tensor(bins.identity(seen))
    # where nothing is known the encoder gets the mean, which it subtracts; the refinement looks at known bins alone
    x = model.mean[0].repeat(len(values), 1)
    x[:, :known] = torch.as_tensor(seen)
    observed = None if known == bins.bins else torch.arange(bins.bins) < known
    start = model.encode(x[None], code[None])[0]
    prior_mean = torch.cat([code, torch.zeros(len(x), model.sizes.timing)], 1)
    precision = torch.ones(member.latent_size)
    precision[: model.sizes.identity] = how.identity_sd**-2
    parts = [
        refine_latents(
            lambda z: model.decode(z[None])[0],
            *part,
            precision=max(member.beta, SMALLEST_BETA) * precision,
            variance=trained["variance"],
            observed=observed,
            steps=how.refinements,
            smallest_gain=SMALLEST_GAIN,
        )
        for part in zip(*(t.split(INFERRED_AT_ONCE) for t in (x, start, prior_mean)), strict=True)
    ]
    return Posterior(*(torch.cat([getattr(p, name) for p in parts]) for name in ("mean", "sd", "objective")))


@torch.no_grad()
def reconstruct(member: Member, bins: TraceBins, trained: Mapping, latents: Tensor) -> np.ndarray:
    """Return normalised reconstructions [n, T] of latents [n, latents]."""
    model = restore(member, bins, trained["state"])
    return bins.to_samples(model.decode(latents[None])[0].numpy())
