"""One panel: R2 of a latent against frequency for every method, with intervals and paired tests."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.claims.paper import PaperValue
from calcium_latents.figures import style
from calcium_latents.studies.radical.recovery import MODEL


def draw_recovery(axis: Axes, table: pd.DataFrame, paper: Mapping[str, PaperValue], paper_line: bool = False) -> None:
    """Draw mean R2 with 95 % t intervals over folds, and tests of RADICaL against the other methods.

    Args:
        axis: where to.
        table: rows of one latent of `recovery.recovery`.
        paper: values of the paper (`claims.paper.read_paper`).
        paper_line: also draw the line that the paper says RADICaL's R2 of Z is above.
    """
    latent, models = table["latent"].iloc[0], style.in_order(table["model"])
    frequencies = np.sort(table["frequency_hz"].unique())
    for index, model in enumerate(models):
        part = table[table["model"] == model].sort_values("frequency_hz")
        look = style.appearance(model, models)
        # A small shift per method keeps error bars apart.
        x = part["frequency_hz"] + (index - (len(models) - 1) / 2) * 0.12
        error = np.nan_to_num([part["value"] - part["lower"], part["upper"] - part["value"]])
        axis.errorbar(x, part["value"], yerr=error, label=style.label(model), capsize=2, elinewidth=0.8, **look)
        axis.plot(x, part["validation"], look["marker"], mfc="none", mec=look["color"], mew=0.8, ms=6.5)
    low = min(0.0, float(np.nanmin(table["lower"].fillna(table["value"]))) - 0.05)
    rivals = [model for model in models if model != MODEL]
    top = 1.05 + (0.1 * len(rivals) if MODEL in models else 0)
    axis.set_ylim(low, top + 0.02)
    axis.set_yticks(np.arange(np.ceil(low * 5) / 5, 1.01, 0.2))
    axis.set_xticks(frequencies, [f"{hz:g}" for hz in frequencies])
    axis.set_xlim(frequencies[0] - 1.2, frequencies[-1] + 1.2)
    axis.set_ylabel(f"R² of {latent} (held-out trials)")
    if paper_line:
        level, highest = paper["z_r2"].value, paper["z_r2_up_to_hz"].value
        ends = [max(frequencies[0] - 1.2, 3), min(highest + 0.5, frequencies[-1] + 1.2)]
        said = f"paper: RADICaL above {level:g} {paper['z_r2_up_to_hz'].printed}"
        axis.plot(ends, [level, level], color="0.4", lw=0.8, ls=(0, (4, 2)), label=said)
    if MODEL in models and rivals:
        _test_marks(axis, table, rivals, paper["significance"].value)
    folds, seeds = int(table["folds"].max()), int(table["seeds"].max())
    averaged = f", {seeds} seeds averaged" if seeds > 1 else ""
    hollow = "\nhollow: trials that no model was fitted on" if table["validation"].notna().any() else ""
    axis.set_xlabel(f"peak frequency of Z (Hz)\nmean and 95 % t interval over {folds} folds{averaged}{hollow}")


def _test_marks(axis: Axes, table: pd.DataFrame, rivals: list[str], significance: float) -> None:
    """Above the data, one line per rival.

    * where RADICaL is better (paired one-sided t-test), ** corrected too.
    """
    for row in table.dropna(subset=["p_value"]).itertuples():
        mark = "**" if row.p_value_corrected < significance else "*" if row.p_value < significance else "n.s."
        y = 1.07 + 0.1 * (len(rivals) - 1 - rivals.index(row.model))
        colour = style.appearance(row.model, rivals)["color"]
        axis.text(row.frequency_hz, y, mark, color=colour, ha="center", va="center", fontsize=6)
    style.note(
        axis,
        "RADICaL above the method of that colour (paired one-sided t-test):\n"
        f"* p < {significance:g}; ** also corrected for shared training trials; n.s. p ≥ {significance:g}",
        x=0.0,
        y=1.01,
        fontsize=5.5,
    )
