"""Digital twin, Figure 2: optimal stimuli of one neuron, and classical experiments on it in silico and in truth.

Inputs:
    gabors: optimal_gabors.csv of one data set.
    differences: differences_of_gaussians.csv of the same data set.
    tuning: tuning.nc of the same data set.
    indices: indices.csv of the same data set.
    meis (optional): meis.nc of the same data set.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid

INPUTS = {
    "gabors": "{probed}/optimal_gabors.csv",
    "differences": "{probed}/differences_of_gaussians.csv",
    "tuning": "{probed}/tuning.nc",
    "indices": "{probed}/indices.csv",
}
OPTIONAL_INPUTS = {"meis": "{probed}/meis.nc"}
EACH = ("probed",)
STIMULUS = "cluster"  # of the experiments that are shown, as in the paper's Figures 3 and 4
SOURCES = {"model": ("digital twin", style.VERMILLION), "truth": ("true neuron", style.TRUE_COLOUR)}
LEVELS = 5  # contrasts of which curves are drawn
LINE = 150  # characters of a note that fit into the page
KEYS = ("neuron", "source", "stimulus", "rate")
INDEX = ("orientation_selectivity", "phase_selectivity", "suppression", "cross_orientation_inhibition")


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    tuning = read_dataset(inputs["tuning"][0])
    indices = read_tables(inputs, "indices", (*KEYS[:3], *INDEX))
    tables = {
        "Gabor": read_tables(inputs, "gabors", (*KEYS, *GaborGrid.COLUMNS)),
        "DoG": read_tables(inputs, "differences", (*KEYS, *DifferenceGrid.COLUMNS)),
    }
    meis = read_dataset(inputs["meis"][0], ["mei", "mei_rate"]) if inputs.get("meis") else None
    neuron, choice = example(tuning, indices, meis)
    sources = [name for name in SOURCES if name in tuning["source"].values]
    images = stimuli(tables, tuning, meis, neuron, sources)
    fig = style.figure(2.1 + 1.75 + 1.75 * len(sources))
    grid = fig.add_gridspec(2 + len(sources), 1, height_ratios=(1.25, 1.6, *[1.6] * len(sources)))
    top = _images(fig, grid[0], images)
    curves = [fig.add_subplot(cell) for cell in grid[1].subgridspec(1, 2)]
    chosen = tuning.sel(stimulus=STIMULUS)
    values = indices[(indices["stimulus"] == STIMULUS) & (indices["neuron"] == neuron)].set_index("source")
    _curve(curves[0], chosen, neuron, sources, "orientation_curve", values["orientation_selectivity"])
    _curve(curves[1], chosen, neuron, sources, "phase_curve", values["phase_selectivity"])
    maps = []
    for row, source in enumerate(sources):
        axes = [fig.add_subplot(cell) for cell in grid[2 + row].subgridspec(1, 2)]
        rates = chosen.sel(source=source, neuron=neuron)
        _family(axes[0], rates["size_contrast"].transpose("contrast", "size"), source, values["suppression"])
        inhibition = values["cross_orientation_inhibition"]
        _family(axes[1], rates["plaid"], source, inhibition)
        maps.append(axes)
    lettered = [(top, "A"), (curves[0], "B"), (curves[1], "C"), (maps[0][0], "D"), (maps[0][1], "E")]
    for axis, letter in lettered:
        style.panel_letter(axis, letter, x=-0.12 if letter != "A" else -0.25, y=1.06)
    _legend(fig, tuning, neuron, choice, sources)
    return style.save(fig, output_stem)


def example(tuning: xr.Dataset, indices: pd.DataFrame, meis: xr.Dataset | None) -> tuple[int, str]:
    """Return the neuron that is shown, and how it came to be chosen, in words.

    Neurons that were shown whole maps (and, if possible, have an MEI); of these the one whose lower rank in suppression
    and in cross-orientation inhibition, by the model, is the highest.
    """
    if STIMULUS not in tuning["stimulus"].values or "model" not in tuning["source"].values:
        raise UserError(f"input tuning: expected the source model and the stimulus {STIMULUS}, found others.")
    model = tuning.sel(source="model", stimulus=STIMULUS)
    whole = np.isfinite(model["size_contrast"]).all(("size", "contrast")).values
    whole &= np.isfinite(model["plaid"]).all(("preferred_contrast", "orthogonal_contrast")).values
    rows = indices[(indices["source"] == "model") & (indices["stimulus"] == STIMULUS)].set_index("neuron")
    ranks = rows[list(INDEX)].dropna()[list(INDEX[2:])].rank().min(axis=1)
    ranks = ranks[ranks.index.isin(tuning["neuron"].values[whole])]
    if ranks.empty:
        raise UserError("input tuning: expected a neuron with whole maps and all indices, found none.")
    said = f"{len(ranks)} that were shown whole maps of sizes, contrasts and plaids"
    if meis is not None:
        known = np.isfinite(meis["mei_rate"].values) & np.isfinite(meis["mei"].values).all(axis=(1, 2))
        with_mei = ranks[ranks.index.isin(meis["neuron"].values[known])]
        if len(with_mei):
            ranks, said = with_mei, f"{len(with_mei)} with an MEI of {said}"
    chosen = int(ranks.index[int(np.argmax(ranks.to_numpy()))])
    if len(ranks) == 1:
        return chosen, f"the only one of the {said}".replace("the 1 with an MEI", "those with an MEI", 1)
    return chosen, f"chosen for suppression and inhibition in the model among {said}"


def stimuli(
    tables: dict[str, pd.DataFrame], tuning: xr.Dataset, meis: xr.Dataset | None, neuron: int, sources: list[str]
) -> list[tuple[str, np.ndarray, float]]:
    """Return (title, image, rate) of the neuron's optimal stimuli, those of the model first."""
    shape = int(tuning.attrs["image_height_px"]), int(tuning.attrs["image_width_px"])
    grids = {"Gabor": GaborGrid(image_shape=shape, margin_px=0), "DoG": DifferenceGrid(image_shape=shape, margin_px=0)}
    shown = []
    for source in sources:
        wanted = [("Gabor", "own"), ("DoG", "own")]
        wanted += [("Gabor", "cluster")] if source == "model" else []
        for kind, stimulus in wanted:
            table = tables[kind]
            row = table[(table["neuron"] == neuron) & (table["source"] == source) & (table["stimulus"] == stimulus)]
            if row.empty:
                continue
            parameters = {name: row[name].to_numpy()[:1] for name in grids[kind].COLUMNS}
            name = {"own": f"optimal {kind}", "cluster": f"cluster's {kind}"}[stimulus]
            title = f"{name}\n{SOURCES[source][0]}"
            shown.append((title, grids[kind].render(parameters)[0], float(row["rate"].iloc[0])))
        if source == "model" and meis is not None and neuron in meis["neuron"].values:
            one = meis.sel(neuron=neuron) if "neuron" in meis.indexes else meis.isel(neuron=_at(meis, neuron))
            if np.isfinite(one["mei"].values).all():
                title = f"most exciting image\n{SOURCES[source][0]}"
                shown.append((title, one["mei"].values, float(one["mei_rate"])))
    return shown


def _at(dataset: xr.Dataset, neuron: int) -> int:
    return int(np.flatnonzero(dataset["neuron"].values == neuron)[0])


def _images(fig, cell, images: list[tuple[str, np.ndarray, float]]) -> Axes:
    """Panel A: stimuli, each on its own symmetric grey scale."""
    axes = [fig.add_subplot(part) for part in cell.subgridspec(1, len(images))]
    for axis, (title, image, rate) in zip(axes, images, strict=True):
        limit = float(np.abs(image).max()) or 1.0
        axis.imshow(image, cmap="gray", vmin=-limit, vmax=limit)
        axis.set_title(title, fontsize=6)
        axis.set(xticks=[], yticks=[], xlabel=f"rate {rate:.3g}\n±{limit:.2g} s.d.")
        axis.xaxis.label.set_fontsize(6)
        axis.spines[:].set_visible(True)
    return axes[0]


def _curve(axis: Axes, tuning: xr.Dataset, neuron: int, sources: list[str], name: str, values: pd.Series) -> None:
    """Panels B, C: one curve, relative to its maximum, the population's mean, and an untuned neuron."""
    angle = "orientation" if name == "orientation_curve" else "phase"
    x = np.degrees(tuning[f"{angle}_rad"].values)
    everyone = relative(tuning[name].sel(source="model").values)
    axis.plot(x, np.nanmean(everyone, axis=0), color=style.GREY, lw=1.2, ls=(0, (5, 2)), zorder=0)
    said = []
    for source in sources:
        label, colour = SOURCES[source]
        curve = relative(tuning[name].sel(source=source, neuron=neuron).values)
        axis.plot(x, curve, color=colour, marker="o", ms=2, lw=1)
        if source == "model":
            axis.axhline(curve.mean(), color=style.GREY, ls=":", lw=0.9, zorder=0)
        said.append(f"{label} {values[source]:.2f}")
    symbol = "F2/F0" if angle == "orientation" else "F1/F0"
    axis.set_title(f"{angle} tuning, {symbol}: {', '.join(said)}", fontsize=6.5)
    label = "orientation relative to the Gabor's (°)" if angle == "orientation" else "phase (°)"
    axis.set(xlabel=label, ylabel="rate / largest", ylim=(0, 1.08))
    axis.set_xticks(np.arange(-90, 91, 45) if angle == "orientation" else np.arange(0, 361, 90))


def relative(curves: np.ndarray) -> np.ndarray:
    """Return curves [..., value] divided by their maximum; NaN where that is not above 0."""
    peak = curves.max(axis=-1, keepdims=True)
    return np.where(peak > 0, curves / np.where(peak > 0, peak, 1), np.nan)


def _family(axis: Axes, rates: xr.DataArray, source: str, values: pd.Series) -> None:
    """Panels D, E: one curve a contrast (rows of `rates`), and the end of the strongest against its peak."""
    level, along = rates.dims
    numbers = np.unique(np.linspace(1 if rates[level].values[0] == 0 else 0, rates.sizes[level] - 1, LEVELS).round())
    number = numbers.astype(int)
    axis_name = "size_px" if along == "size" else along
    x = rates[axis_name].values
    place = np.arange(len(x))
    for colour, row in zip(style.sequence(len(number))[::-1], number, strict=True):
        strongest = row == number[-1]
        label = f"{rates[level].values[row]:.2g}"
        axis.plot(place, rates.values[row], color=colour, lw=1.6 if strongest else 0.9, label=label)
    top = rates.values[-1]
    peak = int(top.argmax())
    axis.plot([peak, place[-1]], [top[peak]] * 2, color=style.GREY, ls=":", lw=0.9)
    axis.plot([place[-1]] * 2, [top[peak], top[-1]], color=style.GREY, lw=0.9)
    ticks = place[:: max(1, len(place) // 6)]
    axis.set_xticks(ticks, [f"{x[i]:.2g}" for i in ticks])
    axis.set_ylim(0, 1.08 * float(rates.max()) or 1)
    index = "suppression" if along == "size" else "cross-orientation inhibition"
    axis.set_title(f"{SOURCES[source][0]}: {index} {values[source]:.2f}", fontsize=6.5)
    axis.set_xlabel("size of the Gabor (px)" if along == "size" else "contrast of the orthogonal Gabor (s.d.)")
    axis.set_ylabel("rate")
    name = "contrast" if along == "size" else "preferred\ncontrast"
    axis.legend(
        title=name, title_fontsize=6, fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2
    )


def _legend(fig, tuning: xr.Dataset, neuron: int, choice: str, sources: list[str]) -> None:
    handles = [
        Line2D([], [], color=SOURCES[name][1], marker="o", ms=2, lw=1, label=SOURCES[name][0]) for name in sources
    ]
    count = tuning.sizes["neuron"]
    handles += [
        Line2D([], [], color=style.GREY, ls=(0, (5, 2)), lw=1.2, label=f"mean of {count} neurons (model; baseline)"),
        Line2D([], [], color=style.GREY, ls=":", lw=0.9, label="no tuning: index 0 (null)"),
    ]
    same = " True neurons see the model's stimuli (their own optima in A)." if "truth" in sources else ""
    note = (
        f"Neuron {neuron}, {choice}: an example, not typical. B to E: about the cluster's optimal Gabor at the "
        "neuron's place and orientation."
        f"{same} Rates in the units of the recorded responses, without noise; one twin."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=4, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")
