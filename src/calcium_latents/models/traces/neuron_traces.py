"""Traces of single neurons for the training command: normalised, and split by neuron or by culture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.models.traces.parameters import TraceOptions
from calcium_latents.recordings.fields import TEST, TRAINING
from calcium_latents.recordings.traces_matrix import trace_matrix
from calcium_latents.seeds import generator


@dataclass(frozen=True)
class Member:
    """One fit: sizes, weight of the divergence, and the partition of the neurons."""

    latent_size: int
    hidden: int
    beta: float
    split: str
    partition: int


@dataclass(frozen=True)
class NeuronTraces:
    """Traces of N neurons and T samples.

    Attributes:
        values: normalised [N, T] float32; fluorescence is `offset + scale * values`.
        offset, scale: [N, 1] in units of the fluorescence.
        noiseless: true fluorescence [N, T], or None.
        culture, group: labels [N].
        rate_hz: samples per second.
        minimum: smallest fluorescence of all.
    """

    values: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    noiseless: np.ndarray | None
    culture: np.ndarray
    group: np.ndarray
    rate_hz: float
    minimum: float

    @property
    def noiseless_normalised(self) -> np.ndarray | None:
        """The truth on a scale of its own minimum and maximum, as the authors feed it to their models."""
        return None if self.noiseless is None else normalise(self.noiseless, "global")[0]

    def scaling(self, normalisation: str) -> dict[str, float | str]:
        """Return what a checkpoint says of the traces' rate and scale; the numbers serve "global" normalisation."""
        offset, scale = self.offset[0, 0], self.scale[0, 0]
        return {
            "rate_hz": self.rate_hz,
            "normalisation": normalisation,
            "minimum": self.minimum,
            "offset": offset,
            "scale": scale,
        }

    def to_fluorescence(self, values: np.ndarray) -> np.ndarray:
        """Return normalised traces [N, T] in units of the fluorescence."""
        return self.offset + self.scale * values


def read_fits(
    recording: xr.Dataset, path: str, data: Mapping, sizes: Sequence[tuple[int, int]], betas: Sequence[float]
) -> tuple[NeuronTraces, TraceOptions, list[Member], list[np.ndarray]]:
    """Return traces, how they are split (`data`), all fits to them, and the part of each neuron in each fit [N].

    Args and Raises: as in `read_traces` and `make_members`.
    """
    options = TraceOptions(**data)
    traces = read_traces(recording, path, options.normalisation)
    members = make_members(traces, options, sizes, betas, path)
    return traces, options, members, [assign_parts(traces, member, options) for member in members]


def read_traces(recording: xr.Dataset, path: str, normalisation: str) -> NeuronTraces:
    """Return the recording's traces; recordings without cultures are one culture.

    Raises:
        UserError: see `recordings.traces_matrix.trace_matrix`.
    """
    matrix = trace_matrix(recording, path)
    neurons = len(matrix)
    values, offset, scale = normalise(matrix, normalisation)
    noiseless = None
    if "noiseless" in recording:
        noiseless = recording["noiseless"].transpose("neuron", "trial", "time").values.reshape(neurons, -1)
    culture = recording["culture"].values if "culture" in recording else np.zeros(neurons, int)
    group = recording["group"].values.astype(str) if "group" in recording else np.full(neurons, "all")
    rate = 1 / float(recording.attrs["bin_width_s"])
    return NeuronTraces(values, offset, scale, noiseless, culture, group, rate, float(matrix.min()))


def normalise(matrix: np.ndarray, scope: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return traces [N, T] between -0.5 and 0.5 (Eq. 4), and the offset and scale [N, 1] that undo it."""
    axis = None if scope == "global" else 1
    low, high = (np.broadcast_to(f(matrix, axis=axis, keepdims=True), (len(matrix), 1)) for f in (np.min, np.max))
    scale = high - low
    return ((matrix - low) / scale - 0.5).astype(np.float32), low + 0.5 * scale, scale


def make_members(
    traces: NeuronTraces,
    options: TraceOptions,
    sizes: Sequence[tuple[int, int]],
    betas: Sequence[float],
    path: str,
) -> list[Member]:
    """Return all fits, the reported one first.

    `sizes` are (latent size, hidden units); the first of `sizes` and `betas` is the reported combination, which is
    fitted on all partitions, the others on the first `grid_partitions`.

    Raises:
        UserError: no split is possible, or too few neurons.
    """
    splits = [split for split in options.splits if split == "neuron" or _has_replicates(traces)]
    if not splits:
        raise UserError(
            f"{path}: culture: expected at least two cultures of every group for data.splits = {list(options.splits)},"
            f" found {len(np.unique(traces.culture))} of {len(np.unique(traces.group))} groups. Add 'neuron' to the"
            " splits."
        )
    members = []
    for number, ((latents, hidden), beta) in enumerate(product(sizes, betas)):
        if (latents != sizes[0][0]) + (beta != betas[0]) > options.grid_differences:
            continue
        for split in splits:
            count = options.partitions_of(split)
            count = count if number == 0 else min(count, options.grid_partitions)
            members += [Member(latents, hidden, float(beta), split, partition) for partition in range(count)]
    for member in members:
        training = int((assign_parts(traces, member, options) == TRAINING).sum())
        options.check_sizes(training, traces.values.shape[1], member.latent_size, path)
    return members


def assign_parts(traces: NeuronTraces, member: Member, options: TraceOptions) -> np.ndarray:
    """Return the part [N] of each neuron, TRAINING or TEST: the same for every model, size, noise level and seed.

    Split by culture: partition p holds out one culture of every group. Groups are shuffled by themselves; after as many
    partitions as a group has cultures, each was held out once, and the groups are shuffled anew.
    """
    neurons = len(traces.culture)
    parts = np.full(neurons, TRAINING, np.int8)
    if member.split == "neuron":
        count = neurons - options.training_neurons(neurons)
        parts[generator(0, "partition of neurons", member.partition).permutation(neurons)[:count]] = TEST
        return parts
    for group in sorted(set(traces.group)):
        cultures = np.unique(traces.culture[traces.group == group])
        turn, place = divmod(member.partition, len(cultures))
        held_out = generator(0, "partition of cultures", group, turn).permutation(cultures)[place]
        parts[traces.culture == held_out] = TEST
    return parts


def _has_replicates(traces: NeuronTraces) -> bool:
    return all(len(np.unique(traces.culture[traces.group == group])) > 1 for group in set(traces.group))
