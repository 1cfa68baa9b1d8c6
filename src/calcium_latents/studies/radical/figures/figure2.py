"""RADICaL Figure 2: example trials, recovered Z, and R2 of Z against frequency.

Inputs:
    recording: events.nc of the example dataset (firing_rate, spikes, events).
    inferred: output.nc of the example dataset, one per method (radical with factors; others optional).
    predictions: predictions.nc of `evaluate`, one per dataset; up to three speeds are shown in b.
    scores: scores.csv, one per dataset.
    paper: what the paper states.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.claims.paper import PaperValue, paper_values
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_predictions, read_runs, read_tables
from calcium_latents.figures.panels import tidy
from calcium_latents.recordings import read_recording
from calcium_latents.studies.radical.figures.recovery_panel import draw_recovery
from calcium_latents.studies.radical.recovery import SCORE_COLUMNS, recovery, typical_trial

INPUTS = {
    "recording": "{activity}/events.nc",
    "inferred": "{activity}/{runs}/output.nc",
    "predictions": "{examples}/predictions.nc",
    "scores": "{run}/scores.csv",
    "paper": "config/papers/radical.yaml",
}
SOON = True  # the figure that readers of the paper know; see `planning.order`
TRACED = ("radical", "autolfads", "smth-dec")
EXAMPLE_NEURONS = 4


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the trials shown in b (`value`: squared error of Z relative to its variance), and `recovery` of Z."""
    scores = read_tables(inputs, "scores", SCORE_COLUMNS)
    chosen = _shown_speeds(read_predictions(inputs), paper_values(inputs))
    model, *_ = _shown_methods(chosen)
    trials = [(*typical_trial(data, model), float(data.attrs["frequency_hz"])) for data in chosen]
    examples = pd.DataFrame(trials, columns=["trial", "value", "frequency_hz"]).assign(latent="Z", model=model)
    return tidy({"b": examples, "c": recovery(scores[scores["latent"] == "Z"])})


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    recording = read_recording(inputs["recording"][0], ["firing_rate", "spikes", "events", "condition"])
    runs = read_runs(inputs, ("event_rate", "factors"))
    paper, recovered = paper_values(inputs), table[table["panel"] == "c"]
    predictions = _shown_speeds(read_predictions(inputs), paper)
    fig = style.figure(9.4)
    top, middle, bottom = fig.subfigures(3, 1, height_ratios=[4.3, 2.7, 2.5], hspace=0.02)
    _examples(top, recording, runs)
    _traces_of_z(middle, predictions, table.loc[table["panel"] == "b", "trial"].astype(int), recovered)
    grid = bottom.subplots(1, 2, width_ratios=[1.5, 1])
    draw_recovery(grid[0], recovered, paper, paper_line=True)
    bottom.legend(*grid[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    style.panel_letter(grid[0], "c", x=-0.09)
    _statements(grid[1], recovered, paper)
    return style.save(fig, output_stem)


def _examples(fig, recording: xr.Dataset, runs: dict[str, xr.Dataset]) -> None:
    """Panel a: rasters of two trials, and traces of example neurons in the first."""
    if "radical" not in runs:
        raise UserError(f"input inferred: expected a run of the model radical, found {sorted(runs)}.")
    trials = _example_trials(recording)
    time = recording["time"].values
    rate = recording["firing_rate"].values
    order = np.argsort(rate[trials[0]].argmax(axis=0), kind="stable")
    radical = runs["radical"]
    rows = [
        ("true firing\nrate", rate),
        ("spikes", recording["spikes"].values),
        ("deconvolved\nevents", recording["events"].values),
        ("RADICaL\nevent rate", radical["event_rate"].values),
    ]
    if "factors" in radical:
        rows.append(("RADICaL\nfactors", radical["factors"].values))
    left, right = fig.subfigures(1, 2, width_ratios=[1.75, 1])
    axes = left.subplots(len(rows), len(trials), sharex=True, squeeze=False)
    for i, (name, values) in enumerate(rows):
        for j, trial in enumerate(trials):
            grid = time if values.shape[1] == len(time) else radical["time"].values
            _raster(axes[i, j], name, values, trial, grid, order)
            if i == 0:
                condition = int(recording["condition"].values[trial])
                axes[i, j].set_title(f"trial {int(recording['trial'].values[trial])} (condition {condition})")
        axes[i, 0].set_ylabel(name + ("" if i == 4 else "\n(neurons)"))
    for axis in axes[-1]:
        axis.set_xlabel("time (s)")
    style.panel_letter(axes[0, 0], "a", x=-0.2, y=1.1)

    neurons = np.argsort(-rate.std(axis=(0, 1)), kind="stable")[:EXAMPLE_NEURONS]
    traces = right.subplots(len(neurons), 1, sharex=True, squeeze=False)[:, 0]
    shown = [name for name in TRACED if name in runs]
    for axis, neuron in zip(traces, neurons, strict=True):
        truth = _standardised(rate[..., neuron])[trials[0]]
        axis.plot(time, truth, color=style.TRUE_COLOUR, lw=1.6, label="true rate")
        for name in reversed(shown):
            run = runs[name]
            values = _standardised(run["event_rate"].values[..., neuron])[trials[0]]
            axis.plot(run["time"], values, color=style.appearance(name)["color"], label=style.label(name), alpha=0.9)
        axis.set_ylabel(f"neuron {int(recording['neuron'].values[neuron])}\n(s.d.)")
    traces[-1].set_xlabel("time (s)")
    traces[0].set_title(
        f"rates of the {len(neurons)} neurons whose true rate\nvaries most, trial {trials[0]}, z-scored"
    )
    handles, labels = traces[0].get_legend_handles_labels()
    right.legend(handles[:1] + handles[:0:-1], labels[:1] + labels[:0:-1], loc="outside lower center", ncols=2)


def _raster(axis: Axes, name: str, values: np.ndarray, trial: int, time: np.ndarray, order: np.ndarray) -> None:
    """Draw one trial of `values` [trial, time, neuron or factor]; neurons in `order`."""
    image, look = values[trial].T, {"cmap": "viridis", "vmin": 0, "vmax": 1}
    if "factors" in name:
        image = image - values.mean(axis=(0, 1))[:, None]
        limit = np.nanpercentile(np.abs(image), 99) or 1.0
        look = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    elif "rate" in name:
        # Each neuron in units of its own 99th percentile: rates differ tenfold between neurons.
        image = (image / np.maximum(np.percentile(values, 99, axis=(0, 1)), 1e-9)[:, None])[order]
    else:
        image, look["cmap"] = image[order] > 0, "Greys"
    axis.imshow(image, aspect="auto", extent=(time[0], 2 * time[-1] - time[-2], len(image), 0), **look)
    axis.set_yticks([])
    axis.spines[["left", "bottom"]].set_visible(False)


def _traces_of_z(fig, chosen: list[xr.Dataset], trials: pd.Series, recovered: pd.DataFrame) -> None:
    """Panel b: Z of one trial per speed, one row per method."""
    models = _shown_methods(chosen)
    axes = fig.subplots(len(models), len(chosen), sharex="col", sharey=True, squeeze=False)
    for j, (data, trial) in enumerate(zip(chosen, trials, strict=True)):
        hz = float(data.attrs["frequency_hz"])
        axes[0, j].set_title(f"{hz:g} Hz, trial {int(data['trial'].values[trial])}", pad=11)
        truth = data["latents"].sel(latent="Z").values[trial]
        for i, name in enumerate(models):
            axis, colour = axes[i, j], style.appearance(name)["color"]
            axis.plot(data["time"], truth, color=style.TRUE_COLOUR, lw=1.6)
            axis.set_xlim(float(data["time"][0]), float(data["time"][-1]))
            run = np.flatnonzero(data["model"].values == name)
            if not len(run):
                continue
            axis.plot(data["time"], data["predicted"].sel(latent="Z").values[run[0], trial], color=colour)
            rows = recovered[(recovered["model"] == name) & np.isclose(recovered["frequency_hz"], hz)]
            if len(rows):
                said = f"R² = {rows['value'].item():.2f}"
                axis.text(1.0, 1.0, said, transform=axis.transAxes, ha="right", va="bottom", fontsize=6)
            if j == 0:
                axis.set_ylabel(f"{style.label(name)}\nZ (s.d.)", color=colour)
    for axis in axes[-1]:
        axis.set_xlabel("time (s)")
    style.panel_letter(axes[0, 0], "b", x=-0.2, y=1.1)
    fig.supxlabel(
        "black: true; colour: prediction in a trial held out of the mapping, that of median R² of "
        f"{style.label(models[0])}; R²: all trials",
        fontsize=6,
        color="0.3",
        x=0.07,
        ha="left",
    )


def _statements(axis: Axes, recovered: pd.DataFrame, paper: Mapping[str, PaperValue]) -> None:
    """Write the paper's statements beside what the scores say; the full comparison is the claims table."""
    axis.axis("off")
    means = recovered.pivot(index="frequency_hz", columns="model", values="value")
    models = style.in_order(means.columns)
    said = (
        f"The paper says of Z:\nRADICaL has R² {paper['z_r2'].printed} {paper['z_r2_up_to_hz'].printed} and is above\n"
        f"all others at every frequency ({paper['significance'].printed})."
    )
    words = {"transform": axis.transAxes, "va": "top", "fontsize": 6.5}
    axis.text(0, 1.0, said, transform=axis.transAxes, va="top", linespacing=1.4)
    axis.text(0, 0.56, "mean R² here", fontweight="bold", **words)
    x = np.linspace(0.5, 1.0, max(len(means), 4))[: len(means)]
    for column, hz in zip(x, means.index, strict=True):
        axis.text(column, 0.56, f"{hz:g} Hz", ha="right", fontweight="bold", **words)
    for line, model in enumerate(models):
        y, colour = 0.48 - 0.085 * line, style.appearance(model, models)["color"]
        axis.text(0, y, style.label(model).removeprefix("RADICaL, ").removesuffix(", no search"), color=colour, **words)
        for column, value in zip(x, means[model], strict=True):
            axis.text(column, y, f"{value:.2f}" if np.isfinite(value) else "–", ha="right", **words)


def _shown_speeds(predictions: list[xr.Dataset], paper: Mapping[str, PaperValue]) -> list[xr.Dataset]:
    """Return up to three speeds, within the range in which the paper has a high R2."""
    highest = paper["z_r2_up_to_hz"].value
    chosen = [data for data in predictions if float(data.attrs["frequency_hz"]) <= highest] or predictions
    return chosen if len(chosen) <= 3 else [chosen[0], chosen[len(chosen) // 2], chosen[-1]]


def _shown_methods(chosen: list[xr.Dataset]) -> list[str]:
    return [name for name in TRACED if any(name in data["model"].values for data in chosen)]


def _example_trials(recording: xr.Dataset) -> list[int]:
    """Return the first trial of each of the first two conditions."""
    condition = recording["condition"].values
    _, first = np.unique(condition, return_index=True)
    return [int(trial) for trial in first[:2]]


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1.0)
