"""Inferred latents against running speed and against the true latents, whatever their gauge (cross-encoder, G.3).

A cross-encoder's latents are identified only up to an invertible affine map, so that the correlation of one latent
with running speed (the paper's Figure 4) is a matter of the map. The multiple R2 of speed on all latents is not: it
stands beside the correlations, cross-validated over blocks of time, with a null distribution from circular shifts
of the speed, and with the same score of as many principal components of the source neurons.
The null keeps the slow course of both series. It does not help against a common drift over the session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import uniform_filter1d

from calcium_latents.errors import UserError
from calcium_latents.recordings.missing import gaussian_mean

BLOCK_S, BUFFER_S = 10.0, 2.0  # G.1
FOLDS = 5
SHIFTS = 500
FEWEST_SHIFTS = 19  # fewer could not give p = 0.05
DECORRELATED = 0.1  # shifts begin at the lag where the autocorrelation of the speed has fallen to this
WINDOW_S = 1.2  # G.1: the encoder of spontaneous activity sees this much of the source neurons around a frame
COMPONENTS, TRUTH = "principal_components", "true_latents"  # named as models in the tables
ALL = "all"

RUN = ["dataset", "label", "model", "seed"]
SPEED_COLUMNS = (
    *RUN,
    "latent",
    "components",
    "correlation",
    "r2",
    "null_mean_r2",
    "null_95_r2",
    "p",
    "shifts",
    "first_shift_s",
    "blocks",
    "seconds",
)
RECOVERY_COLUMNS = (*RUN, "latent", "components", "r2", "test_samples")


@dataclass(frozen=True)
class Samples:
    """One run on the recording's grid, flattened to samples (frames or presentations) in the session's order.

    time [sample], s in the session; predictors [sample, component], NaN where the run has none; part [sample], 0
    training, 1 validation, 2 test, 3 in none.
    """

    time: np.ndarray
    predictors: np.ndarray
    part: np.ndarray


def align(recording: xr.Dataset, inferred: xr.Dataset, name: str = "inferred") -> Samples:
    """Put the factors of `inferred` on the grid of `recording`.

    Raises:
        UserError: factors or part are missing, or a sample of `inferred` has no bin in `recording`.
    """
    for variable in ("factors", "part"):
        if variable not in inferred:
            raise UserError(f"{name}: expected the variable {variable}, found {sorted(map(str, inferred.variables))}.")
    trials = recording.indexes["trial"].get_indexer(inferred["trial"].values)
    times, own = recording["time"].values, inferred["time"].values
    bins = np.abs(times[None] - own[:, None]).argmin(axis=1)
    if (trials < 0).any() or (np.abs(times[bins] - own) > 0.5 * recording.attrs["bin_width_s"]).any():
        raise UserError(f"{name}: expected trials and times of the recording, found others. Is it of this dataset?")
    shape = (recording.sizes["trial"], recording.sizes["time"])
    factors = np.full((*shape, inferred.sizes["factor"]), np.nan)
    part = np.full(shape, 3)
    factors[np.ix_(trials, bins)] = inferred["factors"].values
    part[np.ix_(trials, bins)] = inferred["part"].values
    return Samples(session_time(recording), factors.reshape(-1, factors.shape[-1]), part.ravel())


def session_time(recording: xr.Dataset) -> np.ndarray:
    """Return the start of every bin in the session [sample], s."""
    return (recording["trial_start"].values[:, None] + recording["time"].values[None]).ravel()


def principal_components(
    recording: xr.Dataset, source: np.ndarray, count: int, window_s: float = WINDOW_S
) -> np.ndarray:
    """Return the first `count` principal components of the source neurons [sample, count], as a baseline.

    Every neuron is scaled to unit variance. Spontaneous activity is first averaged over the window of frames that
    the cross-encoder sees (-L/2 .. L/2 - 1), without which the components would be at a disadvantage.
    Missing samples count as the neuron's mean. `source`: ids of the neurons, [source].
    """
    events = recording["events"].sel(neuron=source).values.astype(np.float64)
    mean = np.nanmean(events, axis=(0, 1))
    activity = np.nan_to_num(events - mean)
    frames = max(1, round(window_s / float(recording.attrs["bin_width_s"])))
    if frames > 1 and activity.shape[1] > 1:
        activity = uniform_filter1d(activity, frames, axis=1, mode="nearest")
    x = activity.reshape(-1, activity.shape[-1])
    x = x - x.mean(axis=0)
    deviation = x.std(axis=0)
    x = x / np.where(deviation > 0, deviation, 1.0)
    values, vectors = np.linalg.eigh(x.T @ x)
    return x @ vectors[:, ::-1][:, :count]


def block_folds(
    time: np.ndarray, folds: int = FOLDS, block_s: float = BLOCK_S, buffer_s: float = BUFFER_S
) -> tuple[np.ndarray, int]:
    """Deal blocks of time to folds in turn, with a buffer after each block that belongs to none (G.1).

    Args:
        time: [sample], s in the session.

    Returns:
        The fold of every sample [sample] (-1 in buffers), and the number of blocks.

    Raises:
        UserError: the session has fewer than two blocks.
    """
    since = np.asarray(time, float) - np.min(time) + 1e-9 * block_s
    block = np.floor(since / (block_s + buffer_s)).astype(int)
    inside = since - block * (block_s + buffer_s) < block_s
    present, number = np.unique(block[inside], return_inverse=True)
    if len(present) < 2:
        raise UserError(
            f"running speed: expected at least two blocks of {block_s:g} s with buffers of {buffer_s:g} s to "
            f"cross-validate over, found a session of {np.ptp(time):.3g} s. Give a longer one."
        )
    fold = np.full(len(since), -1)
    fold[inside] = number % min(folds, len(present))
    return fold, len(present)


def cross_validated_r2(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the R2 [target] of linear regressions of the columns of y on all of x, over samples that were left out.

    It does not change under invertible affine maps of x, nor when columns of x come twice. NaN where y is constant.

    Args:
        x: [sample, component], y: [sample, target], finite; fold: [sample], -1 is left out altogether.
    """
    return _held_out_r2(
        x, y, [((fold >= 0) & (fold != number), fold == number) for number in np.unique(fold[fold >= 0])]
    )


def _held_out_r2(x: np.ndarray, y: np.ndarray, splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return R2 = 1 - sum of squared errors / sum of squares about the training mean, [target], pooled over splits.

    Least squares with intercept; `splits`: training and test samples, [sample] each.
    """
    error, total = np.zeros((2, y.shape[1]))
    for training, test in splits:
        x_mean, y_mean, scale = x[training].mean(axis=0), y[training].mean(axis=0), x[training].std(axis=0)
        scaled = (x - x_mean) / np.where(scale > 0, scale, 1.0)
        # small singular values are directions that x does not have, such as those of a column that comes twice
        weights = np.linalg.pinv(scaled[training], rcond=1e-9) @ (y[training] - y_mean)
        error += ((y[test] - (scaled[test] @ weights + y_mean)) ** 2).sum(axis=0)
        total += ((y[test] - y_mean) ** 2).sum(axis=0)
    return 1 - np.divide(error, total, out=np.full(len(total), np.nan), where=total > 0)


def first_shift(y: np.ndarray, level: float = DECORRELATED) -> int:
    """Return the first lag at which the autocorrelation of y [sample] is at most `level`; at most a quarter of it."""
    centred = y - y.mean()
    covariance = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * len(y))) ** 2)[: len(y)]
    below = np.flatnonzero(covariance[1:] <= level * covariance[0])
    return int(min(below[0] + 1 if len(below) else len(y), max(len(y) // 4, 1)))


def shifted(y: np.ndarray, shifts: int = SHIFTS) -> np.ndarray:
    """Return circularly shifted copies of y [sample], [sample, shift], at even steps beyond its autocorrelation.

    Fewer than `shifts` where the session has no more.
    """
    first = first_shift(y)
    steps = np.unique(np.linspace(first, len(y) - first, shifts).round().astype(int))
    return np.stack([np.roll(y, step) for step in steps], axis=1)


def multiple_r2(x: np.ndarray, y: np.ndarray, time: np.ndarray, shifts: int = SHIFTS) -> dict[str, float]:
    """Return the cross-validated R2 of y [sample] on x [sample, component], and its null from shifted y.

    p = (1 + number of shifted R2 at least as large) / (1 + shifts); NaN with fewer than `FEWEST_SHIFTS` shifts or a
    constant y. Samples with missing values are left out. `time`: of the samples, s, [sample].

    Returns:
        r2, null_mean_r2, null_95_r2 (95th percentile), p, shifts, first_shift_s, blocks.
    """
    valid = np.isfinite(y) & np.isfinite(x).all(axis=1)
    x, y, time = x[valid], y[valid], time[valid]
    fold, blocks = block_folds(time)
    copies = shifted(y, shifts)
    r2 = float(cross_validated_r2(x, y[:, None], fold)[0])
    pieces = [cross_validated_r2(x, copies[:, i : i + 100], fold) for i in range(0, copies.shape[1], 100)]
    null = np.concatenate(pieces)
    known = np.isfinite(r2) and np.isfinite(null).all() and len(null) >= FEWEST_SHIFTS
    return {
        "r2": r2,
        "null_mean_r2": float(null.mean()) if known else np.nan,
        "null_95_r2": float(np.quantile(null, 0.95)) if known else np.nan,
        "p": float((1 + (null >= r2).sum()) / (1 + len(null))) if known else np.nan,
        "shifts": len(null),
        "first_shift_s": first_shift(y) * float(np.median(np.diff(time))),
        "blocks": blocks,
    }


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two series [sample] where both are finite; NaN where one is constant."""
    valid = np.isfinite(first) & np.isfinite(second)
    a, b = first[valid] - first[valid].mean(), second[valid] - second[valid].mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else np.nan


def running_speed_table(
    recording: xr.Dataset,
    runs: Mapping[tuple[str, int], xr.Dataset],
    dataset: str,
    label: str,
    shifts: int = SHIFTS,
) -> pd.DataFrame:
    """Relate the latents of every run, and principal components of its source neurons, to running speed.

    True latents, where there are some, come as one more model ("true_latents"). Speed need not be linear in them, so
    that components of rectified activity can relate to it more closely.

    Args:
        recording: with the variable running_speed(trial, time), cm/s; without it, or with stimuli, the table has no
            rows.
        runs: (model, seed) -> Inferred with factors, part and source_neuron.

    Returns:
        Columns `SPEED_COLUMNS`: a row with latent "all" for each run (multiple R2 of all latents, no correlation)
        and one for each latent (its correlation, and the R2 of that latent alone, with its own null).
    """
    rows = []
    for (model, seed), samples in (with_baselines(recording, runs) if has_speed(recording) else {}).items():
        rows += _speed_rows(
            recording, samples, {"dataset": dataset, "label": label, "model": model, "seed": seed}, shifts
        )
    if rows and "latents" in recording:
        truth = recording["latents"].values.astype(np.float64).reshape(-1, recording.sizes["latent"])
        samples = Samples(session_time(recording), truth, np.zeros(len(truth)))
        run = {"dataset": dataset, "label": label, "model": TRUTH, "seed": min(seed for _, seed in runs)}
        rows += _speed_rows(recording, samples, run, shifts)
    return pd.DataFrame(rows, columns=list(SPEED_COLUMNS))


def has_speed(recording: xr.Dataset) -> bool:
    """Say whether latents can be related to running speed: in a recording of spontaneous activity that has it."""
    return "running_speed" in recording and recording.attrs.get("paradigm") != "stimulus"


def _speed_rows(recording: xr.Dataset, samples: Samples, run: Mapping, shifts: int) -> list[dict]:
    x, speed = samples.predictors, recording["running_speed"].values.astype(np.float64).ravel()
    rows = []
    for name in (ALL, *range(x.shape[1])):
        columns = x if name == ALL else x[:, [name]]
        used = np.isfinite(columns).all(axis=1) & np.isfinite(speed)
        row = {"latent": str(name), "components": x.shape[1], "seconds": used.sum() * recording.attrs["bin_width_s"]}
        row["correlation"] = np.nan if name == ALL else correlation(x[:, name], speed)
        rows.append(dict(run) | row | multiple_r2(columns, speed, samples.time, shifts))
    return rows


def latent_recovery_table(
    recording: xr.Dataset, runs: Mapping[tuple[str, int], xr.Dataset], dataset: str, label: str
) -> pd.DataFrame:
    """Return R2 of each true latent by affine regression on the inferred ones, and on principal components.

    The map is fitted on the run's training and validation samples and scored on its test samples.

    Returns:
        Columns `RECOVERY_COLUMNS`; no rows without true latents, NaN without samples of a part.
    """
    rows = []
    if "latents" in recording:
        truth = recording["latents"].values.astype(np.float64).reshape(-1, recording.sizes["latent"])
        for (model, seed), samples in with_baselines(recording, runs).items():
            r2, count = affine_r2(samples.predictors, truth, samples.part)
            for name, value in zip(recording["latent"].values, r2, strict=True):
                row = {"latent": str(name), "components": samples.predictors.shape[1], "r2": value}
                run = {"dataset": dataset, "label": label, "model": model, "seed": seed}
                rows.append(run | row | {"test_samples": count})
    return pd.DataFrame(rows, columns=list(RECOVERY_COLUMNS))


def affine_r2(x: np.ndarray, y: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the R2 [target] of y on x for samples of part 2, fitted on parts 0 and 1, and the number of those samples.

    x [sample, component], y [sample, target], part [sample].
    """
    valid = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    training, test = valid & (part < 2), valid & (part == 2)
    if not (training.any() and test.any()):
        return np.full(y.shape[1], np.nan), int(test.sum())
    return _held_out_r2(x, y, [(training, test)]), int(test.sum())


def with_baselines(recording: xr.Dataset, runs: Mapping[tuple[str, int], xr.Dataset]) -> dict[tuple[str, int], Samples]:
    """Align every run, and add principal components of the source neurons: as many as the run of that seed has.

    Models of one seed share their source neurons; the first model (in order of names) lends number and neurons.
    """
    aligned, baselines = {}, {}
    for (model, seed), inferred in sorted(runs.items()):
        samples = align(recording, inferred, f"{model}, seed {seed}: output.nc")
        aligned[(model, seed)] = samples
        if (COMPONENTS, seed) not in baselines and "source_neuron" in inferred:
            count = samples.predictors.shape[1]
            components = principal_components(recording, inferred["source_neuron"].values, count)
            baselines[(COMPONENTS, seed)] = Samples(samples.time, components, samples.part)
    return aligned | baselines


def display_smoothing(values: np.ndarray, bin_width_s: float, deviation_s: float = 1.0) -> np.ndarray:
    """Smooth values [..., sample] with a Gaussian of standard deviation `deviation_s`, for display only (G.3).

    Missing samples stay missing and do not spread.
    """
    smooth = gaussian_mean(values, deviation_s / bin_width_s, mode="nearest")
    return np.where(np.isfinite(values), smooth, np.nan)


def latents_for_display(
    recording: xr.Dataset, runs: Mapping[tuple[str, int], xr.Dataset], longest: int = 6000
) -> xr.Dataset:
    """Collect what Figure 4 draws: z-scored latents of every run, running speed and true latents.

    Returns:
        Dataset with dims run, sample, latent (and true_latent): latents [run, sample, latent] in standard
        deviations over the session, NaN where a run has fewer latents; model, seed, components [run]; time [sample]
        (s in the session); running_speed [sample], cm/s, and true_latents [sample, true_latent] where the recording
        has them. At most the first `longest` samples.
    """
    aligned = {run: align(recording, inferred, f"{run[0]}, seed {run[1]}") for run, inferred in sorted(runs.items())}
    most = max(samples.predictors.shape[1] for samples in aligned.values())
    z = np.full((len(aligned), min(len(session_time(recording)), longest), most), np.nan, np.float32)
    for row, samples in enumerate(aligned.values()):
        x = samples.predictors
        deviation = np.nanstd(x, axis=0)
        scaled = (x - np.nanmean(x, axis=0)) / np.where(deviation > 0, deviation, 1.0)
        z[row, :, : x.shape[1]] = scaled[:longest]

    def described(dims, values, units, long_name):
        return dims, values, {"units": units, "long_name": long_name}

    counts = np.array([samples.predictors.shape[1] for samples in aligned.values()], np.int32)
    variables = {
        "latents": described(("run", "sample", "latent"), z, "1", "inferred latents, z-scored over the session"),
        "model": described(("run",), np.array([model for model, _ in aligned], object), "1", "model"),
        "seed": described(("run",), np.array([seed for _, seed in aligned], np.int32), "1", "seed"),
        "components": described(("run",), counts, "1", "number of latents"),
        "time": described(("sample",), session_time(recording)[:longest], "s", "time in the session"),
    }
    if has_speed(recording):
        speed = recording["running_speed"].values.ravel()[:longest].astype(np.float32)
        variables["running_speed"] = described(("sample",), speed, "cm/s", "running speed")
    if "latents" in recording:
        truth = recording["latents"].values.reshape(-1, recording.sizes["latent"])[:longest].astype(np.float32)
        variables["true_latents"] = described(("sample", "true_latent"), truth, "1", "true latent states")
    dataset = xr.Dataset(variables)
    for name in ("paradigm", "true_latent_size", "bin_width_s"):
        if name in recording.attrs:
            dataset.attrs[name] = recording.attrs[name]
    return dataset
