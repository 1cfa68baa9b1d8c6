"""From a recording to what a sequential autoencoder trains on: time base, counts, split, batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.recordings.fields import place
from calcium_latents.recordings.frames import to_frames
from calcium_latents.seeds import generator

TRAINING, VALIDATION, UNUSED = 0, 1, 2


@dataclass
class Trials:
    """Events ready for a model.

    Attributes:
        events: `[trials, time, neurons]` float32, NaN where not sampled.
        time: `[time]` bin starts, s.
        split: `[trials]`, 0 training, 1 validation, 2 neither (overlaps a validation window).
        event_minimum: smallest possible event.
        imaging_rate: Hz.
    """

    events: Tensor
    time: np.ndarray
    split: np.ndarray
    event_minimum: float
    imaging_rate: float

    def indices(self, part: int) -> Tensor:
        """Indices of the trials of one part of the split."""
        return torch.from_numpy(np.flatnonzero(self.split == part))


def prepare_trials(recording: xr.Dataset, options: TrialOptions, path: str = "recording") -> Trials:
    """Turn a recording's `events` into trials on the chosen time base.

    Raises:
        UserError: no events, events below the recording's event minimum, or too few trials to split.
    """
    path = place(recording, path)
    if "events" not in recording:
        raise UserError(f"{path}: field 'events' is missing. Deconvolve the recording first.")
    events = recording["events"].values.astype(np.float32, copy=False)
    minimum = float(recording.attrs.get("event_minimum", 0.0))
    below = (events > 0) & (events < minimum)
    if below.any():
        first = int(np.argwhere(below)[0, 2])
        neuron = int(recording["neuron"][first]) if "neuron" in recording else first
        raise UserError(
            f"{path}: field 'events', neuron {neuron}: expected zero or at least the event minimum {minimum:g}, found "
            f"{events[below].min():g} ({below.sum()} such events). Deconvolve with that s_min."
        )
    if not (events > 0).any():
        raise UserError(f"{path}: field 'events': expected some events above zero, found none. Check deconvolution.")
    time = recording["time"].values
    rate, width = float(recording.attrs["imaging_rate_hz"]), float(recording.attrs["bin_width_s"])
    if options.time_base == "frame":
        events, time = to_frames(events, time, rate)
        events = events.astype(np.float32, copy=False)
    if options.cast_to_counts:
        events = cast_to_counts(events)
        minimum = 0.0
    starts = recording["trial_start"].values if "trial_start" in recording else None
    lengths = trial_durations(recording["events"].values, width)
    split = split_trials(len(events), options.validation_fraction, options.split_seed, starts, lengths, path)
    return Trials(torch.from_numpy(events), time, split, minimum, rate)


def cast_to_counts(events: np.ndarray) -> np.ndarray:
    """Event sizes (any shape) to spike counts as in the paper: 0 to 0, (0, 2] to 1, others rounded down; NaN stays."""
    return np.where(events > 2, np.floor(events), np.where(events > 0, 1.0, events)).astype(np.float32)


def trial_durations(events: np.ndarray, width: float) -> np.ndarray:
    """Return how long each trial lasts, [trial] in s, of events [trial, time, neuron]: a shorter one has no samples in
    the bins after its end."""
    sampled = np.asarray(np.isfinite(events).any(axis=2))
    empty = np.argmax(sampled[:, ::-1], axis=1)
    return (events.shape[1] - empty) * width


def split_trials(
    count: int, fraction: float, seed: int, starts: np.ndarray | None, durations: np.ndarray | float, path: str
) -> np.ndarray:
    """Assign trials to training and validation: return the part `[trial]` of each.

    Separate trials are drawn at random. Overlapping windows of one session are split into five runs of neighbours, and
    training windows that share samples with a validation window are left out. `starts` are theirs `[trial]`, s, and
    `durations` how long they last, `[trial]` or one for all, s.
    """
    held_out = TrialOptions(validation_fraction=fraction).held_out(count, path)
    split = np.zeros(count, np.int8)
    rng = generator(seed, "validation split")
    order = np.arange(count) if starts is None else np.argsort(starts)
    stops = None if starts is None else starts + durations * (1 - 1e-6)
    if starts is None or stops is None or (starts[order][1:] >= np.maximum.accumulate(stops[order])[:-1]).all():
        split[rng.permutation(count)[:held_out]] = VALIDATION
        return split
    blocks = min(5, held_out)
    for part in np.array_split(order, blocks):
        width = max(1, round(fraction * len(part)))
        first = rng.integers(0, len(part) - width + 1)
        split[part[first : first + width]] = VALIDATION
    held = split == VALIDATION
    near = ((starts[:, None] < stops[held]) & (stops[:, None] > starts[held])).any(1)
    split[near & (split == TRAINING)] = UNUSED
    if not (split == TRAINING).any():
        raise UserError(f"{path}: no training window is left beside the validation windows. Use shorter windows.")
    return split


class EpochBatches:
    """Batch sampler: every epoch a new order; incomplete batches are dropped, unless a batch holds all trials.

    Args:
        trials: `[n]` indices to draw from.
        batch_size: trials a batch.
        seed: of the orders.

    `step` is the number of batches handed out so far; setting it continues from there.
    """

    def __init__(self, trials: Tensor, batch_size: int, seed: int):
        self.trials, self.batch_size, self.seed = trials.numpy(), min(batch_size, len(trials)), seed
        self.step = 0

    def __len__(self) -> int:
        return len(self.trials) // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        epoch, first = divmod(self.step, len(self))
        order = generator(self.seed, "batches", epoch).permutation(self.trials)
        for number in range(first, len(self)):
            self.step += 1
            yield order[number * self.batch_size : (number + 1) * self.batch_size].tolist()
