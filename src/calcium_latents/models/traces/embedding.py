"""What fits of single-neuron models say about all neurons, put together as an Embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.models.traces.neuron_traces import Member, NeuronTraces
from calcium_latents.recordings.embedding import make_embedding
from calcium_latents.recordings.fields import TRAINING


@dataclass
class MemberOutput:
    """What one fit says about N neurons of T samples, in normalised units.

    Attributes:
        latents: [N, latent size].
        reconstruction: [N, T].
        latents_sd: [N, latent size], or None.
        sampled: reconstruction from one sampled latent vector a neuron [N, T], or None.
        latents_of_noiseless: [N, latent size], or None.
    """

    latents: np.ndarray
    reconstruction: np.ndarray
    latents_sd: np.ndarray | None = None
    sampled: np.ndarray | None = None
    latents_of_noiseless: np.ndarray | None = None


class EmbeddingCollector:
    """Takes the outputs of one member after the other, keeps their scores, and the reconstruction of the first."""

    def __init__(self, traces: NeuronTraces):
        self.traces = traces
        self.measured = traces.to_fluorescence(traces.values)
        self.members: list[Member] = []
        self.rows: list[dict[str, np.ndarray]] = []
        self.reconstruction: np.ndarray | None = None

    def add(self, member: Member, parts: np.ndarray, output: MemberOutput) -> None:
        """Take `output` of `member`, whose neurons have `parts` [N]."""
        if self.reconstruction is None:
            self.reconstruction = self.traces.to_fluorescence(output.reconstruction).T.astype(np.float32)
        self.add_scored(member, self.score(parts, output))

    def add_scored(self, member: Member, row: dict[str, np.ndarray]) -> None:
        """Take what `score` made of the output of a member that is not the first: arrays [N, ...]."""
        self.members.append(member)
        self.rows.append(row)

    def score(self, parts: np.ndarray, output: MemberOutput) -> dict[str, np.ndarray]:
        """Return latents and scores of neurons with `parts` [N]: all that is kept of `output`, little beside it."""
        traces = self.traces
        # the mean of the training set's traces: what a model with no latents would say
        mean = traces.values[parts == TRAINING].mean(0, keepdims=True)
        row = {"part": parts, "latents": output.latents}
        for prefix, values in (("", output.reconstruction), ("null_", mean)):
            fluorescence = traces.to_fluorescence(values)
            row[f"{prefix}residual"] = _mean_square(self.measured - fluorescence)
            if traces.noiseless is not None:
                row[f"{prefix}error"] = _mean_square(traces.noiseless - fluorescence)
        if output.sampled is not None and traces.noiseless is not None:
            row["error_sampled"] = _mean_square(traces.noiseless - traces.to_fluorescence(output.sampled))
        for name in ("latents_sd", "latents_of_noiseless"):
            if getattr(output, name) is not None:
                row[name] = getattr(output, name)
        return row

    def embedding(self, recording: xr.Dataset, model: str, seed: int, identity_latents: int = 0) -> xr.Dataset:
        """Return the Embedding of all members; the first is the reported one."""
        width = max(member.latent_size for member in self.members)
        names = {name for row in self.rows for name in row}
        arrays: dict[str, Any] = {}
        for name in names:
            values = [row[name] for row in self.rows]
            arrays[name] = np.stack([_padded(v, width) for v in values] if values[0].ndim == 2 else values)
        fields = ("latent_size", "hidden", "beta", "split", "partition")
        arrays |= {name: _column([getattr(member, name) for member in self.members]) for name in fields}
        time = recording["time"].values
        samples = self.traces.values.shape[1]
        if len(time) != samples:  # consecutive trials, joined
            time = time[0] + np.arange(samples) / self.traces.rate_hz
        return make_embedding(
            model=model,
            seed=seed,
            reported_member=0,
            identity_latents=identity_latents,
            reconstruction=self.reconstruction,
            recording=recording,
            time=time,
            **arrays,
        )


def _mean_square(difference: np.ndarray) -> np.ndarray:
    return np.square(difference, dtype=np.float64).mean(1).astype(np.float32)


def _padded(latents: np.ndarray, width: int) -> np.ndarray:
    return np.pad(latents.astype(np.float32), ((0, 0), (0, width - latents.shape[1])), constant_values=np.nan)


def _column(values: Sequence) -> np.ndarray:
    return np.array(values, dtype=object if isinstance(values[0], str) else None)
