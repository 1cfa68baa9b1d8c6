"""Trials as the model sees them: sampled entries, and the few of them that hold an event.

Deconvolved events are zero almost everywhere (about 1.5 % of entries of a laser-scanned recording are events), and a
zero, a sample not taken and a sample dropped all look the same to the encoder. So the encoder's input projection needs
the events only, at any sampling pattern, and so do the gamma terms of the likelihood.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#: rows and neurons; None stands for all
Pattern = tuple[Tensor | None, Tensor | None]
MOST_PATTERNS = 12  # with more distinct sampling patterns than this, one dense product is faster than many small ones


@dataclass
class Batch:
    """Some trials of a recording; B trials, T bins, N neurons, E events.

    Attributes:
        shape: (B, T, N).
        event_row: `[E]` row of each event in the flattened (trial, bin) order, ascending.
        event_neuron: `[E]`.
        event_value: `[E]`.
        bag_start: `[B T]` index of the first event of each row.
        patterns: (rows, neurons) of every sampling pattern: in these rows these neurons are sampled and no others;
            None stands for all rows or all neurons. The S entries of all patterns, flattened row by row and joined,
            are the "slots" that the likelihood runs over.
        event_slot: `[E]` slot of each event.
        slot_weight: `[S]`, 1 where sampled; None where every slot is (the usual case).
        sampled_count: number of sampled entries.
    """

    shape: tuple[int, int, int]
    event_row: Tensor
    event_neuron: Tensor
    event_value: Tensor
    bag_start: Tensor
    patterns: list[Pattern]
    event_slot: Tensor
    slot_weight: Tensor | None
    sampled_count: int

    @property
    def slots(self) -> int:
        """Number of slots, S."""
        rows, neurons = self.shape[0] * self.shape[1], self.shape[2]
        return sum(
            (rows if which is None else len(which)) * (neurons if columns is None else len(columns))
            for which, columns in self.patterns
        )

    def slot_neuron(self) -> Tensor:
        """Neuron of every slot, `[S]`."""
        rows, device = self.shape[0] * self.shape[1], self.event_value.device
        everyone = torch.arange(self.shape[2], device=device)
        parts = [
            (everyone if neurons is None else neurons).repeat(rows if which is None else len(which))
            for which, neurons in self.patterns
        ]
        return torch.cat([everyone[:0], *parts])


class TrialStore:
    """Holds a recording's trials and hands out batches of them.

    Args:
        events: `[trials, time, neurons]`, NaN where not sampled.
    """

    def __init__(self, events: Tensor):
        self.trials, self.bins, self.neurons = events.shape
        sampled = ~torch.isnan(events)
        values = torch.nan_to_num(events)
        trial, time, neuron = torch.nonzero(values, as_tuple=True)
        self.row_in_trial, self.neuron, self.value = time, neuron, values[trial, time, neuron]
        counts = torch.bincount(trial, minlength=self.trials)
        self.end = torch.cumsum(counts, 0)
        self.start = self.end - counts
        self.per_row = torch.zeros(self.trials, self.bins, dtype=torch.long, device=events.device)
        self.per_row.index_put_((trial, time), torch.ones_like(trial), accumulate=True)
        self.sampled_per_trial = sampled.sum((1, 2))
        self.sampled, self.pattern_of_row, self.pattern_neurons = self._find_patterns(sampled)
        self.neuron_place = [self._inverse(neurons) for neurons in self.pattern_neurons]

    def to(self, device: torch.device) -> "TrialStore":
        """Move everything to `device`, in place."""

        def move(value):
            return [move(item) for item in value] if isinstance(value, list) else _move(value, device)

        for name, value in vars(self).items():
            setattr(self, name, move(value))
        return self

    @staticmethod
    def _find_patterns(sampled: Tensor) -> tuple[Tensor | None, Tensor | None, list[Tensor | None]]:
        flat = sampled.flatten(0, 1)
        distinct, pattern = torch.unique(flat, dim=0, return_inverse=True)
        if len(distinct) > MOST_PATTERNS:
            return sampled, None, []
        neurons = [None if bool(row.all()) else torch.nonzero(row)[:, 0] for row in distinct]
        return None, pattern.view(sampled.shape[:2]), neurons

    def _inverse(self, neurons: Tensor | None) -> Tensor | None:
        """Place of every neuron in `neurons` (0 for those not in it)."""
        if neurons is None:
            return None
        place = torch.zeros(self.neurons, dtype=torch.long, device=neurons.device)
        place[neurons] = torch.arange(len(neurons), device=neurons.device)
        return place

    def batch(self, trials: Tensor) -> Batch:
        """Return the batch of `trials` (`[B]` indices)."""
        device = self.value.device
        trials = trials.to(device)
        counts = (self.end - self.start)[trials]
        total = int(counts.sum())
        owner = torch.repeat_interleave(torch.arange(len(trials), device=device), counts, output_size=total)
        first = torch.cumsum(counts, 0) - counts
        index = torch.arange(total, device=device) - first[owner] + self.start[trials][owner]
        per_row = self.per_row[trials].flatten()
        row, neuron = owner * self.bins + self.row_in_trial[index], self.neuron[index]
        patterns, slot = self._slots(trials, row, neuron)
        return Batch(
            shape=(len(trials), self.bins, self.neurons),
            event_row=row,
            event_neuron=neuron,
            event_value=self.value[index],
            bag_start=torch.cumsum(per_row, 0) - per_row,
            patterns=patterns,
            event_slot=slot,
            slot_weight=None if self.sampled is None else self.sampled[trials].flatten().to(self.value.dtype),
            sampled_count=int(self.sampled_per_trial[trials].sum()),
        )

    def _slots(self, trials: Tensor, event_row: Tensor, event_neuron: Tensor) -> tuple[list[Pattern], Tensor]:
        """Patterns of the batch's rows, and the slot of every event in their joined entries."""
        if self.pattern_of_row is None:
            return [(None, None)], event_row * self.neurons + event_neuron
        pattern = self.pattern_of_row[trials].flatten()
        patterns: list[Pattern] = []
        slot, offset = torch.empty_like(event_row), 0
        for number, neurons in enumerate(self.pattern_neurons):
            member = pattern == number
            rows = torch.nonzero(member)[:, 0]
            width = self.neurons if neurons is None else len(neurons)
            if len(rows) == 0 or width == 0:
                continue
            here = member[event_row]
            place = torch.cumsum(member, 0) - 1
            inverse = self.neuron_place[number]
            column = event_neuron if inverse is None else inverse[event_neuron]
            slot = torch.where(here, offset + place[event_row] * width + column, slot)
            patterns.append((None if len(rows) == len(pattern) else rows, neurons))
            offset += len(rows) * width
        return patterns, slot


def _move(value, device: torch.device):
    return value.to(device) if isinstance(value, Tensor) else value
