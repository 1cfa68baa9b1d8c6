"""Deconvolved events against real spikes, beside the simulated neurons: correlation against bin width.

Inputs:
    spike_inference: CSV of `analysis.spike_inference` for real recordings (dataset, indicator, neuron,
        recording, bin_width_s, lag_s, correlation).
    simulated (optional): the same table for simulated neurons.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.analysis.statistics import bootstrap_interval
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables

REQUIRED = ("spike_inference",)
OPTIONAL = ("simulated",)
COLUMNS = ("dataset", "indicator", "neuron", "recording", "bin_width_s", "lag_s", "correlation")
COLOURS = (style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
MARKERS = "os^Dv"
SIMULATED = "simulated"


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure at zero lag; see the module's docstring for `inputs`."""
    tables = [read_tables(inputs, "spike_inference", COLUMNS)]
    if inputs.get("simulated"):
        tables.append(read_tables(inputs, "simulated", COLUMNS).assign(indicator=SIMULATED))
    table = pd.concat(tables, ignore_index=True)
    table = table[table["lag_s"] == 0].dropna(subset=["correlation"])
    # Recordings of one neuron are not independent: a neuron counts once per bin width.
    table["group"] = [_name(row.indicator, row.dataset) for row in table.itertuples()]
    neurons = table.groupby(["group", "neuron", "bin_width_s"], as_index=False)["correlation"].mean()
    groups = sorted(neurons["group"].unique(), key=lambda name: (name == SIMULATED, name))
    fig = style.figure(3.3)
    left, right = fig.subplots(1, 2, width_ratios=[1.25, 1])
    widths = np.sort(neurons["bin_width_s"].unique())
    frame = float(widths[np.abs(widths - 0.03).argmin()])
    for index, group in enumerate(groups):
        part = neurons[neurons["group"] == group]
        look = _look(group, index)
        rows = [
            (width, *bootstrap_interval(values["correlation"].to_numpy()))
            for width, values in part.groupby("bin_width_s")
        ]
        width, mean, lower, upper = np.array(rows).T
        left.errorbar(
            width * 1e3 * (1 + 0.02 * (index - len(groups) / 2)),
            mean,
            yerr=[mean - lower, upper - mean],
            capsize=2,
            elinewidth=0.8,
            label=f"{group} (n = {part['neuron'].nunique()})",
            **look,
        )
        points = part[part["bin_width_s"] == frame]["correlation"].to_numpy()
        # Spread by rank, not at random: the same file always gives the same picture.
        spread = index + 0.6 * ((np.arange(len(points)) * 0.618) % 1 - 0.5)
        right.plot(
            spread,
            points,
            look["marker"],
            color=look["color"],
            ms=2.5 if len(points) > 60 else 3.5,
            alpha=0.6,
            mew=0,
        )
        right.plot([index - 0.38, index + 0.38], [points.mean()] * 2, color=style.BLACK, lw=1.4)
        right.text(index, 1.0, f"{points.mean():.2f}", ha="center", va="bottom", fontsize=6.5)
    left.set_xscale("log")
    left.set_xticks(widths * 1e3, [f"{width * 1e3:g}" for width in widths], rotation=45)
    left.minorticks_off()
    left.set(
        xlabel="bin width (ms)",
        ylabel="correlation of events with true spikes",
        ylim=(min(0, neurons["correlation"].min()), 1),
    )
    left.legend(loc="upper left", fontsize=6)
    style.note(left, "mean over neurons, 95 % bootstrap interval; lag 0", x=0.98, y=0.02, ha="right")
    right.axhline(0.32, color="0.4", lw=0.8, ls="--")
    right.text(
        len(groups) - 0.45,
        0.325,
        "paper's\nsimulation .32",
        fontsize=5.5,
        color="0.3",
        va="bottom",
        ha="left",
    )
    right.set(
        xticks=range(len(groups)),
        ylim=(min(0, neurons["correlation"].min()), 1),
        xlim=(-0.6, len(groups) + 0.35),
        ylabel=f"correlation at {frame * 1e3:g} ms bins",
    )
    right.set_xticklabels(groups, fontsize=6, rotation=20, ha="right", rotation_mode="anchor")
    right.set_title("each point a neuron, line and number: mean", pad=12)
    style.panel_letter(left, "a", x=-0.1)
    style.panel_letter(right, "b", x=-0.1)
    return style.save(fig, output_stem)


def _look(group: str, index: int) -> dict[str, str]:
    if group == SIMULATED:
        return {"color": style.VERMILLION, "marker": "*"}
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _name(indicator: str, dataset: str) -> str:
    if indicator == SIMULATED:
        return SIMULATED
    return dataset if str(indicator) in dataset else f"{dataset}, {indicator}"
