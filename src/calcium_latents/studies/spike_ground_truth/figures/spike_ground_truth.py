"""Deconvolved events against real spikes, beside the simulated neurons: correlation against bin width.

Inputs:
    spike_inference: CSV of `metrics.spike_inference` for real recordings (dataset, indicator, neuron,
        recording, bin_width_s, lag_s, correlation).
    simulated (optional): the same table for simulated neurons.
    paper: what the paper of the simulation states.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import paper_values
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.statistics.intervals import bootstrap_interval

INPUTS = {"spike_inference": "{measured}/spike_inference.csv", "paper": "config/papers/radical.yaml"}
OPTIONAL_INPUTS = {"simulated": "{simulated}/spike_inference.csv"}
COLUMNS = ("dataset", "indicator", "neuron", "recording", "bin_width_s", "lag_s", "correlation")
COLOURS = (style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
MARKERS = "os^Dv"
SIMULATED = "simulated"


FRAME_S = 0.03  # of the simulation
NO_LAG, BEST_LAG = "none", "best"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return, for each data set without lag and at its best lag, means over neurons (a), and neurons in a frame (b).

    The best lag is that of the highest mean correlation, chosen on the same neurons: that correlation is optimistic.
    """
    tables = [read_tables(inputs, "spike_inference", COLUMNS)]
    if inputs.get("simulated"):
        tables.append(read_tables(inputs, "simulated", COLUMNS).assign(indicator=SIMULATED))
    table = pd.concat(tables, ignore_index=True).dropna(subset=["correlation"])
    # Recordings of one neuron are not independent: a neuron counts once per bin width and lag.
    table["group"] = [_name(row.indicator, row.dataset) for row in table.itertuples()]
    neurons = table.groupby(["group", "neuron", "bin_width_s", "lag_s"], as_index=False)["correlation"].mean()
    widths = np.sort(neurons["bin_width_s"].unique())
    frame = float(widths[np.abs(widths - FRAME_S).argmin()])
    rows = []
    for group in sorted(neurons["group"].unique(), key=lambda name: (name == SIMULATED, name)):
        part = neurons[neurons["group"] == group]
        best = float(part[part["bin_width_s"] == frame].groupby("lag_s")["correlation"].mean().idxmax())
        for kind, lag in ((NO_LAG, 0.0), (BEST_LAG, best)):
            key = {"group": group, "lag": kind, "lag_s": lag}
            at_lag = part[np.isclose(part["lag_s"], lag)]
            for width, values in at_lag.groupby("bin_width_s")["correlation"]:
                numbers = dict(zip(("value", "lower", "upper"), bootstrap_interval(values.to_numpy()), strict=True))
                rows.append({"panel": "a", **key, "bin_width_s": width, "n": len(values), **numbers})
            for row in at_lag[at_lag["bin_width_s"] == frame].itertuples():
                one = {"bin_width_s": frame, "neuron": row.neuron, "value": row.correlation}
                rows.append({"panel": "b", **key, **one})
    return pd.DataFrame(rows)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure at zero lag and at every data set's best lag; see the module's docstring for `inputs`."""
    paper = paper_values(inputs)["event_spike_correlation"]
    means, neurons = table[table["panel"] == "a"], table[table["panel"] == "b"]
    widths, frame = np.sort(means["bin_width_s"].unique()), neurons["bin_width_s"].iloc[0]
    groups = list(dict.fromkeys(table["group"]))
    fig = style.figure(3.4)
    left, right = fig.subplots(1, 2, width_ratios=[1.2, 1])
    labels = []
    for index, group in enumerate(groups):
        look = _look(group, index)
        for column, kind in enumerate((NO_LAG, BEST_LAG)):
            part = means[(means["group"] == group) & (means["lag"] == kind)]
            labels.append(f"{part['lag_s'].iloc[0] * 1e3:g}")
            _against_width(left, part, look, index - len(groups) / 2)
            points = neurons[(neurons["group"] == group) & (neurons["lag"] == kind)]["value"].to_numpy()
            mean = part.loc[part["bin_width_s"] == frame, "value"].item()
            _neurons(right, 2.6 * index + column, points, mean, look, filled=bool(column))
        right.text(2.6 * index + 0.5, 1.02, group.replace("-", "\n", 1), ha="center", va="bottom", fontsize=5.5)
    left.set_xscale("log")
    left.set_xticks(widths * 1e3, [f"{width * 1e3:g}" for width in widths], rotation=45)
    left.minorticks_off()
    floor = min(0, table["value"].min() - 0.02)
    left.set(xlabel="bin width (ms)", ylabel="correlation of events with true spikes", ylim=(floor, 1))
    left.legend(loc="lower right", fontsize=5.5)
    style.note(left, "mean over neurons, 95 % bootstrap interval\nsolid: best lag, dashed: lag 0", x=0.02, y=0.9)
    right.axhline(paper.value, color="0.4", lw=0.8, ls="--", label=f"paper's simulation: {paper.printed}")
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


def _against_width(axes, part: pd.DataFrame, look: dict, shift: float) -> None:
    """Panel a: means of one data set at one lag."""
    width, mean = part["bin_width_s"] * 1e3, part["value"]
    row = part.iloc[0]
    if row["lag"] == NO_LAG:
        axes.plot(width, mean, color=look["color"], lw=0.8, ls="--")
        return
    label = f"{row['group']} (n = {int(part['n'].max())}; lag {row['lag_s'] * 1e3:g} ms)"
    error, place = [mean - part["lower"], part["upper"] - mean], width * (1 + 0.02 * shift)
    axes.errorbar(place, mean, yerr=error, capsize=2, elinewidth=0.8, label=label, **look)


def _neurons(axes, place: float, points: np.ndarray, mean: float, look: dict, filled: bool) -> None:
    # Spread by rank, not at random: the same file always gives the same picture.
    spread = place + 0.5 * ((np.arange(len(points)) * 0.618) % 1 - 0.5)
    face = look["color"] if filled else "none"
    edge = {"mfc": face, "mec": look["color"], "mew": 0.0 if filled else 0.5}
    axes.plot(spread, points, look["marker"], ms=3.5, alpha=0.6, ls="none", **edge)
    axes.plot([place - 0.4, place + 0.4], [mean] * 2, color=style.BLACK, lw=1.4)
    axes.text(place, points.max() + 0.02, f"{mean:.2f}", ha="center", va="bottom", fontsize=6)


def _look(group: str, index: int) -> dict[str, str]:
    if group == SIMULATED:
        return {"color": style.VERMILLION, "marker": "*"}
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _name(indicator: str, dataset: str) -> str:
    if indicator == SIMULATED:
        return SIMULATED
    return dataset if str(indicator) in dataset else f"{dataset}, {indicator}"
