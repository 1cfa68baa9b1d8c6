"""Digital twin: do experiments in silico tell what the true neurons would have answered? (simulated data)

Inputs:
    indices: indices.csv of one simulated data set.
    gabors: optimal_gabors.csv of the same data set.
    responses: responses.nc of the same data set, for true orientations.
    search_check: search_check.csv of the same data set.
    paper: what the paper states.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.claims.paper import paper_values
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark, tidy
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
    "paper": "config/papers/digital_twin.yaml",
}
EACH = ("scanned",)
STIMULUS = "cluster"  # shown in the scatter plots: the paper's experiments use these
STIMULI = {"cluster": ("cluster's Gabor", style.VERMILLION, "o"), "own": ("own Gabor", style.BLUE, "s")}
SHORT = ("F2/F0", "F1/F0", "suppression", "inhibition")
SOURCES = {"model": ("digital twin", style.VERMILLION), "truth": ("true", "black")}
LIMIT = (0.003, 0.03)  # least cost ratio and distance of rate ratios from 1 that the axes resolve


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure.

    A: `value`, errors (degrees) of the preferred orientation, a row a neuron, of `n` oriented ones; of the model also
    `statistic` median and 90 %. B: indices of neurons, model against truth. F: see `recovery_table`. H: `value`, parts
    of the neurons by `lower` edge of a bin up to `upper`, and the mean. I: part of the neurons for which the search
    reaches the grid's best.
    """
    indices = read_tables(inputs, "indices", ("neuron", "neuron_type", "source", "stimulus", *INDICES))
    gabors = read_tables(inputs, "gabors", ("neuron", "source", "stimulus", "fraction_of_own"))
    check = read_tables(inputs, "search_check", ("cost_ratio", "rate_ratio", "brute_force_images"))
    responses = read_image_responses(inputs["responses"][0], ["neuron", "kind", "orientation_rad"])
    recovered = recovery_table(indices)
    if recovered.empty or STIMULUS not in set(indices["stimulus"]):
        raise UserError(f"input indices: expected the sources model and truth and the stimulus {STIMULUS}, found none.")
    oriented = responses["kind"].values.astype(str) == "gabor"
    true = pd.Series(responses["orientation_rad"].values[oriented], index=responses["neuron"].values[oriented])
    errors, fractions = [], []
    for stimulus in (name for name in STIMULI if name in set(indices["stimulus"])):
        for source in ("truth", "model"):
            error = np.sort(orientation_errors(indices, stimulus, source, true))
            about = {"stimulus": stimulus, "source": source, "n": len(true)}
            errors.append(pd.DataFrame({"statistic": "error", "value": error, **about}))
            if source == "model" and len(error):
                ends = {"statistic": ["median", "90 %"], "value": [np.median(error), np.quantile(error, 0.9)]}
                errors.append(pd.DataFrame({**ends, **about}))
    edges = np.linspace(0, 1.0001, 26)
    for source in SOURCES:
        own = gabors[(gabors["source"] == source) & (gabors["stimulus"] == "cluster")]["fraction_of_own"].dropna()
        share = np.histogram(np.clip(own, 0, 1), edges)[0] / max(len(own), 1)
        bins = pd.DataFrame({"statistic": "part", "value": share, "lower": edges[:-1], "upper": edges[1:]})
        mean = pd.DataFrame({"statistic": ["mean"], "value": own.mean()})
        fractions += [part.assign(source=source, n=len(own)) for part in (bins, mean) if len(own)]
    reached = {"statistic": ["grid's best"], "value": (check["rate_ratio"] > 1 - 1e-4).mean(), "n": len(check)}
    both = {index: paired(indices, STIMULUS, index) for index in INDICES}
    points = pd.concat(both, names=["index"]).reset_index("index").assign(stimulus=STIMULUS)
    panels = {"A": pd.concat(errors), "B": points, "F": recovered.rename(columns={"neurons": "n"})}
    return tidy({**panels, "H": pd.concat(fractions), "I": pd.DataFrame(reached)})


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    check = read_tables(inputs, "search_check", ("cost_ratio", "rate_ratio", "brute_force_images"))
    panels = dict(tuple(table.groupby("panel")))
    recovered = panels["F"]
    stimuli = [name for name in STIMULI if name in set(panels["A"]["stimulus"])]
    fig = style.figure(7.4)
    axes = [fig.add_subplot(cell) for cell in fig.add_gridspec(3, 3)]
    _orientations(axes[0], panels["A"], stimuli)
    for axis, index in zip(axes[1:5], INDICES, strict=True):
        both, rows = (part[part["index"] == index] for part in (panels["B"], recovered))
        _scatter(axis, both, rows[rows["stimulus"] == STIMULUS].iloc[0], index)
    _summary(axes[5], recovered, stimuli, "r")
    _summary(axes[6], recovered, stimuli, "slope")
    _fractions(axes[7], panels["H"], paper_values(inputs)["cluster_gabor"].value)
    _search(axes[8], check, panels["I"]["value"].iloc[0])
    for axis, letter in zip(axes, "ABCDEFGHI", strict=True):
        style.panel_letter(axis, letter, x=-0.16, y=1.04)
    _legend(fig, panels["B"]["neuron_type"], recovered["n"].astype(int), stimuli)
    return style.save(fig, output_stem)


def _orientations(axis: Axes, table: pd.DataFrame, stimuli: list[str]) -> None:
    """Panel A: cumulative distribution of the error of preferred orientations."""
    # no error is 0 on a logarithmic axis
    floor, oriented = 0.01, int(table["n"].iloc[0])
    for stimulus in stimuli:
        label, colour, _ = STIMULI[stimulus]
        for source, line in (("truth", (0, (4, 2))), ("model", "-")):
            rows = table[(table["stimulus"] == stimulus) & (table["source"] == source)].set_index("statistic")["value"]
            error = rows[rows.index == "error"].to_numpy()
            if not len(error):
                continue
            # neurons that the Gabor does not drive have no preferred orientation: their curve ends below 1
            part = (np.arange(len(error)) + 1) / oriented
            axis.step(np.maximum(error, floor), part, color=colour, ls=line, lw=1)
            if source == "model":
                text = f"{label}: median {rows['median']:.2g}°, 90 % {rows['90 %']:.2g}°"
                style.note(axis, text, 0.04, 0.97 - 0.09 * stimuli.index(stimulus), va="top", color=colour)
    angle = np.geomspace(floor, 90, 200)
    axis.plot(angle, angle / 90, color=style.GREY, ls=":", lw=1)
    axis.axvline(1, color="0.8", lw=0.7, zorder=0)
    axis.set(xscale="log", xlim=(floor, 90), ylim=(0, 1.28), yticks=(0, 0.5, 1))
    axis.set_xticks([0.01, 0.1, 1, 10, 90], ["0.01", "0.1", "1", "10", "90"])
    axis.set(xlabel="error of the preferred orientation (°)", ylabel="part of the neurons")
    axis.set_title(f"preferred orientation, n = {oriented}", fontsize=6.5)


def _scatter(axis: Axes, both: pd.DataFrame, row: pd.Series, index: str) -> None:
    """Panels B to E: an index in silico against the true one."""
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


def _fractions(axis: Axes, table: pd.DataFrame, published: float) -> None:
    """Panel H: the rate at the cluster's Gabor as a part of the rate at the own one."""
    for source, rows in table.groupby("source"):
        name, colour = SOURCES[source]
        bins, mean = rows[rows["statistic"] == "part"], rows.loc[rows["statistic"] == "mean", "value"].iloc[0]
        axis.stairs(bins["value"], [*bins["lower"], bins["upper"].iloc[-1]], color=colour, lw=1)
        axis.axvline(mean, color=colour, ls=(0, (4, 2)), lw=0.9)
        text = f"{name}: mean {mean:.2f}, n = {rows['n'].iloc[0]:.0f}"
        style.note(axis, text, 0.04, 0.97 - 0.09 * (source == "truth"), va="top", color=colour)
    axis.axvline(published, color=style.GREY, lw=1, ls=":")
    style.note(axis, f"dotted: paper, {published:.0%}", 0.04, 0.79, va="top")
    axis.set(xlim=(0, 1.02), xlabel="rate at the cluster's / at the own Gabor", ylabel="part of the neurons")
    axis.set_ylim(0, 1.45 * axis.get_ylim()[1])
    axis.set_title("one Gabor a cluster", fontsize=6.5)


def _search(axis: Axes, check: pd.DataFrame, found: float) -> None:
    """Panel I: what the search finds, relative to the whole grid, against what it costs."""
    axis.plot(check["cost_ratio"], check["rate_ratio"], "o", color=style.VERMILLION, ms=3, mew=0, alpha=0.8)
    axis.plot(1, 1, "s", color=style.BLACK, ms=4)
    low = min(1 - LIMIT[1], float(check["rate_ratio"].min()) - 0.01)
    axis.axhline(1, color=style.BLACK, lw=0.7, zorder=0)
    axis.axvline(0.01, color=style.GREY, ls=":", lw=1, zorder=0)
    axis.set(xscale="log", xlim=(min(LIMIT[0], float(check["cost_ratio"].min()) / 2), 2), ylim=(low, 1 + (1 - low) / 3))
    axis.set(xlabel="images shown / whole grid", ylabel="rate found / best of the grid")
    count = int(check["brute_force_images"].iloc[0])
    text = f"n = {len(check)} neurons, {count:,} images:\n{found:.0%} reach the grid's best"
    axis.set_title(f"search: {text}", fontsize=6.5)


def _legend(fig, types: pd.Series, counts: pd.Series, stimuli: list[str]) -> None:
    handles = [mark(f"B–E: {group}", *look, ms=3.4) for group, look in _groups(types).items()]
    for name in stimuli:
        label, *look = STIMULI[name]
        handles.append(mark(f"A, F, G: {label}", *look, ms=3.4, lw=1, ls="-"))
    handles += [
        mark("A: true neurons' curves (a perfect twin)", "0.4", ls=(0, (4, 2)), lw=1),
        mark("null: random orientation, slope 0", style.GREY, ls=":", lw=1),
        mark("F: shuffled neurons (97.5 % of |r|)", "0.88", lw=5),
        mark("F: knowing the true type alone", style.BLACK, "_", ms=9),
        mark("identity; 1", style.BLACK, lw=0.7),
        mark("I: whole grid; dotted: 1/100", style.BLACK, "s", ms=4),
    ]
    number = " to ".join(dict.fromkeys(f"{value}" for value in (counts.min(), counts.max())))
    note = (
        "Model and true neurons (without noise) see the same stimuli. B–E: the cluster's Gabor. "
        f"n = {number} neurons with both values. F, G: intervals are 95\u00a0%, bootstrap over neurons of one twin "
        "(one seed): they speak of other neurons, not of other twins. A slope below 1: the model ranks neurons, but "
        "shrinks effects."
    )
    legend_below(fig, handles, note, ncols=3)
