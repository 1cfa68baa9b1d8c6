"""Calibration of the simulation: correlation of deconvolved events with true spikes, per neuron and dataset.

Inputs:
    calibration: CSV of `metrics.spike_inference.frame_correlation`, one per dataset: dataset, neuron,
        correlation; with noise_level, a second panel shows how it decides the correlation.
    paper: what the paper states.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import paper_values
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.statistics.intervals import mean_interval

INPUTS = {"calibration": "{run}/calibration.csv", "paper": "config/papers/radical.yaml"}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the mean correlation of each dataset over its neurons, with a 95 % t interval."""
    # Datasets are ordered by the number in their name (7hz before 10hz).
    parts = sorted(
        _neurons(inputs).groupby("dataset")["correlation"],
        key=lambda part: (int("0" + "".join(filter(str.isdigit, part[0]))), part[0]),
    )
    rows = [("a", name, *mean_interval(values.to_numpy()), len(values)) for name, values in parts]
    return pd.DataFrame(rows, columns=["panel", "dataset", "value", "lower", "upper", "n"])


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    stated = paper_values(inputs)["event_spike_correlation"]
    neurons = _neurons(inputs)
    with_noise = "noise_level" in neurons
    fig = style.figure(2.6 + 0.09 * len(table), style.WIDTH_IN if with_noise else style.WIDTH_IN / 2)
    axes = fig.subplots(1, 2 if with_noise else 1, squeeze=False)[0]
    edges = np.linspace(min(0.0, neurons["correlation"].min()), max(0.7, neurons["correlation"].max()), 36)
    for row, colour in zip(table.itertuples(), style.sequence(len(table)), strict=True):
        part = neurons[neurons["dataset"] == row.dataset]
        label = f"{row.dataset}: {row.value:.3f} [{row.lower:.3f}, {row.upper:.3f}], n = {row.n}"
        axes[0].hist(part["correlation"], edges, histtype="step", color=colour, label=label)
        if with_noise:
            axes[1].plot(part["noise_level"], part["correlation"], ".", ms=3, color=colour, alpha=0.6, mew=0)
    axes[0].axvline(stated.value, color=style.BLACK, lw=0.9, ls="--", label=f"paper: mean {stated.printed}")
    axes[0].set(xlabel="correlation of events with true spikes, lag 0", ylabel="neurons")
    fig.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2 if with_noise else 1,
        fontsize=6,
        title="mean [95 % t interval over neurons]",
    )
    if with_noise:
        axes[1].axhline(stated.value, color=style.BLACK, lw=0.9, ls="--")
        axes[1].set(xlabel="noise level sn = d (range of the trace = 1)", ylabel="correlation")
        for axis, letter in zip(axes, "ab", strict=True):
            style.panel_letter(axis, letter, x=-0.08)
    return style.save(fig, output_stem)


def _neurons(inputs: Inputs) -> pd.DataFrame:
    return read_tables(inputs, "calibration", ("dataset", "neuron", "correlation")).dropna(subset=["correlation"])
