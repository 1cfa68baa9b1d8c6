"""Correlation of events with spikes, a point a neuron.

Inputs:
    fidelity: fidelity.csv of each recording.
"""

from pathlib import Path

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables

INPUTS = {"fidelity": "{run}/fidelity.csv"}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = read_tables(inputs, "fidelity", ["dataset", "correlation"])
    fig = style.figure(2.4, width_in=3.5)
    axes = fig.subplots()
    axes.plot(table["dataset"], table["correlation"], "o", color=style.BLUE, alpha=0.5)
    axes.set(xlabel="recording", ylabel="correlation of events with spikes", title="a point a neuron")
    return style.save(fig, output_stem)
