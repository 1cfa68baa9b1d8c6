"""A session's activity around the onsets of its trials, by condition."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

LONGEST_S, BEFORE_S = 10.0, 1.0  # of what is shown after an onset, and before it
BINS = 30  # at most, over both
ALL = "all trials"


def conditions_of(table: pd.DataFrame) -> np.ndarray:
    """Return the name of the condition of every trial [trial]; one name for all where the table says none."""
    if "condition" not in table:
        return np.full(len(table), ALL, dtype=object)
    return np.array(
        ["none" if value is None or value != value else _name(value) for value in table["condition"]], object
    )


def _name(value) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def bin_edges(table: pd.DataFrame, period: float) -> np.ndarray:
    """Return edges [bin + 1] around onsets, s, with 0 among them: whole imaging periods, so that every bin has samples.

    They reach from up to `BEFORE_S` before to the median end of trials, or the median interval between onsets.

    Args:
        table: of trials, with start_s and perhaps stop_s.
        period: imaging period, s.
    """
    starts = table["start_s"].to_numpy(float)
    interval = float(np.median(np.diff(starts))) if starts.size > 1 else LONGEST_S
    lasted = table["stop_s"].to_numpy(float) - starts if "stop_s" in table else np.array([])
    lasted = lasted[np.isfinite(lasted)]
    after = min(float(np.median(lasted)) if lasted.size else interval, LONGEST_S)
    before = min(BEFORE_S, after / 2, max(interval - after, after / 4))
    width = period * max(1, int(np.ceil((before + after) / BINS / period)))
    return np.arange(-round(before / width), max(round(after / width), 2) + 1) * width


def align(values: np.ndarray, times: np.ndarray, starts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the mean of known values in every bin around every onset: [trial, bin, column], NaN where there is none.

    Args:
        values: [time, column], NaN = not known.
        times: [time], ascending, s.
        starts: onsets [trial], s.
        edges: [bin + 1], s from an onset.
    """
    aligned = np.full((len(starts), len(edges) - 1, values.shape[1]), np.nan)
    for trial, start in enumerate(starts):
        bounds = np.searchsorted(times, start + edges)
        block = values[bounds[0] : bounds[-1]]
        known, at = np.isfinite(block), bounds - bounds[0]
        filled = np.where(known, block, 0.0)
        for number, (first, stop) in enumerate(zip(at[:-1], at[1:], strict=True)):
            count = known[first:stop].sum(axis=0)
            sums = filled[first:stop].sum(axis=0)
            aligned[trial, number] = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
    return aligned


def by_condition(
    aligned: np.ndarray, conditions: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and standard error over trials, and their number: each [condition, bin, column].

    Args:
        aligned: [trial, bin, column], NaN = not known.
        conditions: names [trial].
        names: of the conditions wanted.
    """
    means, errors, counts = [], [], []
    for name in names:
        part = aligned[conditions == name]
        known = np.isfinite(part)
        count = known.sum(axis=0)
        mean = np.where(count > 0, np.where(known, part, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
        squares = np.where(known, part - mean, 0.0) ** 2
        error = np.sqrt(squares.sum(axis=0) / np.maximum(count - 1, 1) / np.maximum(count, 1))
        means.append(mean)
        errors.append(np.where(count > 1, error, np.nan))
        counts.append(count)
    return np.stack(means), np.stack(errors), np.stack(counts)


def modulation(
    aligned: np.ndarray, conditions: np.ndarray, names: Sequence[str], rng: np.random.Generator, repeats: int = 20
) -> np.ndarray:
    """Return cross-validated modulation [column]: the correlation, over bins and conditions, of means over two random
    halves of the trials, averaged over halvings. Noise alone gives 0 on average, however variable it is.

    Args:
        aligned: [trial, bin, column], NaN = not known.
        conditions: names [trial].
        names: of the conditions wanted; those with one trial are left out.
        rng: draws the halves.
        repeats: halvings.
    """
    wanted = [name for name in names if (conditions == name).sum() > 1]
    if not wanted:
        return np.full(aligned.shape[2], np.nan)
    found = np.zeros(aligned.shape[2])
    for _ in range(repeats):
        half = np.zeros(len(conditions), int)
        for name in wanted:
            trials = rng.permutation(np.flatnonzero(conditions == name))
            half[trials[: len(trials) // 2]] = 1
        first, second = (_centred(aligned[half == side], conditions[half == side], wanted) for side in (0, 1))
        norm = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
        found += np.divide((first * second).sum(axis=0), norm, out=np.zeros(norm.shape), where=norm > 0)
    return found / repeats


def _centred(aligned: np.ndarray, conditions: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return means by condition less the column's mean, [condition x bin, column]; 0 where nothing is known."""
    flat = by_condition(aligned, conditions, names)[0].reshape(-1, aligned.shape[2])
    known = np.isfinite(flat)
    mean = np.where(known, flat, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, flat - mean, 0.0)
