"""The published autoencoder of traces for the training command."""

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

from calcium_latents.models.avae.network import Avae
from calcium_latents.models.avae.parameters import AvaeOptions
from calcium_latents.models.avae.training import AvaeFit
from calcium_latents.models.traces.embedding import EmbeddingCollector, MemberOutput
from calcium_latents.models.traces.member_queue import QueueTraining, batches_of_equals
from calcium_latents.models.traces.neuron_traces import Member, read_fits
from calcium_latents.recordings.fields import TEST, TRAINING
from calcium_latents.seeds import integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.streams import Streams


@dataclass
class AvaeFamily:
    """The published model as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.AvaeModel`, which checks them.
    """

    name: str
    latent_sizes: list[int]
    hidden_per_latent: int
    betas: list[float]
    _prepared: Any = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[QueueTraining, DataLoader, int]:
        """Return the queue of fits and the number of epochs that they may last; see `ModelFamily.prepare`."""
        how, sizes = AvaeOptions(**training), [(size, size * self.hidden_per_latent) for size in self.latent_sizes]
        traces, options, members, parts = read_fits(recording, path, data, sizes, self.betas)
        noiseless, collector = traces.noiseless_normalised, EmbeddingCollector(traces)

        def output(number: int, state: Mapping[str, Tensor]) -> MemberOutput:
            model = restore(members[number], traces.values.shape[1], state)
            mean, log_variance = encode(model, traces.values)
            sd = (0.5 * log_variance).exp()
            noise = Streams([integer(seed, "avae", "sampled", repr(members[number]))]).normal(1, *mean.shape)[0]
            said = MemberOutput(mean.numpy(), decode(model, mean), sd.numpy(), decode(model, mean + noise * sd))
            if noiseless is not None:
                said.latents_of_noiseless = encode(model, noiseless)[0].numpy()
            return said

        def keep(number: int, result: dict[str, Any]) -> dict[str, Any]:
            # a member of the published sizes has 12 to 92 MB of weights, and there are hundreds
            if number == 0:
                return result
            return {"scores": collector.score(parts[number], output(number, result["state"]))}

        self._prepared = traces, members, parts, options, seed, collector, output

        def fit(chosen: list[int]):
            rows = [parts[number] for number in chosen]
            training, stopping = (np.stack([np.flatnonzero(row == part) for row in rows]) for part in (TRAINING, TEST))
            some = [members[number] for number in chosen]
            seeds = [integer(seed, "avae", repr(member)) for member in some]
            betas = [member.beta for member in some]
            return AvaeFit(traces.values, training, stopping, some[0].hidden, some[0].latent_size, betas, seeds, how)

        queue = [partial(fit, chosen) for chosen in batches_of_equals(members, parts, how.together)]
        module = QueueTraining(queue, how.epochs, keep)
        return module, load_numbers(module.steps), module.steps

    @torch.no_grad()
    def result(self, module: QueueTraining, recording: xr.Dataset) -> FitResult:
        """Put the scores of all members together; see `ModelFamily.result`."""
        traces, members, parts, options, seed, collector, output = self._prepared
        reported, *others = module.finished
        collector.add(members[0], parts[0], output(0, reported["state"]))
        for member, kept in zip(members[1:], others, strict=True):
            collector.add_scored(member, kept["scores"])
        return FitResult(
            inferred=collector.embedding(recording, self.name, seed),
            checkpoint={
                "family": configured(self),
                "state": reported["state"],
                "member": vars(members[0]),
                "samples": traces.values.shape[1],
                **traces.scaling(options.normalisation),
            },
            metrics=pd.DataFrame(module.history),
            timing=pd.DataFrame(module.timing),
        )


def restore(member: Member, samples: int, state: Mapping[str, Tensor]) -> Avae:
    """Return a trained model as a population of one; weights in `state` are [1, ...]."""
    model = Avae(samples, member.hidden, member.latent_size, Streams([0]))
    model.load_state_dict(state)
    return model


@torch.no_grad()
def encode(model: Avae, values: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return mean and log variance [n, latents] of traces [n, T]."""
    mean, log_variance = model.encode(torch.as_tensor(values)[None])
    return mean[0], log_variance[0]


@torch.no_grad()
def decode(model: Avae, latents: Tensor, block: int = 1024) -> np.ndarray:
    """Return reconstructions [n, T], in blocks: gates take three times the memory of traces."""
    return torch.cat([model.decode(part[None])[0] for part in latents.split(block)]).numpy()
