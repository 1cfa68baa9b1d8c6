"""Neurons in blocks, here or in worker processes, so that only a few blocks are held beside the recording."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from calcium_latents.deconvolution.neuron import deconvolve_neuron
from calcium_latents.deconvolution.options import Options

#: Samples of a block: 8 MiB of float32.
BLOCK_SAMPLES = 2**21


@dataclass(frozen=True)
class Block:
    """Some neurons of a recording.

    Attributes:
        first: position of the first neuron in the recording.
        names: of the neurons, in messages.
        labels: what each trace is beside its neuron (", trial 3"), [trace].
        values: [neuron, trace, time]; NaN = not sampled.
        regular: whether a trace is its samples alone, as on a sub-frame grid: they follow each other without gaps.
        sample_interval_s: time between two samples.
    """

    first: int
    names: list[str]
    labels: list[str]
    values: np.ndarray
    regular: bool
    sample_interval_s: float


@dataclass(frozen=True)
class BlockEvents:
    """What deconvolution makes of a block.

    Attributes:
        first: position of the first neuron in the recording.
        events: [neuron, trace, time], NaN where the block is and in pieces too short to be deconvolved.
        estimates: [neuron, 4], decay time (s), baseline, noise and threshold, means over traces.
        silent: [neuron], whether noise alone gives such traces.
        lost: [neuron], number of samples in pieces too short.
    """

    first: int
    events: np.ndarray
    estimates: np.ndarray
    silent: np.ndarray
    lost: np.ndarray


def neurons_of_a_block(samples: int, neurons: int, processes: int) -> int:
    """Return how many neurons of `samples` each a block has, a power of two; each process has several blocks."""
    most = max(1, min(BLOCK_SAMPLES // samples, -(-neurons // (4 * processes))))
    return 2 ** (most.bit_length() - 1)


def deconvolve_blocks(blocks: Iterable[Block], method: str, options: Options, processes: int) -> Iterator[BlockEvents]:
    """Yield the events of every block in order; with several `processes`, two blocks a process are under way."""
    if processes <= 1:
        for block in blocks:
            yield _deconvolve_block(block, method, options)
        return
    waiting = deque()
    with ProcessPoolExecutor(processes) as pool:
        for block in blocks:
            waiting.append(pool.submit(_deconvolve_block, block, method, options))
            if len(waiting) >= 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _deconvolve_block(block: Block, method: str, options: Options) -> BlockEvents:
    neurons, traces, _ = block.values.shape
    events = np.full(block.values.shape, np.nan, np.float32)
    estimates, silent = np.zeros((neurons, 4)), np.zeros(neurons, bool)
    for neuron, name in enumerate(block.names):
        probability = 1.0
        for number, trace in enumerate(block.values[neuron]):
            where = np.isfinite(trace) if block.regular else slice(None)
            found = deconvolve_neuron(
                trace[where], method, options, block.sample_interval_s, name + block.labels[number]
            )
            events[neuron, number, where] = found.events
            estimates[neuron] += np.array(found.estimates) / traces
            probability = min(probability, traces * found.noise_probability)
        silent[neuron] = options.silent_probability is not None and probability > options.silent_probability
        if silent[neuron]:
            events[neuron][np.isfinite(events[neuron])] = 0.0
    lost = np.isfinite(block.values).sum(axis=(1, 2)) - np.isfinite(events).sum(axis=(1, 2))
    return BlockEvents(block.first, events, estimates, silent, lost)
