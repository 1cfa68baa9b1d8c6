"""Digital twin: do experiments in silico tell what the true neurons would have answered? (simulated data)

Inputs:
    indices: indices.csv of one simulated data set.
    gabors: optimal_gabors.csv of the same data set.
    responses: responses.nc of the same data set, for true orientations.
    search_check: search_check.csv of the same data set.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.recordings.image_responses import read_image_responses
from calcium_latents.studies.digital_twin.tuning.tuning_recovery import (
    INDICES,
    orientation_errors,
    paired,
    recovery_table,
)

INPUTS = {
    "responses": "{scanned}/responses.nc",
    "indices": "{scanned}/indices.csv",
    "gabors": "{scanned}/optimal_gabors.csv",
    "search_check": "{scanned}/search_check.csv",
}
EACH = ("scanned",)
STIMULUS = "cluster"  # shown in the scatter plots: the paper's experiments use these
STIMULI = {"cluster": ("cluster's Gabor", style.VERMILLION, "o"), "own": ("own Gabor", style.BLUE, "s")}
SHORT = ("F2/F0", "F1/F0", "suppression", "inhibition")
PAPER_FRACTION = 0.87
LINE = 150  # characters of a note that fit into the page
LIMIT = (0.003, 0.03)  # least cost ratio and distance of rate ratios from 1 that the axes resolve


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    indices = read_tables(inputs, "indices", ("neuron", "neuron_type", "source", "stimulus", *INDICES))
    gabors = read_tables(inputs, "gabors", ("neuron", "source", "stimulus", "fraction_of_own"))
    check = read_tables(inputs, "search_check", ("cost_ratio", "rate_ratio", "brute_force_images"))
    responses = read_image_responses(inputs["responses"][0], ["neuron", "kind", "orientation_rad"])
    stimuli = [name for name in STIMULI if name in set(indices["stimulus"])]
    recovered = recovery_table(indices)
    if recovered.empty or STIMULUS not in stimuli:
        raise UserError(f"input indices: expected the sources model and truth and the stimulus {STIMULUS}, found none.")
    fig = style.figure(7.4)
    axes = [fig.add_subplot(cell) for cell in fig.add_gridspec(3, 3)]
    _orientations(axes[0], indices, responses, stimuli)
    for axis, index in zip(axes[1:5], INDICES, strict=True):
        _scatter(axis, indices, recovered, index)
    _summary(axes[5], recovered, stimuli, "r")
    _summary(axes[6], recovered, stimuli, "slope")
    _fractions(axes[7], gabors)
    _search(axes[8], check)
    for axis, letter in zip(axes, "ABCDEFGHI", strict=True):
        style.panel_letter(axis, letter, x=-0.16, y=1.04)
    _legend(fig, indices, recovered, stimuli)
    return style.save(fig, output_stem)


def _orientations(axis: Axes, indices: pd.DataFrame, responses, stimuli: list[str]) -> None:
    """Panel A: cumulative distribution of the error of preferred orientations."""
    oriented = responses["kind"].values.astype(str) == "gabor"
    true = pd.Series(responses["orientation_rad"].values[oriented], index=responses["neuron"].values[oriented])
    # no error is 0 on a logarithmic axis
    floor = 0.01
    for stimulus in stimuli:
        label, colour, _ = STIMULI[stimulus]
        for source, line in (("truth", (0, (4, 2))), ("model", "-")):
            error = np.sort(orientation_errors(indices, stimulus, source, true))
            if not len(error):
                continue
            # neurons that the Gabor does not drive have no preferred orientation: their curve ends below 1
            part = (np.arange(len(error)) + 1) / len(true)
            axis.step(np.maximum(error, floor), part, color=colour, ls=line, lw=1)
            if source == "model":
                text = f"{label}: median {np.median(error):.2g}°, 90 % {np.quantile(error, 0.9):.2g}°"
                style.note(axis, text, 0.04, 0.97 - 0.09 * stimuli.index(stimulus), va="top", color=colour)
    angle = np.geomspace(floor, 90, 200)
    axis.plot(angle, angle / 90, color=style.GREY, ls=":", lw=1)
    axis.axvline(1, color="0.8", lw=0.7, zorder=0)
    axis.set(xscale="log", xlim=(floor, 90), ylim=(0, 1.28), yticks=(0, 0.5, 1))
    axis.set_xticks([0.01, 0.1, 1, 10, 90], ["0.01", "0.1", "1", "10", "90"])
    axis.set(xlabel="error of the preferred orientation (°)", ylabel="part of the neurons")
    axis.set_title(f"preferred orientation, n = {int(oriented.sum())}", fontsize=6.5)


def _scatter(axis: Axes, indices: pd.DataFrame, recovered: pd.DataFrame, index: str) -> None:
    """Panels B to E: an index in silico against the true one."""
    both = paired(indices, STIMULUS, index)
    row = recovered[(recovered["stimulus"] == STIMULUS) & (recovered["index"] == index)].iloc[0]
    for group, (colour, marker) in _groups(both["neuron_type"]).items():
        part = both[both["neuron_type"].astype(str).map(_group) == group]
        axis.plot(part["truth"], part["model"], marker, color=colour, ms=2.4, mew=0, alpha=0.75)
    axis.plot([0, 1], [0, 1], color=style.BLACK, lw=0.7, zorder=0)
    axis.axhline(both["model"].mean(), color=style.GREY, ls=":", lw=1, zorder=0)
    if np.isfinite(row["slope"]):
        ends = np.array([both["truth"].min(), both["truth"].max()])
        line = both["model"].mean() + row["slope"] * (ends - both["truth"].mean())
        axis.plot(ends, line, color=style.VERMILLION, lw=1.1)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axis.set(xlabel="true neurons", ylabel="in silico")
    said = f"r {row['r']:.2f}, slope {row['slope']:.2f}" if np.isfinite(row["r"]) else "the true index does not vary"
    axis.set_title(f"{INDICES[index]}\n{said}", fontsize=6.5)


def _group(neuron_type: str) -> str:
    """Return the family of a true type: simple, complex, or what else it is called."""
    lower = neuron_type.lower()
    return next((name for name in ("simple", "complex") if lower.startswith(name)), "ON, OFF and others")


def _groups(types: pd.Series) -> dict[str, tuple[str, str]]:
    """Return family -> colour and marker, in the order of the legend."""
    looks = {"simple": (style.SKY, "o"), "complex": (style.ORANGE, "^"), "ON, OFF and others": (style.GREEN, "s")}
    present = set(types.astype(str).map(_group))
    return {name: look for name, look in looks.items() if name in present}


def _summary(axis: Axes, recovered: pd.DataFrame, stimuli: list[str], value: str) -> None:
    """Panels F, G: correlations and slopes of all indices with intervals, null and reference."""
    place = np.arange(len(INDICES))
    for number, stimulus in enumerate(stimuli):
        label, colour, marker = STIMULI[stimulus]
        rows = recovered[recovered["stimulus"] == stimulus].set_index("index").reindex(list(INDICES))
        shift = 0.2 * (number - (len(stimuli) - 1) / 2)
        error = np.abs([rows[value] - rows[f"{value}_lower"], rows[f"{value}_upper"] - rows[value]])
        look = {"color": colour, "marker": marker, "ms": 3.4, "lw": 0, "elinewidth": 0.9, "capsize": 1.5}
        axis.errorbar(place + shift, rows[value], yerr=np.nan_to_num(error), **look)
    rows = recovered[recovered["stimulus"] == STIMULUS].set_index("index").reindex(list(INDICES))
    if value == "r":
        half = rows["r_null_upper"].to_numpy()
        axis.bar(place, 2 * half, 0.7, bottom=-half, color="0.88", zorder=0)
        axis.plot(place, rows["r_of_types"], "_", color=style.BLACK, ms=13, mew=1.1)
    axis.axhline(0, color=style.GREY, ls=":", lw=0.9, zorder=0)
    axis.axhline(1, color=style.BLACK, lw=0.7, zorder=0)
    lowest = [0.0, recovered[f"{value}_lower"].min(), -rows["r_null_upper"].max() if value == "r" else 0.0]
    low = float(np.nanmin(lowest))
    axis.set(ylim=(low - 0.12, max(1.1, float(recovered[f"{value}_upper"].max(skipna=True)) + 0.1)))
    axis.set_xticks(place, SHORT, fontsize=5.4)
    names = {"r": "correlation with the true index", "slope": "slope (1: effects of true size)"}
    axis.set(ylabel=names[value], xlim=(-0.6, len(INDICES) - 0.4))
    axis.set_title({"r": "ranking", "slope": "size of effects"}[value], fontsize=6.5)


def _fractions(axis: Axes, gabors: pd.DataFrame) -> None:
    """Panel H: the rate at the cluster's Gabor as a part of the rate at the own one."""
    edges = np.linspace(0, 1.0001, 26)
    for source, (name, colour) in {"model": ("digital twin", style.VERMILLION), "truth": ("true", "black")}.items():
        part = gabors[(gabors["source"] == source) & (gabors["stimulus"] == "cluster")]["fraction_of_own"].dropna()
        if part.empty:
            continue
        share = np.histogram(np.clip(part, 0, 1), edges)[0] / len(part)
        axis.stairs(share, edges, color=colour, lw=1)
        axis.axvline(part.mean(), color=colour, ls=(0, (4, 2)), lw=0.9)
        text = f"{name}: mean {part.mean():.2f}, n = {len(part)}"
        style.note(axis, text, 0.04, 0.97 - 0.09 * (source == "truth"), va="top", color=colour)
    axis.axvline(PAPER_FRACTION, color=style.GREY, lw=1, ls=":")
    style.note(axis, f"dotted: paper, {PAPER_FRACTION:.0%}", 0.04, 0.79, va="top")
    axis.set(xlim=(0, 1.02), xlabel="rate at the cluster's / at the own Gabor", ylabel="part of the neurons")
    axis.set_ylim(0, 1.45 * axis.get_ylim()[1])
    axis.set_title("one Gabor a cluster", fontsize=6.5)


def _search(axis: Axes, check: pd.DataFrame) -> None:
    """Panel I: what the search finds, relative to the whole grid, against what it costs."""
    axis.plot(check["cost_ratio"], check["rate_ratio"], "o", color=style.VERMILLION, ms=3, mew=0, alpha=0.8)
    axis.plot(1, 1, "s", color=style.BLACK, ms=4)
    low = min(1 - LIMIT[1], float(check["rate_ratio"].min()) - 0.01)
    axis.axhline(1, color=style.BLACK, lw=0.7, zorder=0)
    axis.axvline(0.01, color=style.GREY, ls=":", lw=1, zorder=0)
    axis.set(xscale="log", xlim=(min(LIMIT[0], float(check["cost_ratio"].min()) / 2), 2), ylim=(low, 1 + (1 - low) / 3))
    axis.set(xlabel="images shown / whole grid", ylabel="rate found / best of the grid")
    count = int(check["brute_force_images"].iloc[0])
    found = (check["rate_ratio"] > 1 - 1e-4).mean()
    text = f"n = {len(check)} neurons, {count:,} images:\n{found:.0%} reach the grid's best"
    axis.set_title(f"search: {text}", fontsize=6.5)


def _legend(fig, indices: pd.DataFrame, recovered: pd.DataFrame, stimuli: list[str]) -> None:
    handles = []
    for group, (colour, marker) in _groups(indices["neuron_type"]).items():
        handles.append(Line2D([], [], color=colour, marker=marker, ls="", ms=3.4, label=f"B–E: {group}"))
    for name in stimuli:
        label, colour, marker = STIMULI[name]
        handles.append(Line2D([], [], color=colour, marker=marker, ms=3.4, lw=1, label=f"A, F, G: {label}"))
    handles += [
        Line2D([], [], color="0.4", ls=(0, (4, 2)), lw=1, label="A: true neurons' curves (a perfect twin)"),
        Line2D([], [], color=style.GREY, ls=":", lw=1, label="null: random orientation, slope 0"),
        Line2D([], [], color="0.88", lw=5, label="F: shuffled neurons (97.5 % of |r|)"),
        Line2D([], [], color=style.BLACK, marker="_", ls="", ms=9, label="F: knowing the true type alone"),
        Line2D([], [], color=style.BLACK, lw=0.7, label="identity; 1"),
        Line2D([], [], color=style.BLACK, marker="s", ls="", ms=4, label="I: whole grid; dotted: 1/100"),
    ]
    counts = recovered["neurons"]
    number = " to ".join(dict.fromkeys(f"{value}" for value in (counts.min(), counts.max())))
    note = (
        "Model and true neurons (without noise) see the same stimuli. B–E: the cluster's Gabor. "
        f"n = {number} neurons with both values. F, G: intervals are 95\u00a0%, bootstrap over neurons of one twin "
        "(one seed): they speak of other neurons, not of other twins. A slope below 1: the model ranks neurons, but "
        "shrinks effects."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=3, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")
