"""Who leads whom by lagged influence, in neurons that follow one Lorenz system with known delays.

Inputs:
    scores: scores.csv of `roles_benchmark`, several networks a level of noise.
    example: example.nc of `roles_example`: the influence of a few neurons on each other.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.latent_contributions.figures.role_scores import (
    DIFFERENCE,
    SCORE,
    draw_differences,
    levels_by_verdict,
    tabulate_scores,
)
from calcium_latents.studies.latent_contributions.roles_benchmark import DELAYS

INPUTS = {"scores": "roles/scores.csv", "example": "roles/example.nc"}
#: method -> label, colour, marker, line style; the peak lags use all lags at once and are drawn as levels.
LINES = {
    "peak_lag": ("plain: peak lag of pairs", style.BLUE, "s", "--"),
    "lagged_correlation": ("plain: lagged correlation", style.GREEN, "^", "-"),
    "peak_lag_of_latents": ("contributions: peak lag, latents' picture", style.ORANGE, "D", "--"),
    "influence_on_latents": ("contributions: correlation with latents' picture", style.VERMILLION, "o", "-"),
    "net_influence": ("contributions: net influence", style.PURPLE, "P", "-"),
    "shuffled": ("shuffled neurons", style.GREY, "x", ":"),
}
SHORT = {
    "peak_lag_of_latents": "peak lag, latents' picture",
    "influence_on_latents": "correlation with picture",
    "net_influence": "net influence",
}
REMARK = (
    "All common activity comes from one Lorenz system; no neuron drives another: association, not causation.\n"
    "With cosine, or correlation over latents, the similarity depends on time by its sign only."
)


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return scores (a) and their differences to the best plain score (c); see `tabulate_scores`."""
    table = tabulate_scores(inputs, DELAYS)
    table.insert(0, "panel", table["quantity"].map({SCORE: "a", DIFFERENCE: "c"}))
    return table


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    shown = read_dataset(inputs["example"][0], ["influence", "lead_s"])
    summary, compared = table[table["quantity"] == SCORE], table[table["quantity"] == DIFFERENCE]
    levels = np.sort(summary["level"].unique())
    fig = style.figure(5.2)
    rows = fig.add_gridspec(2, 1, height_ratios=(1.0, 1.15))
    axes: list[Axes] = []
    for cell in rows[0].subgridspec(1, len(levels)):
        axes.append(fig.add_subplot(cell, sharey=axes[0] if axes else None))
    for axis, level in zip(axes, levels, strict=True):
        _ranks(axis, summary[summary["level"] == level], level)
        axis.tick_params(labelleft=axis is axes[0])
    axes[0].set_ylabel("Spearman correlation\nwith the true lead")
    heat, differences = (fig.add_subplot(cell) for cell in rows[1].subgridspec(1, 2, width_ratios=(1, 1.2)))
    _heat_map(heat, shown)
    _differences(differences, compared)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, title=REMARK, title_fontsize=6.5)
    fig.suptitle(outcome(compared), fontsize=7.5)
    for axis, letter, place in zip((axes[0], heat, differences), "abc", (-0.1, -0.45, -0.1), strict=True):
        style.panel_letter(axis, letter, x=place)
    return style.save(fig, output_stem)


def outcome(compared: pd.DataFrame) -> str:
    """Say for each contribution score, at its best lag of each noise, where it wins, ties or loses against plain."""
    said = {name: levels_by_verdict(_best(compared, method), "noise ") for method, name in SHORT.items()}
    lines = [f"{name} {words}" for name, words in said.items() if words]
    return "Against the best plain score: " + "\n".join(lines) if lines else "Nothing was compared"


def _best(compared: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the rows of a method at its best lag of each level."""
    rows = compared[(compared["method"] == method) & compared["value"].notna()]
    return rows.loc[rows.groupby("level")["value"].idxmax()].sort_values("level")


def _ranks(axes: Axes, rows: pd.DataFrame, level: float) -> None:
    lags = np.sort(rows["lag_s"].dropna().unique())
    width = np.diff(lags).min() if len(lags) > 1 else 1.0
    for order, (method, (label, colour, marker, line)) in enumerate(LINES.items()):
        part = rows[rows["method"] == method].sort_values("lag_s")
        shift = 0.07 * width * (order - 2.5)
        if part["lag_s"].isna().all():
            part = pd.concat([part] * 2)
            x = np.array([lags[0], lags[-1]]) + (lags[-1] - lags[0]) * 0.05 * np.array([-1, 1]) + shift
        else:
            x = part["lag_s"].to_numpy() + shift
        error = np.stack([part["value"] - part["lower"], part["upper"] - part["value"]])
        axes.errorbar(x, part["value"], error, color=colour, marker=marker, ls=line, elinewidth=0.6, label=label)
    axes.axhline(0, color=style.BLACK, lw=0.6, ls=":")
    axes.set(xlabel=f"lag (s)\nn = {int(rows['n'].max())} networks, 95 % t intervals", xticks=lags)
    lowest = rows["lower"].min()
    axes.set(ylim=(min(-0.15, lowest) if np.isfinite(lowest) else -0.15, 1.02))
    axes.set_title(f"noise {level:g} (signal: s.d. 1)")


def _heat_map(axes: Axes, shown: xr.Dataset) -> None:
    matrix = shown["influence"].values
    size = float(np.abs(matrix).max()) or 1.0
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-size, vmax=size)
    axes.figure.colorbar(image, ax=axes, label="influence (1)", shrink=0.9)
    ticks = np.arange(0, len(matrix), max(1, len(matrix) // 4))
    labels = [f"{lead:+.1f}" for lead in shown["lead_s"].values[ticks]]
    axes.set(xticks=ticks, yticks=ticks, xticklabels=labels, yticklabels=labels)
    axes.set(xlabel="later neuron, by true lead (s)", ylabel="earlier neuron,\nby true lead (s)")
    axes.set_title(
        f"{len(matrix)} of the neurons, lag {shown.attrs['lag_s']:g} s; of all pairs,\n"
        f"{shown.attrs['right_pairs']:.0%} have the leader ahead (chance 50 %)"
    )


def _differences(axes: Axes, compared: pd.DataFrame) -> None:
    levels = sorted(compared["level"].unique())
    for order, method in enumerate(SHORT):
        best = _best(compared, method)
        y = np.array([levels.index(level) for level in best["level"]]) + 0.2 * (order - 1)
        _, colour, marker, _ = LINES[method]
        draw_differences(axes, best, y, colour, marker)
    axes.axvline(0, color=style.BLACK, lw=0.6)
    axes.set(yticks=range(len(levels)), yticklabels=[f"noise {level:g}" for level in levels])
    axes.set(ylim=(len(levels) - 0.4, -0.6))
    axes.set_xlabel(
        "Spearman less the best plain score's, paired, each at\nits best lag (open: tie, interval includes 0)"
    )
    axes.set_title("Contribution scores, colours as in a")
