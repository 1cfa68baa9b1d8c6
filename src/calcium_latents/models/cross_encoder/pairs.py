"""Pairs of source and target activity, split as in the cross-encoder's appendix (G.1).

Stimuli: activity on one presentation predicts activity on another of the same stimulus, all ordered pairs; the split
is by stimulus. Spontaneous activity: a window of source frames predicts a target frame; the session is cut into chunks
with buffers between, and the split is by chunk.

Neurons are scaled by their sd over training samples, so that the pooled loss and R2 count them alike; the appendix
does not say what it does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.models.cross_encoder.parameters import PairOptions
from calcium_latents.seeds import generator

TRAINING, VALIDATION, TEST, UNUSED = range(4)
# Smallest scale of a neuron, as a share of the median one: else a single event of a neuron that was all but silent in
# training would be hundreds of its standard deviations, and alone decide the pooled R2.
SMALLEST_SCALE = 0.1


@dataclass
class Pairs:
    """Pairs of samples of one recording.

    Attributes:
        activity: `[S, N]` of all neurons, samples in the order trial, time.
        shape: (trials, bins) of the samples.
        sources, targets: `[A]`, `[B]` positions of neurons in the recording.
        offsets: frames of the window.
        source_sample, target_sample: `[n]` samples of each pair.
        part: `[n]` of each pair: 0 training, 1 validation, 2 test.
        sample_part: `[S]` of each sample; 3: in none.
        source_floor: `[A]` smallest activity in the training samples, from which sources are measured: noise that grows
            with activity should not grow with a baseline.
        source_scale, target_scale: `[A]`, `[B]` standard deviations over the training samples, at least
            `SMALLEST_SCALE` of the median neuron's.
    """

    activity: np.ndarray
    shape: tuple[int, int]
    sources: np.ndarray
    targets: np.ndarray
    offsets: tuple[int, ...]
    source_sample: np.ndarray
    target_sample: np.ndarray
    part: np.ndarray
    sample_part: np.ndarray

    def __post_init__(self):
        trained = self.activity[self.sample_part == TRAINING]
        sd = trained.std(0)
        varies = sd > 1e-4 * np.abs(trained).max(0)  # beyond rounding
        sd = np.maximum(sd, np.float32(SMALLEST_SCALE) * np.median(sd[varies]) if varies.any() else 1.0)
        self.source_scale, self.target_scale = sd[self.sources], sd[self.targets]
        self.source_floor = trained.min(0)[self.sources]

    def described(self, neurons: np.ndarray) -> dict[str, Any]:
        """Return what a checkpoint keeps of the pairs: ids of `neurons` `[N]`, window and scales."""
        return {
            "sources": neurons[self.sources],
            "targets": neurons[self.targets],
            "offsets": self.offsets,
            "source_floor": self.source_floor,
            "source_scale": self.source_scale,
            "target_scale": self.target_scale,
        }

    def source_windows(self, samples: np.ndarray) -> np.ndarray:
        """Scaled source activity `[n, offsets * A]` around `samples` `[n]`; edges of the session are repeated."""
        last = len(self.activity) - 1
        frames = [self.activity[np.clip(samples + offset, 0, last)][:, self.sources] for offset in self.offsets]
        scaled = [(frame - self.source_floor) / self.source_scale for frame in frames]
        return np.concatenate(scaled, 1).astype(np.float32)

    def inputs(self, part: int) -> np.ndarray:
        """Scaled source activity `[n, offsets * A]` of the pairs of a part."""
        return self.source_windows(self.source_sample[self.part == part])

    def outputs(self, part: int, activity: np.ndarray | None = None) -> np.ndarray:
        """Scaled target activity `[n, B]` of the pairs of a part (or of other `activity` `[S, B]`)."""
        samples = self.target_sample[self.part == part]
        values = self.activity[samples][:, self.targets] if activity is None else activity[samples]
        return (values / self.target_scale).astype(np.float32)


def make_pairs(recording: xr.Dataset, options: PairOptions, seed: int, path: str = "recording") -> Pairs:
    """Choose neurons, split, and pair samples; the random choices come from `seed`.

    Raises:
        UserError: missing samples, too few neurons, stimuli, repeats or chunks.
    """
    if "events" not in recording:
        raise UserError(f"{path}: field 'events': expected deconvolved activity, found none. Deconvolve it first.")
    events = recording["events"].values
    if np.isnan(events).any():
        found = f"{int(np.isnan(events).sum())} missing samples"
        raise UserError(
            f"{path}: field 'events': expected a sample in every bin, found {found}. Resample the recording first"
            " (calcium_latents.studies.cross_encoder.commands.resample)."
        )
    shape, activity = events.shape[:2], events.reshape(-1, events.shape[-1])
    split = generator(seed if options.split_seed is None else options.split_seed, "split")
    paradigm = recording.attrs.get("paradigm", "spontaneous")
    if paradigm == "stimulus":
        stimulus = _stimuli(recording, shape, path)
        part = _split_stimuli(stimulus, options, split, path)
        first, second = _ordered_pairs(stimulus)
        offsets = (0,)
        reliability = stimulus_related_variance(activity[part == TRAINING], stimulus[part == TRAINING])
    else:
        if shape[0] != 1:
            raise UserError(f"{path}: expected one trial of spontaneous activity, found {shape[0]} trials.")
        part = split_chunks(shape[1], recording.attrs["bin_width_s"], options, split, path)
        before = options.window_frames // 2
        offsets = tuple(range(-before, options.window_frames - before))
        samples = np.arange(shape[1])
        whole = (samples + offsets[0] >= 0) & (samples + offsets[-1] < shape[1])
        first = second = samples[whole & (part != UNUSED)]
        reliability = None
    sources, targets = _choose_neurons(activity.shape[1], options, reliability, generator(seed, "neurons"), path)
    return Pairs(activity, shape, sources, targets, offsets, first, second, part[second], part)


def stimulus_related_variance(activity: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    """Return the share of each neuron's variance that belongs to the stimulus, `[N]` (Stringer et al. 2019).

    Variance between stimuli, less what the variance within stimuli adds to it, over the total variance; it may be
    negative where there is none. `activity` `[S, N]`, `stimulus` `[S]`, each stimulus at least twice.
    """
    _, index, counts = np.unique(stimulus, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), activity.shape[1]))
    np.add.at(sums, index, activity)
    means = sums / counts[:, None]
    within = ((activity - means[index]) ** 2).sum(0) / (len(activity) - len(counts))
    total = activity.var(0, ddof=1)
    return np.where(total > 0, 1 - within / np.where(total > 0, total, 1.0), 0.0)


def split_chunks(
    frames: int, frame_s: float, options: PairOptions, random: np.random.Generator, path: str = "recording"
) -> np.ndarray:
    """Return the part of every frame, `[frames]`: chunks with buffers (part 3) between; an incomplete last chunk is
    left out."""
    chunk, buffer, count = options.chunks(frames, frame_s, path)
    part = np.full(frames, UNUSED, np.int8)
    for number, label in enumerate(_labels(count, options, random)):
        start = number * (chunk + buffer)
        part[start : start + chunk] = label
    return part


def _stimuli(recording: xr.Dataset, shape: tuple[int, int], path: str) -> np.ndarray:
    if "condition" not in recording or shape[1] != 1:
        found = f"{shape[1]} bins" + ("" if "condition" in recording else " and no condition")
        raise UserError(f"{path}: expected one bin a presentation and the field 'condition', found {found}.")
    stimulus = recording["condition"].values
    counts = np.unique(stimulus, return_counts=True)[1]
    if counts.min() < 2:
        found = f"{int((counts < 2).sum())} stimuli shown once"
        raise UserError(f"{path}: field 'condition': expected every stimulus at least twice, found {found}.")
    return stimulus


def _split_stimuli(stimulus, options: PairOptions, random: np.random.Generator, path: str) -> np.ndarray:
    names, index = np.unique(stimulus, return_inverse=True)
    if len(names) < 3:
        raise UserError(f"{path}: field 'condition': expected at least 3 stimuli to split, found {len(names)}.")
    return _labels(len(names), options, random)[index]


def _labels(count: int, options: PairOptions, random: np.random.Generator) -> np.ndarray:
    """Parts of `count` units in random order, by largest share, at least one unit each."""
    bounds = np.round(np.cumsum(options.fractions)[:2] * count).astype(int)
    bounds[0] = min(max(bounds[0], 1), count - 2)
    bounds[1] = min(max(bounds[1], bounds[0] + 1), count - 1)
    labels = np.full(count, TEST, np.int8)
    order = random.permutation(count)
    labels[order[: bounds[0]]] = TRAINING
    labels[order[bounds[0] : bounds[1]]] = VALIDATION
    return labels


def _ordered_pairs(stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = [], []
    for name in np.unique(stimulus):
        shown = np.flatnonzero(stimulus == name)
        a, b = np.meshgrid(shown, shown, indexing="ij")
        first.append(a[a != b])
        second.append(b[a != b])
    return np.concatenate(first), np.concatenate(second)


def _choose_neurons(
    count: int, options: PairOptions, reliability: np.ndarray | None, random: np.random.Generator, path: str
) -> tuple[np.ndarray, np.ndarray]:
    sizes = options.neurons(count, path)
    if reliability is None:
        order = random.permutation(count)
        candidates = order[sizes[0] :]
    else:
        order = np.argsort(-reliability, kind="stable")
        limit = None if options.target_candidates is None else sizes[0] + options.target_candidates
        candidates = random.permutation(order[sizes[0] : limit])
    return np.sort(order[: sizes[0]]), np.sort(candidates[: sizes[1]])
