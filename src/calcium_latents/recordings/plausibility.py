"""What a user's traces look like before anything is made of them: one table, said once, at import.

Nothing is changed by it. What it measures, and from where on it doubts (our choices; each is held by a test):

- sampling rate: frames per second, .5 to 200; duration: 30 s to 12 h.
- missing samples: at most 5 % of all.
- repeated frames: a frame equal to the one before in every neuron; none.
- identical traces: neurons whose samples are all equal; none.
- saturation: neurons with over .1 % (and five or more) of their samples exactly at their maximum; none.
- size of dF/F, as in the file or made of raw fluorescence: the median over neurons of each one's median |dF/F|, at most
  2; neurons whose maximum exceeds 30; none.
- z-scored: mean below .01 sd and sd within 1 % of 1, in most neurons; mean-centred: the mean alone.
- baseline: the level of rest of dF/F, in most neurons: at most two sd below 0, and at most .2 or five sd above.
- trend: change of the baseline over the session, median over neurons, by a straight line; at most 20 %.
- brightness step: two stretches of the session at different baselines, next to each other; none.

See `trace_measures` for the level of rest and the noise. Which neurons are silent is for deconvolution to say.
"""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.fields import fail, named_neurons
from calcium_latents.recordings.missing import bridge
from calcium_latents.recordings.on_disk import Columns
from calcium_latents.recordings.trace_measures import Measured, blocks, measure

COLUMNS = ("check", "found", "expected", "verdict", "advice")
ATTRIBUTE = "plausibility"
FINE, DOUBTFUL = "fine", "doubtful"
RAW_DFF = 20.0  # median |dF/F| of no indicator
LARGEST = 30  # dF/F
NEXT = 4  # stretches on either side of a step
SHORTEST = 20  # stretches of a session whose steps can be told


class Row(NamedTuple):
    """One check in words."""

    check: str
    found: str
    expected: str
    doubtful: bool
    advice: str


def plausibility(
    values: np.ndarray | Columns,
    sampling_rate_hz: float,
    dff: np.ndarray | Columns | None = None,
    neurons: np.ndarray | None = None,
    left_out: str = "",
    path: str = "traces",
) -> pd.DataFrame:
    """Return the table of checks; see the module's docstring.

    Args:
        values: [frame, neuron], as in the file; NaN = not sampled.
        sampling_rate_hz: frames per second.
        dff: [frame, neuron], made of the values where these are raw fluorescence; None where they are dF/F.
        neurons: [neuron], their numbers in the file; default 0, 1, ...
        left_out: which neurons of the file are not among them, and why, in words.
        path: names the file in messages.

    Returns:
        Columns check, found, expected, verdict (fine or doubtful), advice: text, a row a check.

    Raises:
        UserError: no indicator gives dF/F of that size.
    """
    numbers = np.arange(values.shape[1]) if neurons is None else np.asarray(neurons)
    found, is_dff = measure(values, sampling_rate_hz), dff is None
    if is_dff and np.median(found.size) > RAW_DFF:
        raw = np.mean(found.rest > 5 * found.noise) > 0.5
        advice = "`is_dff: false`, so that dF/F is made of them" if raw else "dF/F as a share of F0, not in per cent"
        looks = "raw fluorescence, far above 0 throughout" if raw else "dF/F in per cent"
        size = f"a median |dF/F| of {np.median(found.size):.4g}: this looks like {looks}"
        fail(path, "is_dff", f"dF/F, of which the median is far below {RAW_DFF:g}", size, f"Give {advice}.")
    rows = [
        *_session(found, len(values), sampling_rate_hz, numbers, left_out),
        _repeated(found.repeated, len(values)),
        _identical(found, numbers),
        _saturated(found, numbers),
        *(_dff(found, numbers) if dff is None else _raw(found, dff, numbers)),
        *_slow(found, len(values) / sampling_rate_hz, is_dff),
    ]
    table = pd.DataFrame([(*row[:3], DOUBTFUL if row.doubtful else FINE, row.advice) for row in rows], columns=COLUMNS)
    table.loc[table["verdict"] == FINE, "advice"] = ""
    return table


def stored(table: pd.DataFrame) -> dict[str, str]:
    """Return the table as an attribute of a recording."""
    return {ATTRIBUTE: table.to_json(orient="records")}


def plausibility_table(recording: xr.Dataset) -> pd.DataFrame | None:
    """Return the table that was stored in a recording when it was imported, or None."""
    text = recording.attrs.get(ATTRIBUTE)
    return None if text is None else pd.DataFrame(json.loads(text), columns=COLUMNS)


def in_words(table: pd.DataFrame) -> str:
    """Return the table for a log: a line a check, with advice below what is doubtful."""
    lines = []
    for row in table.itertuples():
        lines.append(f"{row.verdict:9}{row.check}: {row.found} (expected: {row.expected})")
        lines += [f"{'':9}{row.advice}"] if row.advice else []
    doubtful = int((table["verdict"] == DOUBTFUL).sum())
    return "\n".join([f"Plausibility: {doubtful} of {len(table)} checks doubtful", *lines])


def _session(found: Measured, frames: int, rate: float, numbers: np.ndarray, left_out: str) -> list[Row]:
    seconds = frames / rate
    missing = found.missing.sum() / max(frames * numbers.size, 1)
    worst = numbers[np.argsort(-found.missing, kind="stable")[: int((found.missing > 0.05 * frames).sum())]]
    return [
        Row("neurons", f"{numbers.size}" + (f"; left out: {left_out}" if left_out else ""), "1 or more", False, ""),
        Row(
            "sampling rate",
            f"{rate:.6g} Hz",
            "0.5 to 200 Hz",
            not 0.5 <= rate <= 200,
            "Correct sampling_rate_hz: imaging frames per second of each plane.",
        ),
        Row(
            "duration",
            f"{seconds:.6g} s ({frames} frames)",
            "30 s to 12 h",
            not 30 <= seconds <= 43200,
            "Look whether the sampling rate and the orientation of the matrix are right.",
        ),
        Row(
            "missing samples",
            f"{missing:.2%}" + (f", most in {named_neurons(worst)}" if worst.size else ""),
            "at most 5 %",
            missing > 0.05,
            "Leave out neurons that were not seen throughout, or cut the session.",
        ),
    ]


def _repeated(count: int, frames: int) -> Row:
    return Row(
        "repeated frames",
        f"{count} of {frames} are as the one before",
        "none",
        count > 0,
        "Import the traces at the rate at which they were taken, not resampled; lost frames are better missing (NaN).",
    )


def _identical(found: Measured, numbers: np.ndarray) -> Row:
    first = dict(zip(found.digest[::-1], numbers[::-1], strict=True))  # the first of those that are the same
    copies = [(number, first[own]) for number, own in zip(numbers, found.digest, strict=True) if first[own] != number]
    said = ", ".join(f"{one} as {other}" for one, other in copies[:8]) + (", ..." if len(copies) > 8 else "")
    return Row(
        "identical traces",
        said or "none",
        "none",
        bool(copies),
        "A cell counted twice predicts itself: `neurons: usable` leaves the later ones out.",
    )


def _saturated(found: Measured, numbers: np.ndarray) -> Row:
    share = found.at_maximum / np.maximum(found.samples, 1)
    chosen = (found.at_maximum >= 5) & (share > 0.001)
    said = (
        f"{named_neurons(numbers[chosen])}, up to {share.max():.1%} of samples at the maximum" if chosen.any() else ""
    )
    return Row(
        "saturation",
        said or "none",
        "no value that is reached again and again",
        bool(chosen.any()),
        "Large transients are cut off: lower the gain or the laser's power, or leave these neurons out.",
    )


def _dff(found: Measured, numbers: np.ndarray) -> list[Row]:
    size, largest = float(np.median(found.size)), found.maximum > LARGEST
    centred = _centred(found)
    scored = float(np.mean(centred & (np.abs(found.sd - 1) < 0.01)))
    mean_free = float(np.mean(centred))
    rest = found.rest / np.maximum(found.noise, 1e-12)
    below, above = float(np.mean(rest < -2)), float(np.mean((rest > 5) & (found.rest > 0.2)))
    maximum = f"{np.median(found.maximum):.3g}"
    return [
        Row(
            "size of dF/F",
            f"median |dF/F| {size:.3g}, median of maxima {maximum}{_above(numbers[largest])}",
            f"at most 2, and no maximum above {LARGEST}",
            size > 2 or bool(largest.any()),
            "dF/F in per cent must be divided by 100; raw fluorescence needs `is_dff: false`; in single neurons the"
            " baseline may be near 0.",
        ),
        Row(
            "zero of dF/F",
            f"{scored:.0%} of neurons z-scored, {mean_free:.0%} with the mean at 0",
            "the zero at rest",
            max(scored, mean_free) > 0.5,
            "Import dF/F, or raw fluorescence with `is_dff: false`: deconvolution may take no baseline below 0 and then"
            " loses events.",
        ),
        Row(
            "baseline",
            f"median {np.median(found.rest):.3g}; below 0 in {below:.0%} of neurons, far above in {above:.0%}",
            "about 0 in most neurons",
            below > 0.5 or above > 0.5,
            "Below 0: take off the level at rest, not the mean. Far above: F/F0 needs 1 taken off, raw fluorescence"
            " `is_dff: false`.",
        ),
    ]


def _raw(found: Measured, dff: np.ndarray | Columns, numbers: np.ndarray) -> list[Row]:
    maximum = np.concatenate([np.fmax.reduce(traces, axis=1) for traces in blocks(dff)])
    largest = maximum > LARGEST
    return [
        Row(
            "size of dF/F",
            f"median of maxima {np.median(maximum):.3g}" + _above(numbers[largest]),
            f"no maximum above {LARGEST}",
            bool(largest.any()),
            "The baseline is near 0, or was lost to the neuropil: leave these neurons out, or lower `neuropil`.",
        ),
    ]


def _above(numbers: np.ndarray) -> str:
    return f"; above {LARGEST}: {named_neurons(numbers)}" if numbers.size else ""


def _slow(found: Measured, seconds: float, is_dff: bool) -> list[Row]:
    """Check the course of the baseline: a step, and the trend without it, in % of F0."""
    expected_step, expected_trend = "none", "within 20 % over the session"
    baseline = bridge(found.baseline.T).T
    middle = np.median(baseline, axis=1, keepdims=True)
    level = middle + is_dff  # F0: dF/F of 0 is F0 itself
    bright = level[:, 0] > 0
    if baseline.shape[1] < SHORTEST or not bright.any() or (is_dff and np.mean(_centred(found)) > 0.5):
        said = "not told: a short session, or traces without a zero"
        return [Row("brightness step", said, expected_step, False, ""), Row("trend", said, expected_trend, False, "")]
    course = np.median(((baseline - middle) / level)[bright], axis=0)
    at = _step(baseline / np.maximum(found.noise, 1e-12)[:, None])
    said = "none"
    if at is not None:
        jump = float(np.median(course[at : at + NEXT]) - np.median(course[at - NEXT : at]))
        course[at:] -= jump
        said = f"{round(100 * jump):+d} % after {at / course.size * seconds:.4g} s"
    line = np.polyfit(np.arange(course.size), course, 1)
    start, end = 1 + np.polyval(line, [0, course.size - 1])
    change = float(end / start - 1)
    step_advice = "Enter the parts as recordings of their own, or make dF/F of each part by itself."
    trend_advice = (
        "Bleaching or drift: raw fluorescence with `is_dff: false` gets a running baseline, which follows it."
    )
    return [
        Row("brightness step", said, expected_step, at is not None, step_advice),
        Row("trend", f"{round(100 * change):+d} %", expected_trend, abs(change) > 0.2, trend_advice),
    ]


def _step(course: np.ndarray) -> int | None:
    """Return the stretch before which there is a step in baselines [neuron, stretch] in sd of the noise, or None.

    A step is a difference of four stretches before and four after that is there within two and stands out from what
    baselines do elsewhere: in the median over neurons by a factor of 8, or, since some may become brighter and others
    darker, in the median of absolute differences by 3. The latter is over one sd.
    """
    places = np.arange(NEXT, course.shape[1] - NEXT + 1)
    means = np.stack([np.median(course[:, at : at + NEXT], axis=1) for at in range(course.shape[1] - NEXT + 1)])
    differences = means[NEXT:] - means[:-NEXT]  # [place, neuron]
    sizes, common = np.median(np.abs(differences), axis=1), np.abs(np.median(differences, axis=1))
    best = int(np.argmax(sizes))
    at = int(places[best])
    within = np.median(np.abs(course[:, min(at + 1, course.shape[1] - 1)] - course[:, at - 1]))
    outstanding = sizes[best] > 3 * np.median(sizes) or common[best] > 8 * np.median(common)
    return at if sizes[best] > 1 and outstanding and within > 0.7 * sizes[best] else None


def _centred(found: Measured) -> np.ndarray:
    """Return [neuron], whether the mean is at 0."""
    return np.abs(found.mean) < 0.01 * np.maximum(found.sd, 1e-12)
