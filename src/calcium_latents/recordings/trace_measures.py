"""What is measured of each trace of a user's file, in blocks of neurons.

The level of rest and the noise come from low quantiles of averages over .2 s, which transients do not reach: of a
Gaussian, quantiles .05 and .25 lie 1.645 and .674 sd below the middle.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from calcium_latents.recordings.on_disk import Columns

BLOCK = 32  # neurons that are looked at together
AVERAGED_S = 0.2
LOW, QUARTER = 0.05, 0.25
LOW_SD, QUARTER_SD = 1.6449, 0.6745  # of a Gaussian, below its middle
STRETCHES, STRETCH_S, STRETCH_SAMPLES = 60, 5.0, 25  # of a session: at most so many, at least so long


@dataclass
class Measured:
    """What is measured of each neuron, and of the frames.

    Attributes:
        samples, missing, at_maximum: [neuron], counts.
        mean, sd, size, maximum: [neuron], of the samples; `size` is the median of their absolute value.
        rest, noise: [neuron], baseline, and sd of averages over `AVERAGED_S`.
        baseline: [neuron, stretch], in stretches of the session.
        digest: [neuron], text that is the same for traces that are.
        repeated: how many frames are as the one before in every neuron.
    """

    samples: np.ndarray
    missing: np.ndarray
    at_maximum: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    size: np.ndarray
    maximum: np.ndarray
    rest: np.ndarray
    noise: np.ndarray
    baseline: np.ndarray
    digest: np.ndarray
    repeated: int = 0


def measure(values: np.ndarray | Columns, rate: float) -> Measured:
    """Measure traces.

    Args:
        values: [frame, neuron]; NaN = not sampled.
        rate: frames per second.
    """
    repeated = np.ones(max(len(values) - 1, 0), bool)
    parts = [_measure(block, rate, repeated) for block in blocks(values)]
    names = [one.name for one in fields(Measured) if one.name != "repeated"]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Measured(**joined, repeated=int(repeated.sum()))


def blocks(values: np.ndarray | Columns) -> Iterator[np.ndarray]:
    """Yield [neuron, frame] of a few neurons at a time, for memory."""
    for first in range(0, values.shape[1], BLOCK):
        yield np.ascontiguousarray(values[:, first : first + BLOCK].T, np.float32)


def _measure(traces: np.ndarray, rate: float, repeated: np.ndarray) -> Measured:
    """Measure `traces` [neuron, frame], and strike off `repeated` [frame - 1] where a frame differs from the last."""
    known = np.isfinite(traces)
    whole = bool(known.all())
    differs = traces[:, 1:] != traces[:, :-1]
    if not whole:  # NaN differs from NaN, but says nothing; a frame without any sample is none that was repeated
        differs &= known[:, 1:] | known[:, :-1]
        repeated &= known[:, 1:].any(axis=0)
    repeated &= ~differs.any(axis=0)
    samples = known.sum(axis=1)
    counts = np.maximum(samples, 1)
    filled = traces if whole else np.where(known, traces, 0)
    maximum = traces.max(axis=1) if whole else np.where(known, traces, -np.inf).max(axis=1)
    mean = filled.sum(axis=1, dtype=float) / counts
    square = np.einsum("ij,ij->i", filled, filled, dtype=float) / counts
    thinned = np.abs(traces[:, :: max(1, traces.shape[1] // 4096)])
    width = min(max(1, round(AVERAGED_S * rate)), traces.shape[1])
    averages, step_s = _averages(filled, known, whole, width), width / rate
    _, noises = _stretches(averages, max(1, round(averages.shape[1] * step_s / 60)))
    noise = _quantiles(noises, 0.5)[0]  # of a minute, so that slow changes of the baseline are no noise
    most = averages.shape[1] / max(STRETCH_SAMPLES, STRETCH_S / step_s)
    return Measured(
        samples=samples,
        missing=traces.shape[1] - samples,
        at_maximum=(traces == maximum[:, None]).sum(axis=1),
        mean=mean,
        sd=np.sqrt(np.maximum(square - mean**2, 0)),
        size=_quantiles(thinned, 0.5)[0],
        maximum=maximum,
        rest=_stretches(averages, 1)[0][:, 0],
        noise=noise,
        baseline=_stretches(averages, int(np.clip(most, 1, STRETCHES)))[0],
        digest=np.array([hashlib.blake2b(trace, digest_size=16).hexdigest() for trace in traces]),
    )


def _averages(filled: np.ndarray, known: np.ndarray, whole: bool, width: int) -> np.ndarray:
    """Return means [neuron, group] over groups of `width` frames; NaN where none was sampled."""
    shape = (len(filled), filled.shape[1] // width, width)
    sums = filled[:, : shape[1] * width].reshape(shape).sum(axis=2)
    if whole:
        return sums / width
    counts = known[:, : shape[1] * width].reshape(shape).sum(axis=2)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan, np.float32), where=counts > 0)


def _quantiles(values: np.ndarray, *shares: float) -> list[np.ndarray]:
    """Return quantiles [...] of `values` [..., sample] without NaN, one a share; NaN where there is no sample."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    last = np.isfinite(values).sum(axis=-1, keepdims=True) - 1
    return [np.take_along_axis(ordered, np.maximum((last * s).astype(int), 0), axis=-1)[..., 0] for s in shares]


def _stretches(averages: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the baseline and the sd of the noise [neuron, stretch] of averages [neuron, time] in equal stretches."""
    length = averages.shape[1] // count
    low, quarter = _quantiles(averages[:, : length * count].reshape(len(averages), count, length), LOW, QUARTER)
    noise = (quarter - low) / (LOW_SD - QUARTER_SD)
    return quarter + QUARTER_SD * noise, noise
