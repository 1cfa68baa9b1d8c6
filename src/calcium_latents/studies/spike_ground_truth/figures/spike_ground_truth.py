"""Deconvolved events against real spikes, beside the simulated neurons: correlation against bin width.

Inputs:
    spike_inference: CSV of `metrics.spike_inference` for real recordings (dataset, indicator, neuron,
        recording, bin_width_s, lag_s, correlation).
    simulated (optional): the same table for simulated neurons.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.statistics.intervals import bootstrap_interval

INPUTS = {"spike_inference": "{measured}/spike_inference.csv"}
OPTIONAL_INPUTS = {"simulated": "{simulated}/spike_inference.csv"}
COLUMNS = ("dataset", "indicator", "neuron", "recording", "bin_width_s", "lag_s", "correlation")
COLOURS = (style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
MARKERS = "os^Dv"
SIMULATED = "simulated"


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure at zero lag and at every data set's best lag; see the module's docstring for `inputs`."""
    tables = [read_tables(inputs, "spike_inference", COLUMNS)]
    if inputs.get("simulated"):
        tables.append(read_tables(inputs, "simulated", COLUMNS).assign(indicator=SIMULATED))
    table = pd.concat(tables, ignore_index=True).dropna(subset=["correlation"])
    # Recordings of one neuron are not independent: a neuron counts once per bin width and lag.
    table["group"] = [_name(row.indicator, row.dataset) for row in table.itertuples()]
    neurons = table.groupby(["group", "neuron", "bin_width_s", "lag_s"], as_index=False)["correlation"].mean()
    groups = sorted(neurons["group"].unique(), key=lambda name: (name == SIMULATED, name))
    fig = style.figure(3.4)
    left, right = fig.subplots(1, 2, width_ratios=[1.2, 1])
    widths = np.sort(neurons["bin_width_s"].unique())
    frame = float(widths[np.abs(widths - 0.03).argmin()])
    labels = []
    for index, group in enumerate(groups):
        part = neurons[neurons["group"] == group]
        look = _look(group, index)
        best = _best_lag(part[part["bin_width_s"] == frame])
        labels += ["0", f"{best * 1e3:g}"]
        for column, lag in enumerate((0.0, best)):
            at_lag = part[np.isclose(part["lag_s"], lag)]
            _against_width(left, at_lag, group, best if column else None, look, index - len(groups) / 2)
            points = at_lag[at_lag["bin_width_s"] == frame]["correlation"].to_numpy()
            _neurons(right, 2.6 * index + column, points, look, filled=bool(column))
        right.text(2.6 * index + 0.5, 1.02, group.replace("-", "\n", 1), ha="center", va="bottom", fontsize=5.5)
    left.set_xscale("log")
    left.set_xticks(widths * 1e3, [f"{width * 1e3:g}" for width in widths], rotation=45)
    left.minorticks_off()
    floor = min(0, neurons["correlation"].min())
    left.set(xlabel="bin width (ms)", ylabel="correlation of events with true spikes", ylim=(floor, 1))
    left.legend(loc="lower right", fontsize=5.5)
    style.note(left, "mean over neurons, 95 % bootstrap interval\nsolid: best lag, dashed: lag 0", x=0.02, y=0.9)
    right.axhline(0.32, color="0.4", lw=0.8, ls="--", label="paper's simulation: 0.32")
    right.legend(loc="upper left", fontsize=5.5)
    right.set(
        xticks=[2.6 * index + column for index in range(len(groups)) for column in (0, 1)],
        xticklabels=labels,
        xlabel="lag of events behind spikes (ms)",
        ylim=(floor, 1),
        ylabel=f"correlation at {frame * 1e3:g} ms bins; a point a neuron",
    )
    style.panel_letter(left, "a", x=-0.1)
    style.panel_letter(right, "b", x=-0.1)
    return style.save(fig, output_stem)


def _best_lag(neurons: pd.DataFrame) -> float:
    """Lag (s) of the highest mean correlation; chosen on the same neurons, so that correlation is optimistic."""
    return float(neurons.groupby("lag_s")["correlation"].mean().idxmax())


def _against_width(axes, neurons: pd.DataFrame, group: str, best: float | None, look: dict, shift: float) -> None:
    rows = [
        (width, *bootstrap_interval(values["correlation"].to_numpy()))
        for width, values in neurons.groupby("bin_width_s")
    ]
    width, mean, lower, upper = np.array(rows).T
    if best is None:
        axes.plot(width * 1e3, mean, color=look["color"], lw=0.8, ls="--")
        return
    count = neurons["neuron"].nunique()
    axes.errorbar(
        width * 1e3 * (1 + 0.02 * shift),
        mean,
        yerr=[mean - lower, upper - mean],
        capsize=2,
        elinewidth=0.8,
        label=f"{group} (n = {count}; lag {best * 1e3:g} ms)",
        **look,
    )


def _neurons(axes, place: float, points: np.ndarray, look: dict, filled: bool) -> None:
    # Spread by rank, not at random: the same file always gives the same picture.
    spread = place + 0.5 * ((np.arange(len(points)) * 0.618) % 1 - 0.5)
    face = look["color"] if filled else "none"
    edge = {"mfc": face, "mec": look["color"], "mew": 0.0 if filled else 0.5}
    axes.plot(spread, points, look["marker"], ms=3.5, alpha=0.6, ls="none", **edge)
    axes.plot([place - 0.4, place + 0.4], [points.mean()] * 2, color=style.BLACK, lw=1.4)
    axes.text(place, points.max() + 0.02, f"{points.mean():.2f}", ha="center", va="bottom", fontsize=6)


def _look(group: str, index: int) -> dict[str, str]:
    if group == SIMULATED:
        return {"color": style.VERMILLION, "marker": "*"}
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _name(indicator: str, dataset: str) -> str:
    if indicator == SIMULATED:
        return SIMULATED
    return dataset if str(indicator) in dataset else f"{dataset}, {indicator}"
