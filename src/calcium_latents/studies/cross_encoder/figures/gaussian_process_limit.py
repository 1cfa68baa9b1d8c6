"""Random readouts of the ring network beside the Gaussian process that they approach (appendix E).

Inputs:
    gaussian_process: netCDF of `solvable_network.gaussian_process_box`.
"""

from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import norm

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings.netcdf import read_dataset

INPUTS = {"gaussian_process": "solvable_network/gaussian_process.nc"}
VARIABLES = [
    "example", "example_process", "covariance", "exact_covariance", "printed_covariance", "quantiles", "kurtosis",
    "kurtosis_standard_error", "exact_kurtosis", "antisymmetry_error",
]  # fmt: skip
EXACT = {"color": style.BLACK, "lw": 0.9, "ls": "--"}
MARKERS = "o^sDvP<>"


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    box = read_dataset(inputs["gaussian_process"][0], VARIABLES)
    fig = style.figure(4.6)
    axes = fig.subplots(2, 2)
    for axis, panel, letter in zip(axes.flat, (_draws, _covariance, _quantiles, _kurtosis), "abcd", strict=True):
        panel(axis, box)
        style.panel_letter(axis, letter, x=-0.1)
    return style.save(fig, output_stem)


def _draws(axis, box: xr.Dataset) -> None:
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
    error = float(box["antisymmetry_error"].max())
    style.note(axis, f"g(φ) + g(φ+π) is constant within {error:.0e}", x=0.5, y=0.01, ha="center")


def _covariance(axis, box: xr.Dataset) -> None:
    """Covariance over draws against the angle between two phases."""
    phase = box["phase"].values
    found = box["covariance"].values
    lags = np.arange(phase.size // 2 + 1)
    rows = np.arange(phase.size)
    each = np.array([found[rows, (rows + lag) % phase.size] for lag in lags])
    axis.fill_between(phase[lags], each.min(axis=1), each.max(axis=1), color=style.SKY, alpha=0.5, lw=0)
    axis.plot(phase[lags], each.mean(axis=1), "o", color=style.BLUE, ms=2.5, label="networks: mean (band: range)")
    axis.plot(phase[lags], box["exact_covariance"].values[0, lags], **EXACT, label="(π − |δ|) / 2π")
    axis.plot(
        phase[lags],
        box["printed_covariance"].values[0, lags],
        color=style.VERMILLION,
        ls=":",
        label="π − |δ|, as printed",
    )
    exact, printed = box["exact_covariance"].values, box["printed_covariance"].values
    ratio = float((printed * exact).sum() / (found * exact).sum())
    axis.set(xlabel="angle between two phases δ (rad)", ylabel="covariance of g")
    axis.set_title(f"the printed covariance is {ratio:.2f} times too large (2π = 6.28)")
    axis.set_xticks([0, np.pi / 2, np.pi], ["0", "π/2", "π"])
    worst = np.abs(found - exact).max()
    title = (
        f"{box.attrs['draws']} draws, all pairs of {phase.size} phases,\nlargest error of (π − |δ|) / 2π: {worst:.3f}"
    )
    axis.legend(loc="upper right", title=title)


def _quantiles(axis, box: xr.Dataset) -> None:
    """Quantiles of g(0) against those of the normal distribution."""
    normal = norm.ppf(box["quantile"].values)
    sizes = box["readout_size"].values
    for size, marker, colour in zip(sizes, MARKERS * 9, style.sequence(len(sizes)), strict=False):
        axis.plot(
            normal, box["quantiles"].sel(readout_size=size), marker, color=colour, ms=2.5, mew=0, label=f"M = {size}"
        )
    axis.plot(normal[[0, -1]], normal[[0, -1]], **EXACT)
    axis.set(xlabel="quantile of N(0, 1)", ylabel="quantile of g(0) / √½", title="marginals become normal")
    axis.legend(loc="upper left")


def _kurtosis(axis, box: xr.Dataset) -> None:
    """Excess kurtosis against M."""
    sizes = box["readout_size"].values
    error = 1.96 * box["kurtosis_standard_error"].values
    axis.errorbar(sizes, box["kurtosis"].values, error, fmt="o", color=style.BLUE, lw=0.9, label="draws (95 %)")
    dense = np.geomspace(sizes.min(), sizes.max(), 60)
    axis.plot(dense, 3 / dense, **EXACT, label="3 / M")
    axis.axhline(0, color=style.GREY, lw=0.6)
    within = np.abs(box["kurtosis"] - box["exact_kurtosis"]).values <= error
    axis.set(xscale="log", xlabel="neurons M", ylabel="excess kurtosis of g")
    axis.set_title(f"{within.sum()} of {within.size} intervals hold the exact value")
    axis.legend(loc="upper right")
