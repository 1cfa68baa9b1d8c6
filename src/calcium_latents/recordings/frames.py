"""From sub-frame bins to imaging frames, as if all neurons had been sampled at once.

That is standard in two-photon imaging, and what RADICaL's rivals get (Zhu et al. 2022, Methods, "Data
preparation for each method": "non-sampled bins were removed so all the sampled bins were treated as if they
were sampled at the same time").
"""

import numpy as np


def to_frames(values: np.ndarray, time: np.ndarray, imaging_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Merge the bins of each imaging frame.

    Where bins do not divide the imaging period, a neuron's sample may fall just before or after a frame's
    nominal border; each neuron's own phase in the trial tells which frame a sample belongs to, so that one
    sample stays one frame.

    Args:
        values: [trial, time, neuron] on a regular grid of bins, NaN where not sampled.
        time: [time] bin starts, s.
        imaging_rate_hz: frames per second.

    Returns:
        Frames [trial, frame, neuron] (float64; the mean, should a frame hold several samples; NaN where
        none), and frame times [frame] in even steps: the start of a bin in the middle of the frame. A frame
        that the end of the trial cuts short is left out.
    """
    values, time = np.asarray(values, dtype=np.float64), np.asarray(time, dtype=np.float64)
    trials, count, neurons = values.shape
    width = (time[-1] - time[0]) / (count - 1) if count > 1 else 1 / imaging_rate_hz
    bins = max(1 / imaging_rate_hz / width, 1.0)
    # A period that is whole bins up to rounding (33.3 Hz and 10 ms) must not drift by a bin over the trial.
    bins = round(bins) if abs(bins - round(bins)) * count < bins * 0.5 else bins
    number = max(1, int(count / bins + 1e-6))
    trial, at, neuron = np.nonzero(np.isfinite(values))
    column = trial * neurons + neuron
    centre = (np.arange(count) + 0.5) / bins  # in frames
    frame = np.rint(centre[at] - _phases(centre[at], column, trials * neurons, bins)[column]).astype(int)
    # A neuron at a frame's border may seem to begin before the trial: it then begins with it.
    early = np.zeros(trials * neurons, bool)
    early[column[frame < 0]] = True
    frame += early[column]
    inside = (frame >= 0) & (frame < number)
    cell = (trial * number + frame) * neurons + neuron
    shape = (trials, number, neurons)
    samples = np.bincount(cell[inside], minlength=np.prod(shape)).reshape(shape)
    total = np.bincount(cell[inside], values[trial, at, neuron][inside], np.prod(shape)).reshape(shape)
    frames = np.where(samples > 0, total / np.maximum(samples, 1), np.nan)
    return frames, time[0] + (np.arange(number) * bins + (bins - 1) / 2) * width


def _phases(centre: np.ndarray, column: np.ndarray, columns: int, bins: float) -> np.ndarray:
    """Return the circular mean of the samples' places in the frame, [column], from about 0 to about 1."""
    turn = np.exp(2j * np.pi * centre)
    mean = np.bincount(column, turn.real, columns) + 1j * np.bincount(column, turn.imag, columns)
    # A little below zero counts as zero: a sample at the start of its frame may stand in the bin before.
    slack = 0.25 / bins
    return (np.angle(mean) / (2 * np.pi) + slack) % 1 - slack
