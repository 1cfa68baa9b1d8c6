"""Digital twin, Figure 2: optimal stimuli of one neuron, and classical experiments on it in silico and in truth.

Inputs:
    gabors: optimal_gabors.csv of one data set.
    differences: differences_of_gaussians.csv of the same data set.
    tuning: tuning.nc of the same data set.
    indices: indices.csv of the same data set.
    meis (optional): meis.nc of the same data set.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.digital_twin.figures.panels import show_grey
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
CURVES = {"B": ("orientation_curve", "orientation_selectivity"), "C": ("phase_curve", "phase_selectivity")}
MEAN, CHOICE = "mean of neurons", "choice"
KEYS = ("neuron", "source", "stimulus", "rate")
INDEX = ("orientation_selectivity", "phase_selectivity", "suppression", "cross_orientation_inhibition")


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure.

    First which `neuron` is shown, of how many `n`, and why (`note`). B, C: rates over the largest (`value`) against the
    angle, of this neuron by `source` and of the model's mean neuron. B to E: its indices (`quantity`).
    """
    tuning, indices, meis = _read(inputs)
    neuron, count, choice = example(tuning, indices, meis)
    parts = [pd.DataFrame([{"panel": "A", "quantity": CHOICE, "n": count, "note": choice}])]
    sources = [name for name in SOURCES if name in tuning["source"].values]
    chosen = tuning.sel(stimulus=STIMULUS)
    for panel, (name, _) in CURVES.items():
        curves = relative(chosen[name].transpose("source", "neuron", ...))
        own = {source: curves.sel(source=source, neuron=neuron).values for source in sources}
        own[MEAN] = np.nanmean(curves.sel(source="model").values, axis=0)
        angle = np.degrees(tuning["orientation_rad" if panel == "B" else "phase_rad"].values)
        about = {"panel": panel, "quantity": name, "angle_deg": angle}
        parts += [pd.DataFrame(about | {"source": source, "value": curve}) for source, curve in own.items()]
    rows = indices[(indices["stimulus"] == STIMULUS) & (indices["neuron"] == neuron)]
    rows = rows.melt("source", list(INDEX), "quantity")
    parts.append(rows.assign(panel=rows["quantity"].map(dict(zip(INDEX, "BCDE", strict=True)))))
    columns = ["panel", "neuron", "quantity", "source", "angle_deg", "value", "n", "note"]
    return pd.concat(parts).assign(neuron=neuron)[columns]


def _read(inputs: Inputs) -> tuple[xr.Dataset, pd.DataFrame, xr.Dataset | None]:
    """Return tuning curves, indices, and MEIs if they are given."""
    indices = read_tables(inputs, "indices", (*KEYS[:3], *INDEX))
    meis = read_dataset(inputs["meis"][0], ["mei", "mei_rate"]) if inputs.get("meis") else None
    return read_dataset(inputs["tuning"][0]), indices, meis


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    tuning, _, meis = _read(inputs)
    tables = {
        "Gabor": read_tables(inputs, "gabors", (*KEYS, *GaborGrid.COLUMNS)),
        "DoG": read_tables(inputs, "differences", (*KEYS, *DifferenceGrid.COLUMNS)),
    }
    neuron = int(table["neuron"].iloc[0])
    sources = [name for name in SOURCES if name in tuning["source"].values]
    images = stimuli(tables, tuning, meis, neuron, sources)
    fig = style.figure(2.1 + 1.75 + 1.75 * len(sources))
    grid = fig.add_gridspec(2 + len(sources), 1, height_ratios=(1.25, 1.6, *[1.6] * len(sources)))
    top = _images(fig, grid[0], images)
    curves = [fig.add_subplot(cell) for cell in grid[1].subgridspec(1, 2)]
    values = table[table["angle_deg"].isna()].pivot(index="source", columns="quantity", values="value")
    for axis, (panel, (name, index)) in zip(curves, CURVES.items(), strict=True):
        rows = table[(table["panel"] == panel) & (table["quantity"] == name)]
        _curve(axis, {source: part for source, part in rows.groupby("source")}, name, values[index])
    maps = []
    for row, source in enumerate(sources):
        axes = [fig.add_subplot(cell) for cell in grid[2 + row].subgridspec(1, 2)]
        rates = tuning.sel(stimulus=STIMULUS, source=source, neuron=neuron)
        _family(axes[0], rates["size_contrast"].transpose("contrast", "size"), source, values["suppression"])
        _family(axes[1], rates["plaid"], source, values["cross_orientation_inhibition"])
        maps.append(axes)
    lettered = [(top, "A"), (curves[0], "B"), (curves[1], "C"), (maps[0][0], "D"), (maps[0][1], "E")]
    for axis, letter in lettered:
        style.panel_letter(axis, letter, x=-0.12 if letter != "A" else -0.25, y=1.06)
    choice = table.loc[table["quantity"] == CHOICE, "note"].iloc[0]
    _legend(fig, tuning.sizes["neuron"], f"Neuron {neuron}, {choice}", sources)
    return style.save(fig, output_stem)


def example(tuning: xr.Dataset, indices: pd.DataFrame, meis: xr.Dataset | None) -> tuple[int, int, str]:
    """Return the neuron that is shown, among how many it was chosen, and how, in words.

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
        return chosen, 1, f"the only one of the {said}".replace("the 1 with an MEI", "those with an MEI", 1)
    return chosen, len(ranks), f"chosen for suppression and inhibition in the model among {said}"


def stimuli(
    tables: dict[str, pd.DataFrame], tuning: xr.Dataset, meis: xr.Dataset | None, neuron: int, sources: list[str]
) -> list[tuple[str, np.ndarray, float]]:
    """Return (title, image [y, x], rate) of the neuron's optimal stimuli, those of the model first."""
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
        limit = show_grey(axis, image, frame=True)
        axis.set_title(title, fontsize=6)
        axis.set_xlabel(f"rate {rate:.3g}\n±{limit:.2g} s.d.", fontsize=6)
    return axes[0]


def _curve(axis: Axes, curves: dict[str, pd.DataFrame], name: str, values: pd.Series) -> None:
    """Panels B, C: one curve, relative to its maximum, the population's mean, and an untuned neuron."""
    angle = "orientation" if name == "orientation_curve" else "phase"
    axis.plot(curves[MEAN]["angle_deg"], curves[MEAN]["value"], color=style.GREY, lw=1.2, ls=(0, (5, 2)), zorder=0)
    said = []
    for source in (name for name in SOURCES if name in curves):
        label, colour = SOURCES[source]
        curve = curves[source]["value"]
        axis.plot(curves[source]["angle_deg"], curve, color=colour, marker="o", ms=2, lw=1)
        if source == "model":
            axis.axhline(curve.mean(), color=style.GREY, ls=":", lw=0.9, zorder=0)
        said.append(f"{label} {values[source]:.2f}")
    symbol = "F2/F0" if angle == "orientation" else "F1/F0"
    axis.set_title(f"{angle} tuning, {symbol}: {', '.join(said)}", fontsize=6.5)
    label = "orientation relative to the Gabor's (°)" if angle == "orientation" else "phase (°)"
    axis.set(xlabel=label, ylabel="rate / largest", ylim=(0, 1.08))
    axis.set_xticks(np.arange(-90, 91, 45) if angle == "orientation" else np.arange(0, 361, 90))


def relative(curves: xr.DataArray) -> xr.DataArray:
    """Return curves [..., angle] divided by their maximum; NaN where that is not above 0."""
    peak = curves.max(curves.dims[-1], skipna=False)
    return curves / peak.where(peak > 0)


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


def _legend(fig, count: int, choice: str, sources: list[str]) -> None:
    handles = [mark(*SOURCES[name], "o", ms=2, lw=1, ls="-") for name in sources]
    handles += [
        mark(f"mean of {count} neurons (model; baseline)", style.GREY, ls=(0, (5, 2)), lw=1.2),
        mark("no tuning: index 0 (null)", style.GREY, ls=":", lw=0.9),
    ]
    same = " True neurons see the model's stimuli (their own optima in A)." if "truth" in sources else ""
    note = (
        f"{choice}: an example, not typical. B to E: about the cluster's optimal Gabor at the "
        "neuron's place and orientation."
        f"{same} Rates in the units of the recorded responses, without noise; one twin."
    )
    legend_below(fig, handles, note, ncols=4)
