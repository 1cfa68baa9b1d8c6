"""Random readouts of the ring network beside the Gaussian process that they approach (appendix E).

Inputs:
    gaussian_process: netCDF of `solvable_network.gaussian_process_box`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.rows import number, rows
from calcium_latents.recordings.netcdf import read_dataset

INPUTS = {"gaussian_process": "solvable_network/gaussian_process.nc"}
VARIABLES = [
    "example", "example_process", "covariance", "exact_covariance", "printed_covariance", "quantiles", "kurtosis",
    "kurtosis_standard_error", "exact_kurtosis", "antisymmetry_error",
]  # fmt: skip
EXACT = {"color": style.BLACK, "lw": 0.9, "ls": "--"}
MARKERS = "o^sDvP<>"
ASYMMETRY, COVARIANCE = "largest |g(phi) + g(phi + pi) - constant|", "covariance, mean and range over pairs"
RATIO, WORST = "printed over found covariance, least squares", "largest error of the covariance"
WITHIN = "intervals that hold the exact kurtosis"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return covariances by lag (b), quantiles (c), kurtosis with its interval (d) and largest errors."""
    box = read_dataset(inputs["gaussian_process"][0], VARIABLES)
    phase, sizes = box["phase"].values, box["readout_size"].values
    found, exact, printed = (box[f"{name}covariance"].values for name in ("", "exact_", "printed_"))
    place, lags = np.arange(phase.size), np.arange(phase.size // 2 + 1)
    each = np.array([found[place, (place + lag) % phase.size] for lag in lags])
    spread = {"lower": each.min(axis=1), "upper": each.max(axis=1), "n": phase.size}
    kurtosis, error = box["kurtosis"].values, 1.96 * box["kurtosis_standard_error"].values
    interval = {"lower": kurtosis - error, "upper": kurtosis + error, "n": box.attrs["draws"]}
    within = np.abs(kurtosis - box["exact_kurtosis"].values) <= error
    dense = np.geomspace(sizes.min(), sizes.max(), 60)
    tables = [
        rows("a", ASYMMETRY, box["antisymmetry_error"].values.max()),
        rows("b", COVARIANCE, each.mean(axis=1), x=phase[lags], **spread),
        rows("b", "exact", exact[0, lags], x=phase[lags]),
        rows("b", "printed", printed[0, lags], x=phase[lags]),
        rows("b", RATIO, (printed * exact).sum() / (found * exact).sum()),
        rows("b", WORST, np.abs(found - exact).max()),
        rows("d", "excess kurtosis", kurtosis, x=sizes, **interval),
        rows("d", "exact", 3 / dense, x=dense),
        rows("d", WITHIN, within.sum(), n=within.size),
    ]
    normal = norm.ppf(box["quantile"].values)
    for size, quantiles in zip(sizes, box["quantiles"].values, strict=True):
        tables.append(rows("c", "quantile of g(0) / sd", quantiles, x=normal, readout_size=size))
    return pd.concat(tables)[["panel", "quantity", "readout_size", "x", "value", "lower", "upper", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    box = read_dataset(inputs["gaussian_process"][0], VARIABLES)
    fig = style.figure(4.6)
    axes = fig.subplots(2, 2)
    for axis, panel, letter in zip(axes.flat, (_draws, _covariance, _quantiles, _kurtosis), "abcd", strict=True):
        panel(axis, box, table[table["panel"] == letter])
        style.panel_letter(axis, letter, x=-0.1)
    return style.save(fig, output_stem)


def _draws(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Readouts of networks, and draws from the process itself."""
    phase = box["shown_phase"].values
    colours = style.sequence(box.sizes["draw"])
    for index, colour in enumerate(colours):
        axis.plot(phase, box["example"].isel(draw=index), color=colour)
        axis.plot(phase, box["example_process"].isel(draw=index) - 5, color=colour)
    axis.set(xlabel="angle of the latents φ (rad)", ylabel="readout g(φ)", title="one period of random readouts")
    axis.set_xticks([0, np.pi, 2 * np.pi], ["0", "π", "2π"])
    axis.set_yticks([-6, -5, -4, -1, 0, 1], ["−1", "0", "1", "−1", "0", "1"])
    axis.set_ylim(-7.4, 3.6)
    style.note(axis, f"networks, M = {int(box['readout_size'][-1])} neurons", x=0.5, y=0.99, va="top", ha="center")
    style.note(axis, "the Gaussian process", x=0.5, y=0.47, va="top", ha="center")
    note = f"g(φ) + g(φ+π) is constant within {number(table, ASYMMETRY):.0e}"
    style.note(axis, note, x=0.5, y=0.01, ha="center")


def _covariance(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Covariance over draws against the angle between two phases."""
    found = table[table["quantity"] == COVARIANCE]
    axis.fill_between(found["x"], found["lower"], found["upper"], color=style.SKY, alpha=0.5, lw=0)
    axis.plot(found["x"], found["value"], "o", color=style.BLUE, ms=2.5, label="networks: mean (band: range)")
    exact, printed = table[table["quantity"] == "exact"], table[table["quantity"] == "printed"]
    axis.plot(exact["x"], exact["value"], **EXACT, label="(π − |δ|) / 2π")
    axis.plot(printed["x"], printed["value"], color=style.VERMILLION, ls=":", label="π − |δ|, as printed")
    axis.set(xlabel="angle between two phases δ (rad)", ylabel="covariance of g")
    axis.set_title(f"the printed covariance is {number(table, RATIO):.2f} times too large (2π = 6.28)")
    axis.set_xticks([0, np.pi / 2, np.pi], ["0", "π/2", "π"])
    pairs = f"{box.attrs['draws']} draws, all pairs of {found['n'].iloc[0]:.0f} phases"
    axis.legend(loc="upper right", title=f"{pairs},\nlargest error of (π − |δ|) / 2π: {number(table, WORST):.3f}")


def _quantiles(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Quantiles of g(0) against those of the normal distribution."""
    sizes = box["readout_size"].values
    for size, marker, colour in zip(sizes, MARKERS * 9, style.sequence(len(sizes)), strict=False):
        part = table[table["readout_size"] == size]
        axis.plot(part["x"], part["value"], marker, color=colour, ms=2.5, mew=0, label=f"M = {size}")
    ends = part["x"].iloc[[0, -1]]
    axis.plot(ends, ends, **EXACT)
    axis.set(xlabel="quantile of N(0, 1)", ylabel="quantile of g(0) / √½", title="marginals become normal")
    axis.legend(loc="upper left")


def _kurtosis(axis, _: xr.Dataset, table: pd.DataFrame) -> None:
    """Excess kurtosis against M."""
    found, exact = table[table["quantity"] == "excess kurtosis"], table[table["quantity"] == "exact"]
    error = [found["value"] - found["lower"], found["upper"] - found["value"]]
    axis.errorbar(found["x"], found["value"], error, fmt="o", color=style.BLUE, lw=0.9, label="draws (95 %)")
    axis.plot(exact["x"], exact["value"], **EXACT, label="3 / M")
    axis.axhline(0, color=style.GREY, lw=0.6)
    within = table[table["quantity"] == WITHIN].iloc[0]
    axis.set(xscale="log", xlabel="neurons M", ylabel="excess kurtosis of g")
    axis.set_title(f"{within['value']:.0f} of {within['n']:.0f} intervals hold the exact value")
    axis.legend(loc="upper right")
