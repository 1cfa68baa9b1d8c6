"""RADICaL Supplementary Figure 1: R2 of X and Y against frequency.

Inputs:
    scores: scores.csv, one per dataset.
    paper: what the paper states.
"""

from pathlib import Path

import pandas as pd

from calcium_latents.claims.paper import paper_values
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.radical.figures.recovery_panel import draw_recovery
from calcium_latents.studies.radical.recovery import SCORE_COLUMNS, recovery

INPUTS = {"scores": "{run}/scores.csv", "paper": "config/papers/radical.yaml"}
PANELS = {"X": "a", "Y": "b"}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return `recovery` of X and Y."""
    table = recovery(read_tables(inputs, "scores", SCORE_COLUMNS))
    table.insert(0, "panel", table["latent"].map(PANELS))
    return table.dropna(subset=["panel"])


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    paper = paper_values(inputs)
    fig = style.figure(3.0)
    axes = fig.subplots(1, 2, sharey=True)
    for axis, letter in zip(axes, PANELS.values(), strict=True):
        draw_recovery(axis, table[table["panel"] == letter], paper)
        style.panel_letter(axis, letter, x=-0.06, y=1.1)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return style.save(fig, output_stem)
