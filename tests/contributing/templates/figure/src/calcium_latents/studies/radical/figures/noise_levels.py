"""Noise of the simulated fluorescence: its distribution over neurons, at each speed of the latents.

Inputs:
    recording: events.nc of each dataset (noise_level).
"""

from pathlib import Path

import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings import read_recording
from calcium_latents.statistics.intervals import bootstrap_interval

INPUTS = {"recording": "{run}/events.nc"}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the mean noise level over the neurons of each dataset, with its 95 % interval."""
    rows = []
    for path in inputs["recording"]:
        levels = read_recording(path, ["noise_level"])["noise_level"].values
        mean, lower, upper = bootstrap_interval(levels)
        rows.append({"dataset": path.parent.name, "value": mean, "lower": lower, "upper": upper, "n": len(levels)})
    return pd.DataFrame(rows)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    fig = style.figure(2.4, width_in=3.5)
    axes = fig.subplots()
    errors = (table["value"] - table["lower"], table["upper"] - table["value"])
    axes.errorbar(table["dataset"], table["value"], errors, fmt="o", color=style.BLUE)
    axes.set(xlabel="dataset", ylabel="noise level (s.d. of dF/F)", title="mean over neurons, 95 % interval")
    return style.save(fig, output_stem)
