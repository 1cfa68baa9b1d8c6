"""RADICaL Supplementary Figure 1: R2 of X and Y against frequency.

Inputs:
    scores: scores.csv, one per dataset.
"""

from pathlib import Path

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.radical.figures.recovery_panel import SCORE_COLUMNS, draw_recovery

INPUTS = {"scores": "{run}/scores.csv"}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "scores", SCORE_COLUMNS)
    fig = style.figure(3.0)
    axes = fig.subplots(1, 2, sharey=True)
    for axis, latent, letter in zip(axes, "XY", "ab", strict=True):
        draw_recovery(axis, scores, latent)
        style.panel_letter(axis, letter, x=-0.06, y=1.1)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return style.save(fig, output_stem)
