"""A real recording through RADICaL: events, inferred event rates, factors, and the likelihood of held-out
samples.

Inputs:
    recording: events.nc (windows or trials) or deconvolved.nc (continuous, one trial).
    inferred: the model's output.nc on these windows, or on one continuous trial.
    held_out (optional): CSV of `metrics.held_out_scores.compare_held_out` with the reference "constant" and, to be
        told which baselines the model beats, with the others.
    training (optional): the model's metrics.csv.
    configuration (optional): the model's config.yaml.
"""

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_runs, read_tables
from calcium_latents.recordings import read_recording
from calcium_latents.recordings.inferred import training_warnings
from calcium_latents.recordings.windows import stitch_windows
from calcium_latents.studies.recordings.figures.training_panel import draw_training, tabulate_training
from calcium_latents.studies.recordings.study import BASELINES
from calcium_latents.studies.recordings.verdict import verdict

INPUTS = {"recording": "{recording}/events.nc", "inferred": "{recording}/{first_run}/output.nc"}
OPTIONAL_INPUTS = {
    "held_out": "{held_out}/held_out_comparison.csv",
    "training": "{recording}/{first_run}/metrics.csv",
    "configuration": "{recording}/{first_run}/config.yaml",
}
EACH = ("recording", "held_out")
SHOWN_S = 20.0
SHOWN_FACTORS = 5
CONSTANT = "constant"
#: likelihood -> panel and title
LIKELIHOODS = {"zero_inflated_gamma": ("d", "event and its size"), "bernoulli": ("e", "event or none")}
TRAINING = "f"
HELD_OUT_COLUMNS = [
    *("likelihood", "model", "reference", "bits_per_event", "lower_bits", "upper_bits", "windows", "events"),
]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the comparison of held-out samples, with whether a method beats a baseline (its paired interval lies above
    0), and the validations while training; empty without `held_out` and `training`."""
    parts = [tabulate_training(inputs).assign(panel=TRAINING)]
    if inputs.get("held_out"):
        read = read_tables(inputs, "held_out", HELD_OUT_COLUMNS)
        table = read[[*HELD_OUT_COLUMNS, *read.columns.intersection(["description"])]]
        panels = table["likelihood"].map({name: panel for name, (panel, _) in LIKELIHOODS.items()})
        beats = (table["lower_bits"] > 0) & table["reference"].isin(BASELINES)
        parts.insert(0, table.assign(panel=panels, beats=beats))
    columns = ["panel", *dict.fromkeys(name for part in parts for name in part.columns if name != "panel")]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).reindex(columns=columns)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    recording = read_recording(inputs["recording"][0], ["events", "trial_start"])
    runs = read_runs(inputs, ("event_rate", "factors", "trial_start", "trial_stop"))
    name = style.in_order(runs)[0]
    run = runs[name]
    warnings, shown_s = training_warnings(run), _middle(recording)
    time, neuron, sizes = _events(recording, shown_s)
    run = _continuous(run, shown_s)
    rate, rate_time = run["event_rate"].values, run["time"].values
    order = _order(rate)
    scores, training = table[table["panel"] != TRAINING], table[table["panel"] == TRAINING]
    below = 0.0 if not len(table) else 1.7 if not len(scores) else 1.2 + 0.18 * scores["model"].nunique()
    fig = style.figure(5.2 + below)
    parts = fig.subfigures(2, 1, height_ratios=[5.2, below]) if below else [fig]
    rows = [2.0, 2.0, 1.6] if "factors" in run else [2.0, 2.0]
    axes = parts[0].subplots(len(rows), 1, sharex=True, height_ratios=rows)
    row = np.argsort(order, kind="stable")[neuron]
    area = 0.4 + 2.5 * np.minimum(sizes / np.percentile(sizes, 95), 1) if len(sizes) else 1
    axes[0].scatter(time, row, s=area, c=style.BLACK, linewidths=0, rasterized=True)
    axes[0].set(
        ylim=(rate.shape[1], 0),
        ylabel="neuron",
        title=f"deconvolved events (dot area: size); {rate.shape[1]} neurons, by time of peak rate",
    )
    shown = rate[:, order].T
    scale = np.maximum(np.nanpercentile(shown, 99, axis=1), 1e-9)[:, None]
    edges = (rate_time[0], 2 * rate_time[-1] - rate_time[-2], len(shown), 0)
    image = axes[1].imshow(shown / scale, aspect="auto", extent=edges, cmap="viridis", vmin=0, vmax=1)
    axes[1].set(ylabel="neuron", title=f"event rates inferred by {style.label(name)}")
    parts[0].colorbar(image, ax=axes[1], label="rate / 99th\npercentile", fraction=0.02, pad=0.01)
    if "factors" in run:
        factors = run["factors"].values
        leading = np.argsort(-np.nanvar(factors, axis=0), kind="stable")[:SHOWN_FACTORS]
        factors = factors[:, leading]
        scaled = (factors - np.nanmean(factors, axis=0)) / np.nanstd(factors, axis=0)
        for index in range(len(leading)):
            axes[2].plot(rate_time, scaled[:, index] - 5 * index, color=style.PURPLE, lw=0.8)
        axes[2].set(
            yticks=[-5 * index for index in range(len(leading))],
            yticklabels=[str(int(f)) for f in leading],
            ylabel="factor",
            title=f"the {len(leading)} factors that vary most, z-scored",
        )
    axes[-1].set(xlabel="time in the session (s)", xlim=shown_s)
    for axis, letter in zip(axes, "abc", strict=False):
        style.panel_letter(axis, letter, x=-0.045, y=1.02)
    said = [f"Warning: {text}." for text in warnings]
    if len(scores):
        unbroken = re.sub(r", (?=[-\d.]+\])", ",\N{NO-BREAK SPACE}", verdict(scores).sentence())  # intervals unbroken
        said.insert(0, unbroken)
    if said:
        fig.suptitle("\n".join(textwrap.fill(line, 90) for line in said), fontsize=8, fontweight="bold")
    if below:
        _below(parts[1], scores, training)
    return style.save(fig, output_stem)


def _middle(recording: xr.Dataset) -> tuple[float, float]:
    """Return the stretch of the session that is shown (s): `SHOWN_S` around its middle."""
    start, time = recording["trial_start"].values, recording["time"].values
    # the middle trial's: between trials, or in a gap, there may be nothing to see
    middle = start[start.size // 2] + (time[0] + time[-1]) / 2
    return max(middle - SHOWN_S / 2, start[0] + time[0]), min(middle + SHOWN_S / 2, start[-1] + time[-1])


def _events(recording: xr.Dataset, shown: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time in the session (s), neuron and size of the events shown (repeated in overlaps)."""
    trial, at, neuron = np.nonzero(np.nan_to_num(recording["events"].values) > 0)
    time = recording["trial_start"].values[trial] + recording["time"].values[at]
    keep = (time >= shown[0]) & (time <= shown[1])
    return time[keep], neuron[keep], recording["events"].values[trial, at, neuron][keep]


def _continuous(run: xr.Dataset, shown: tuple[float, float]) -> xr.Dataset:
    """Return the run over the stretch shown, its windows joined; NaN where no trial was."""
    if run.sizes["trial"] > 1 and "trial_start" in run:
        start, length = run["trial_start"].values, float(np.ptp(run["time"].values))
        inside = np.flatnonzero((start + length >= shown[0]) & (start <= shown[1]))
        run = stitch_windows(run.isel(trial=inside), 0.0)
        time = run["time"].values
    else:
        time = run["time"].values + (float(run["trial_start"][0]) if "trial_start" in run else 0.0)
    keep = np.flatnonzero((time >= shown[0]) & (time <= shown[1]))
    return run.isel(trial=0, time=keep).assign_coords(time=time[keep])


def _order(rate: np.ndarray) -> np.ndarray:
    return np.argsort(np.nanargmax(np.where(np.isfinite(rate), rate, -1.0), axis=0), kind="stable")


def _below(fig, scores: pd.DataFrame, training: pd.DataFrame) -> None:
    """Panels d, e: gain over the constant rate of each neuron, in bits per held-out event; f: training."""
    shown = list(LIKELIHOODS) if len(scores) else []
    widths = [1.0] * len(shown) + [0.9] * (len(training) > 0)
    axes = list(fig.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])
    for axis, likelihood in zip(axes, shown, strict=False):
        letter, title = LIKELIHOODS[likelihood]
        part = scores[scores["likelihood"] == likelihood]
        _gains(axis, part, f"{title}\n{_summary(part, verdict(scores).model)}".strip(), named=axis is axes[0])
        style.panel_letter(axis, letter, x=-0.03)
    if len(training):
        draw_training(axes[-1], training)
        style.panel_letter(axes[-1], TRAINING, x=-0.03)
    if len(scores):
        row = scores.iloc[0]
        fig.supxlabel(
            f"d, e: gain over a constant rate; 95 % paired bootstrap over {int(row['windows'])} windows;"
            f" {int(row['events'])} held-out events; baselines: event sizes constant per neuron",
            fontsize=6,
            color="0.3",
        )


def _gains(axis, table: pd.DataFrame, title: str, named: bool) -> None:
    part = table[table["reference"] == CONSTANT].set_index("model")
    references = [name for name in BASELINES if name in set(table["reference"])]
    models = [*style.in_order(set(part.index) - set(references)), *references]
    low, high = _limits(part, references)
    for y, model in enumerate(models):
        value, lower, upper = part.loc[model, ["bits_per_event", "lower_bits", "upper_bits"]]
        axis.errorbar(value, y, xerr=[[value - lower], [upper - value]], capsize=2, **style.appearance(model, models))
        text = f"{value:+.3f}" if model != CONSTANT else "0"
        at = float(np.clip(value, low, high))
        axis.text(at, y - 0.18, text, ha="center", va="bottom", fontsize=5.5)
    axis.axvline(0, color="0.4", lw=0.8, ls=":", zorder=0)
    axis.set(
        yticks=range(len(models)),
        ylim=(len(models) - 0.6, -0.8),
        xlim=(low, high),
        title=title,
        xlabel="gain (bits per event)",
    )
    axis.set_yticklabels([style.label(model) for model in models] if named else [])


def _limits(gains: pd.DataFrame, references: list[str]) -> tuple[float, float]:
    """Range of gains: all intervals, but for a method so bad that it would squeeze the others into a line."""
    width = (gains["upper_bits"] - gains["lower_bits"]).max()
    compared = gains[gains.index.isin(references)]
    reach = max(4 * float(np.abs(compared[["lower_bits", "upper_bits"]].to_numpy()).max()), width, 1e-3)
    low, high = max(gains["lower_bits"].min(), -reach), min(gains["upper_bits"].max(), reach)
    pad = 0.12 * max(high - low, 1e-3)
    return min(low, 0) - pad, max(high, 0) + pad


def _summary(table: pd.DataFrame, model: str) -> str:
    """Say which baselines the model does not beat."""
    rows = table[(table["model"] == model) & table["reference"].isin(BASELINES)]
    if rows.empty:
        return ""
    model, unbeaten = style.label(model), style.in_order(rows.loc[~rows["beats"].astype(bool), "reference"])
    if not unbeaten:
        return f"{model} beats all baselines"
    if len(unbeaten) == len(rows):
        return f"{model} beats no baseline"
    if len(unbeaten) > 2:
        return f"{model} does not beat {len(unbeaten)} of {len(rows)}"
    return f"{model} does not beat:\n" + ", ".join(name.removeprefix("smoothed ") for name in unbeaten)
