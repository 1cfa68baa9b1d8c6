"""One panel: R2 of a latent against frequency for every method, with intervals and paired tests."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.figures import style
from calcium_latents.statistics.intervals import paired_tests, summarise

SCORE_COLUMNS = ("dataset", "frequency_hz", "model", "seed", "fold", "latent", "r2")
REFERENCE = "radical"


def draw_recovery(axis: Axes, scores: pd.DataFrame, latent: str, paper_line: bool = False) -> None:
    """Draw mean R2 with 95 % t intervals over folds, and tests of RADICaL against the other methods."""
    rows = scores[scores["latent"] == latent]
    table = summarise(rows, ["model", "frequency_hz"])
    models = style.in_order(table["model"])
    frequencies = np.sort(table["frequency_hz"].unique())
    for index, model in enumerate(models):
        part = table[table["model"] == model].sort_values("frequency_hz")
        look = style.appearance(model, models)
        # A small shift per method keeps error bars apart.
        x = part["frequency_hz"] + (index - (len(models) - 1) / 2) * 0.12
        error = np.nan_to_num([part["mean"] - part["lower"], part["upper"] - part["mean"]])
        axis.errorbar(x, part["mean"], yerr=error, label=style.label(model), capsize=2, elinewidth=0.8, **look)
        unseen = _unseen(rows, model)
        axis.plot(x[: len(unseen)], unseen, look["marker"], mfc="none", mec=look["color"], mew=0.8, ms=6.5)
    low = min(0.0, float(np.nanmin(table["lower"].fillna(table["mean"]))) - 0.05)
    rivals = [model for model in models if model != REFERENCE]
    top = 1.05 + (0.1 * len(rivals) if REFERENCE in models else 0)
    axis.set_ylim(low, top + 0.02)
    axis.set_yticks(np.arange(np.ceil(low * 5) / 5, 1.01, 0.2))
    axis.set_xticks(frequencies, [f"{hz:g}" for hz in frequencies])
    axis.set_xlim(frequencies[0] - 1.2, frequencies[-1] + 1.2)
    axis.set_ylabel(f"R² of {latent} (held-out trials)")
    if paper_line:
        start, stop = max(frequencies[0] - 1.2, 3), min(15.5, frequencies[-1] + 1.2)
        axis.plot(
            [start, stop],
            [0.8, 0.8],
            color="0.4",
            lw=0.8,
            ls=(0, (4, 2)),
            label="paper: RADICaL above 0.8 up to 15 Hz",
        )
    if REFERENCE in models and rivals:
        _test_marks(axis, rows, rivals, frequencies)
    folds, seeds = int(table["n"].max()), rows.groupby("model")["seed"].nunique().max()
    averaged = f", {seeds} seeds averaged" if seeds > 1 else ""
    hollow = "\nhollow: trials that no model was fitted on" if "r2_validation" in rows else ""
    axis.set_xlabel(f"peak frequency of Z (Hz)\nmean and 95 % t interval over {folds} folds{averaged}{hollow}")


def _unseen(rows: pd.DataFrame, model: str) -> np.ndarray:
    """Mean R2 over the trials that no model was fitted on, by frequency; empty where the scores have none."""
    if "r2_validation" not in rows:
        return np.empty(0)
    part = rows[rows["model"] == model]
    return part.groupby("frequency_hz")["r2_validation"].mean().to_numpy()


def _test_marks(axis: Axes, rows: pd.DataFrame, rivals: list[str], frequencies: np.ndarray) -> None:
    """Above the data, one line per rival.

    * where RADICaL is better (paired one-sided t-test), ** corrected too.
    """
    tests = paired_tests(rows, by=("frequency_hz",))
    tests = tests[tests["model"] == REFERENCE].set_index(["versus", "frequency_hz"])
    for index, rival in enumerate(rivals):
        y = 1.07 + 0.1 * (len(rivals) - 1 - index)
        for hz in frequencies:
            if (rival, hz) not in tests.index:
                continue
            test = tests.loc[(rival, hz)]
            mark = "**" if test["p_corrected"] < 0.05 else "*" if test["p"] < 0.05 else "n.s."
            axis.text(
                hz,
                y,
                mark,
                color=style.appearance(rival, rivals)["color"],
                ha="center",
                va="center",
                fontsize=6,
            )
    style.note(
        axis,
        "RADICaL above the method of that colour (paired one-sided t-test):\n* p < 0.05; ** also corrected "
        "for shared training trials; n.s. p ≥ 0.05",
        x=0.0,
        y=1.01,
        fontsize=5.5,
    )
