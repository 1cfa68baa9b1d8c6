"""The images of the digital twin's data sets, their statistics, and what simulated neurons of each type answer.

Inputs:
    responses: responses.nc of one or more data sets.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.panels import tidy
from calcium_latents.recordings.fields import TEST, TRAINING
from calcium_latents.recordings.image_responses import read_image_responses
from calcium_latents.simulation.visual_cortex.gabors import gabor
from calcium_latents.simulation.visual_cortex.natural_images import amplitude_slope, amplitude_spectrum
from calcium_latents.simulation.visual_cortex.visual_cortex import Population
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import GABOR_TYPES, NEURON_TYPES

INPUTS = {"responses": "{simulated}/responses.nc"}
MOST_DATASETS = 4
EXAMPLES = 10  # images of a data set that are shown
MOST_IMAGES = 2000  # of a spectrum
MOST_NEURONS = 5  # of a type whose curves are drawn
CONTRAST = 2.0  # of all patterns
SIZE_PX = 8.0  # of patterns whose size is not varied
SIZES_PX = np.geomspace(4, 48, 12)
PHASES_RAD = np.arange(13) * np.pi / 6
MASKS = np.linspace(0, CONTRAST, 9)
#: row of panel E -> (horizontal axis, which property of `GABOR_TYPES` its curves show, ticks)
ROWS = {
    "phase": ("phase (°)", 0, (0, 180, 360)),
    "size": ("size (px)", 1, (10, 40)),
    "plaid": ("mask contrast", 2, (0, 1, 2)),
}
#: colour, marker and line of the first, second ... data set
DATASETS = ((style.BLUE, "o", "-"), (style.ORANGE, "s", "--"), (style.GREEN, "^", "-."), (style.PURPLE, "D", ":"))


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure, of each `dataset` by its place (from 0).

    B: `amplitude`, relative to the lowest `frequency_cpp` (cycles/px), and its slope. C: percent of the training images
    by contrast, from the `lower` edge of a bin to the `upper`; mean and standard deviation. D: neurons of each
    `neuron_type`, and correlations of properties. E: rates, relative to each neuron's largest, of neurons of each type
    of the first data set whose truth is known, against the `level` of what is varied.
    """
    spectra, contrasts, types, tuning = [], [], [], pd.DataFrame()
    edges = np.linspace(0, 3, 31)
    for dataset, box in enumerate(_read(inputs)):
        images = box["images"].values[box["part"].values == TRAINING]
        frequency, amplitude = amplitude_spectrum(images[:MOST_IMAGES])
        curve = {"statistic": "amplitude", "frequency_cpp": frequency, "value": amplitude / amplitude[0]}
        slope = {"statistic": ["slope"], "value": amplitude_slope(images[:MOST_IMAGES])}
        spectra += [pd.DataFrame(rows).assign(dataset=dataset) for rows in (curve, slope)]
        contrast = images.std(axis=(1, 2))
        share = 100 * np.histogram(np.minimum(contrast, edges[-1] - 1e-6), edges)[0] / len(contrast)
        bins = {"statistic": "percent", "value": share, "lower": edges[:-1], "upper": edges[1:]}
        ends = {"statistic": ["mean", "s.d."], "value": [contrast.mean(), contrast.std()]}
        contrasts += [pd.DataFrame(rows).assign(dataset=dataset, n=len(contrast)) for rows in (bins, ends)]
        if "neuron_type" in box and "gain" in box:
            names = box["neuron_type"].values.astype(str)
            counts = {
                "statistic": "neurons",
                "neuron_type": NEURON_TYPES,
                "value": [(names == n).sum() for n in NEURON_TYPES],
            }
            types += [pd.DataFrame(rows).assign(dataset=dataset) for rows in (counts, _correlations(names))]
            tuning = _tuning_curves(box).assign(dataset=dataset) if tuning.empty else tuning
    panels = {"B": spectra, "C": contrasts} | ({"D": types, "E": [tuning]} if types else {})
    return tidy({letter: pd.concat(parts) for letter, parts in panels.items()})


def _read(inputs: Inputs) -> list[xr.Dataset]:
    return [read_image_responses(path) for path in list(inputs["responses"])[:MOST_DATASETS]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    datasets = _read(inputs)
    labels = [str(box.attrs["label"]) for box in datasets]
    panels = dict(tuple(table.groupby("panel")))
    groups = _same_images(datasets)
    heights = [sum(0.9 + 0.12 * (len(group) > 1) for group in groups), 1.9] + [3.6] * ("E" in panels)
    fig = style.figure(sum(heights) + 0.5)
    grid = fig.add_gridspec(len(heights), 1, height_ratios=heights)
    rows = grid[0].subgridspec(len(groups), 1)
    pictures = [fig.add_subplot(rows[row]) for row in range(len(groups))]
    for axis, group in zip(pictures, groups, strict=True):
        _examples(axis, group)
    lettered = [(pictures[0], "A", -0.01)]
    columns = 3 if "D" in panels else 2
    cells = grid[1].subgridspec(1, columns, width_ratios=[1, 1, 1.5][:columns])
    spectrum, contrast = (fig.add_subplot(cells[0, column]) for column in range(2))
    _spectra(spectrum, panels["B"], labels)
    _contrasts(contrast, panels["C"], labels)
    lettered += [(spectrum, "B", -0.2), (contrast, "C", -0.2)]
    if "D" in panels:
        counts = fig.add_subplot(cells[0, 2])
        _counts(counts, panels["D"], labels)
        lettered.append((counts, "D", -0.12))
        first = int(panels["E"]["dataset"].iloc[0])
        lettered.append((_tuning(fig, grid[2], panels["E"], datasets[first], labels[first]), "E", -0.5))
    for axis, letter, x in lettered:
        style.panel_letter(axis, letter, x=x)
    return style.save(fig, output_stem)


def _same_images(datasets: list[xr.Dataset]) -> list[list[xr.Dataset]]:
    """Return data sets in groups that were shown the same images in the same parts."""
    groups: list[list[xr.Dataset]] = []
    for dataset in datasets:
        alike = (g for g in groups if all(np.array_equal(dataset[n], g[0][n]) for n in ("part", "images")))
        found = next(alike, None)
        if found is None:
            groups.append([dataset])
        else:
            found.append(dataset)
    return groups


def _examples(axis: Axes, datasets: list[xr.Dataset]) -> None:
    """Panel A: the first test images of data sets that share them, side by side, all with one grey scale."""
    dataset = datasets[0]
    part = dataset["part"].values
    images = dataset["images"].values[part == TEST][:EXAMPLES]
    height, width = images.shape[1:]
    gap = max(1, round(0.08 * width))
    strip = np.full((height, EXAMPLES * (width + gap) - gap), np.nan)
    for index, image in enumerate(images):
        strip[:, index * (width + gap) : index * (width + gap) + width] = image
    axis.imshow(strip, cmap="gray", vmin=-3, vmax=3)
    axis.axis("off")
    counts = f"{(part == TRAINING).sum():,} training, {(part == 1).sum():,} validation, {(part == TEST).sum():,} test"
    repeats = np.bincount(dataset["image_of_trial"].values)[part == TEST]
    shown = f"{repeats.min()}" if repeats.min() == repeats.max() else f"{repeats.min()}–{repeats.max()}"
    sizes = []
    for one in datasets:
        animals = np.unique(one["animal"].values).size
        sizes.append(f"{one.sizes['neuron']:,} neurons of {animals} animal{'s' * (animals > 1)}")
    names = " and ".join(str(one.attrs["label"]) for one in datasets)
    source = f"{dataset.attrs['image_source']}, {height} × {width} px, {counts} images ({shown} times each)"
    each = " each" if len(set(sizes)) < len(sizes) else ""
    # data sets that share images have long names
    text = f"{names}:{chr(10) if len(datasets) > 1 else ' '}{source}; {' and '.join(dict.fromkeys(sizes))}{each}"
    axis.set_title(text, loc="left", fontsize=6.5, pad=2)


def _spectra(axis: Axes, table: pd.DataFrame, labels: list[str]) -> None:
    """Panel B: amplitude against frequency, with the slopes of natural scenes and of white noise."""
    for dataset, rows in table.groupby("dataset"):
        colour, marker, line = DATASETS[dataset]
        rows = rows.set_index("statistic")
        label = f"{labels[dataset]}: {rows.loc['slope', 'value']:.2f}".replace("-", "−")
        frequency = rows.loc[["amplitude"], "frequency_cpp"].to_numpy()
        look = {"color": colour, "marker": marker, "ls": line, "ms": 2.5, "lw": 0.9, "label": label}
        axis.loglog(frequency, rows.loc["amplitude", "value"], **look)
    axis.loglog(frequency, frequency[0] / frequency, color="0.5", lw=0.8, zorder=0, label="natural scenes: −1")
    axis.axhline(1, color="0.5", lw=0.8, ls=":", zorder=0, label="white noise: 0")
    axis.set_xticks([0.1, 0.2, 0.5], ["0.1", "0.2", "0.5"])
    axis.minorticks_off()
    axis.set(xlabel="frequency (cycles/px)", ylabel="amplitude (lowest = 1)", ylim=(0.01, 1.4))
    axis.legend(title="slope", loc="lower left", fontsize=5.5, title_fontsize=6, borderaxespad=0.1, handlelength=1.6)


def _contrasts(axis: Axes, table: pd.DataFrame, labels: list[str]) -> None:
    """Panel C: how contrast varies between images."""
    for dataset, rows in table.groupby("dataset"):
        colour, _, line = DATASETS[dataset]
        rows = rows.set_index("statistic")
        label = f"{labels[dataset]}: {rows.loc['mean', 'value']:.2f} ± {rows.loc['s.d.', 'value']:.2f}"
        bins = rows.loc["percent"]
        edges = [*bins["lower"], bins["upper"].iloc[-1]]
        axis.stairs(bins["value"], edges, color=colour, ls=line, lw=1.0, label=label)
    axis.axvline(1, 0, 0.56, color="0.5", lw=0.8, ls=":", zorder=0, label="all alike: 1")  # ends below the legend
    axis.set(xlabel="contrast of an image (s.d. of its pixels)", ylabel="training images (%)", xlim=(0, 3))
    axis.set_ylim(0, 1.8 * axis.get_ylim()[1])
    axis.legend(loc="upper right", fontsize=5.5, title="mean ± s.d.", title_fontsize=6, borderaxespad=0.1)


def _counts(axis: Axes, table: pd.DataFrame, labels: list[str]) -> None:
    """Panel D: neurons of each type; in the legend the correlation of each two properties."""
    known = dict(tuple(table.groupby("dataset")))
    width = 0.8 / len(known)
    for number, (dataset, rows) in enumerate(known.items()):
        counts, found = (rows.loc[rows["statistic"] == name, "value"] for name in ("neurons", "correlation"))
        r = ", ".join(f"{value + 0.0:.2f}" for value in np.round(found, 2)).replace("-", "−")
        label = f"{labels[dataset]}: {'undefined' if found.isna().any() else r}"
        at = np.arange(len(NEURON_TYPES)) + width * (number - (len(known) - 1) / 2)
        axis.bar(at, counts, width, color=DATASETS[dataset][0], label=label, edgecolor="white", lw=0.3)
    axis.set_xticks(range(len(NEURON_TYPES)), NEURON_TYPES, rotation=50, ha="right", rotation_mode="anchor", fontsize=6)
    axis.set(ylabel="neurons", ylim=(0, 2.2 * axis.get_ylim()[1]))
    title = "correlation of complex–SS, complex–COI, SS–COI\nin neurons with a Gabor filter (0: independent)"
    axis.legend(loc="upper right", fontsize=5.5, title=title, title_fontsize=6, borderaxespad=0.1)


def _correlations(names: np.ndarray) -> dict:
    """Return the correlations of each two properties over neurons [neuron] with a Gabor filter; NaN if undefined."""
    bits = np.array([GABOR_TYPES[name] for name in names if name in GABOR_TYPES], float)
    defined = len(bits) >= 3 and (bits.std(axis=0) > 0).all()
    r = np.corrcoef(bits.T)[np.triu_indices(3, 1)] if defined else np.full(3, np.nan)
    return {"statistic": "correlation", "properties": ["complex–SS", "complex–COI", "SS–COI"], "value": r}


def _tuning_curves(dataset: xr.Dataset) -> pd.DataFrame:
    """Return rates, relative to the largest, of some neurons of each type to phases, sizes and plaids."""
    population, parts = Population.from_dataset(dataset), []
    for name in NEURON_TYPES:
        some = np.flatnonzero(population.neuron_type == name)[:MOST_NEURONS]
        for row in ROWS if len(some) else ():
            across, rates = _series(population.subset(some), row)
            wide = pd.DataFrame(rates / rates.max(axis=0), index=across, columns=dataset["neuron"].values[some])
            long = wide.rename_axis("level").reset_index().melt("level", var_name="neuron")
            parts.append(long.assign(neuron_type=name, statistic=row))
    return pd.concat(parts)


def _tuning(fig, cell, table: pd.DataFrame, dataset: xr.Dataset, label: str) -> Axes:
    """Panel E: a column a type; receptive fields, and rates to phases, sizes and plaids; return the first axes."""
    population = Population.from_dataset(dataset)
    names = list(dict.fromkeys(table["neuron_type"]))
    grid = cell.subgridspec(len(ROWS) + 1, len(names))
    first = None
    shared: dict[str, Axes] = {}
    for column, name in enumerate(names):
        picture = fig.add_subplot(grid[0, column])
        first = first or picture
        field = population.subset(np.flatnonzero(population.neuron_type == name)[:1]).filters[0, 0]
        picture.imshow(field, cmap="RdBu_r", vmin=-np.abs(field).max(), vmax=np.abs(field).max())
        picture.set_title(
            name.replace(" SS", "\nSS").replace(" COI", "\nCOI" if "SS" not in name else " COI"), fontsize=6.5
        )
        picture.set(xticks=[], yticks=[])
        for number, (row, (printed, bit, ticks)) in enumerate(ROWS.items()):
            axis = fig.add_subplot(grid[number + 1, column], sharex=shared.get(row), sharey=shared.get("all"))
            shared.setdefault(row, axis)
            shared.setdefault("all", axis)
            has = name in GABOR_TYPES and GABOR_TYPES[name][bit]
            curves = table[(table["neuron_type"] == name) & (table["statistic"] == row)]
            curves = curves.pivot(index="level", columns="neuron", values="value")
            axis.plot(curves.index, curves, color=style.VERMILLION if has else "0.5", lw=0.4, alpha=0.6)
            axis.plot(curves.mean(axis=1), color=style.VERMILLION if has else style.BLACK, lw=1.2)
            axis.set_xscale("log" if row == "size" else "linear")
            axis.minorticks_off()
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=5.5)
            axis.set(ylim=(0, 1.08), yticks=(0, 1))
            axis.tick_params(labelleft=column == 0)
            axis.set_xlabel(printed if column == len(names) // 2 else "")
            if column == 0:
                axis.set_ylabel("rate\n(of largest)")
    fig.supxlabel(
        f"E: {label}. Even filter of one neuron; noise-free rates of up to {MOST_NEURONS} neurons a "
        f"type (thin) and their mean (thick) to Gabor patterns of contrast {CONTRAST:g}.\n"
        "Red: types with the property of a row (phase: complex; size: SS; mask of orthogonal orientation: COI); black: "
        "types without it, the null.",
        x=0.01,
        ha="left",
        fontsize=6,
        color="0.3",
    )
    return first


def _series(population: Population, row: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what varies [step] and the rates [step, neuron] to patterns at each neuron's place and orientation."""
    y, x = population.position_px.T
    # ON and OFF neurons have no frequency of their own.
    frequency = np.where(population.frequency_cpp > 0, population.frequency_cpp, population.pool_frequency_cpp)
    neurons = np.arange(population.neurons)

    def shown(size=SIZE_PX, contrast=CONTRAST, turn=0.0, phase=0.0) -> np.ndarray:
        orientation = population.orientation_rad + turn
        return gabor(population.shape, y, x, size, frequency, contrast, orientation, population.phase_rad + phase)

    if row == "phase":
        across, images = np.degrees(PHASES_RAD), [shown(phase=phase) for phase in PHASES_RAD]
    elif row == "size":
        across, images = SIZES_PX, [shown(size=size) for size in SIZES_PX]
    else:
        across = MASKS
        images = [shown() + shown(contrast=contrast, turn=np.pi / 2) for contrast in MASKS]
    rates = [population.own_rates(pattern, neurons) for pattern in images]
    return across, np.array(rates, float)
