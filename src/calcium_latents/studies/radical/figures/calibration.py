"""Calibration of the simulation: correlation of deconvolved events with true spikes, per neuron and dataset.

Inputs:
    calibration: CSV of `metrics.spike_inference.frame_correlation`, one per dataset: dataset, neuron,
        correlation; with noise_level, a second panel shows how it decides the correlation.
"""

from pathlib import Path

import numpy as np

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.statistics.intervals import mean_interval

INPUTS = {"calibration": "{run}/calibration.csv"}
PAPER = 0.32


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = read_tables(inputs, "calibration", ("dataset", "neuron", "correlation")).dropna(subset=["correlation"])
    with_noise = "noise_level" in table
    fig = style.figure(2.6 + 0.09 * table["dataset"].nunique(), style.WIDTH_IN if with_noise else style.WIDTH_IN / 2)
    axes = fig.subplots(1, 2 if with_noise else 1, squeeze=False)[0]
    edges = np.linspace(min(0.0, table["correlation"].min()), max(0.7, table["correlation"].max()), 36)
    # Datasets are ordered by the number in their name (7hz before 10hz).
    names = sorted(table["dataset"].unique(), key=lambda name: (int("0" + "".join(filter(str.isdigit, name))), name))
    colours = style.sequence(len(names))
    for name, colour in zip(names, colours, strict=True):
        part = table[table["dataset"] == name]
        mean, lower, upper = mean_interval(part["correlation"].to_numpy())
        label = f"{name}: {mean:.3f} [{lower:.3f}, {upper:.3f}], n = {len(part)}"
        axes[0].hist(part["correlation"], edges, histtype="step", color=colour, label=label)
        if with_noise:
            axes[1].plot(part["noise_level"], part["correlation"], ".", ms=3, color=colour, alpha=0.6, mew=0)
    axes[0].axvline(PAPER, color=style.BLACK, lw=0.9, ls="--", label=f"paper: mean {PAPER}")
    axes[0].set(xlabel="correlation of events with true spikes, lag 0", ylabel="neurons")
    fig.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2 if with_noise else 1,
        fontsize=6,
        title="mean [95 % t interval over neurons]",
    )
    if with_noise:
        axes[1].axhline(PAPER, color=style.BLACK, lw=0.9, ls="--")
        axes[1].set(xlabel="noise level sn = d (range of the trace = 1)", ylabel="correlation")
        for axis, letter in zip(axes, "ab", strict=True):
            style.panel_letter(axis, letter, x=-0.08)
    return style.save(fig, output_stem)
