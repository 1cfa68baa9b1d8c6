"""What both figures of roles share: scores of the benchmark as a table, verdicts in words, differences as points."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.errors import UserError
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.latent_contributions.roles_benchmark import COLUMNS, LOSES, TIES, WINS, compare, summarise

SCORE, DIFFERENCE = "score", "difference to the best plain score"
KEYS = ["quantity", "role", "difficulty", "level", "method", "lag_s", "baseline", "baseline_lag_s"]


def tabulate_scores(inputs: Inputs, benchmark: str) -> pd.DataFrame:
    """Return mean scores over networks (`summarise`) and paired differences (`compare`) of one benchmark.

    Returns:
        Columns of `KEYS`, value, lower, upper (95 % t interval over networks), n (networks), verdict.
    """
    table = read_tables(inputs, "scores", COLUMNS)
    table = table[table["benchmark"] == benchmark]
    if not len(table):
        raise UserError(f"input scores: expected rows of the benchmark {benchmark!r}, found none.")
    scores = summarise(table).rename(columns={"mean": "value"}).assign(quantity=SCORE)
    compared = compare(table).rename(columns={"difference": "value"}).assign(quantity=DIFFERENCE)
    return pd.concat([scores, compared]).reindex(columns=[*KEYS, "value", "lower", "upper", "n", "verdict"])


def levels_by_verdict(rows: pd.DataFrame, unit: str = "") -> str:
    """Say at which levels a score wins, ties and loses, such as "wins at 2, 3; ties at 1"; nothing without rows."""
    parts = []
    for verdict in (WINS, TIES, LOSES):
        levels = [f"{level:g}" for level in np.sort(rows.loc[rows["verdict"] == verdict, "level"])]
        if levels:
            parts.append(f"{verdict} at {unit}{', '.join(levels)}")
    return "; ".join(parts)


def draw_differences(axes: Axes, rows: pd.DataFrame, y: np.ndarray, colour: str, marker: str) -> None:
    """Draw differences at heights y [row] with their intervals, ties as open marks."""
    error = np.stack([rows["value"] - rows["lower"], rows["upper"] - rows["value"]])
    axes.errorbar(rows["value"], y, xerr=error, color=colour, ls="", lw=0.8, ms=0)
    tie = rows["verdict"].to_numpy() == TIES
    for shown, face in ((~tie, colour), (tie, "white")):
        axes.plot(rows["value"][shown], y[shown], marker, color=colour, mfc=face, ms=4, ls="")
