"""What happened in a search over hyperparameters: who was best, and who descends from whom.

The history (`metrics.csv` of a run with such a search) has one row a generation and member: generation, member, parent
(whose weights and hyperparameters of the generation before the member went on with: itself unless it copied), epoch,
step, score (lower is better; NaN where the member diverged), diverged, the validation metrics, and a column for each
hyperparameter that is searched.
"""

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError

COLUMNS = ("generation", "member", "parent", "epoch", "step", "score", "diverged")


def read_history(table: pd.DataFrame) -> pd.DataFrame:
    """Return the history in order of generation and member, checked; parents in the first generation are the members.

    Raises UserError when a generation lacks members, or a parent is no member.
    """
    table = table.sort_values(["generation", "member"], ignore_index=True)
    first = table["generation"] == table["generation"].min()
    table["parent"] = table["parent"].where(~first & table["parent"].notna(), table["member"]).astype(int)
    members = set(table.loc[first, "member"])
    for generation, rows in table.groupby("generation"):
        if set(rows["member"]) != members or len(rows) != len(members):
            found = f"{len(rows)} rows of members {sorted(set(rows['member']))}"
            raise UserError(
                f"history of a search, generation {generation}: expected one row for each of the {len(members)} members"
                f" of the first generation, found {found}."
            )
    if not set(table["parent"]) <= members:
        strange = sorted(set(table["parent"]) - members)
        raise UserError(f"history of a search: expected parents among the members, found {strange}.")
    return table


def by_generation(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return `column` as a table: a row a generation, a column a member."""
    return history.pivot(index="generation", columns="member", values=column)


def best_so_far(history: pd.DataFrame) -> pd.Series:
    """Return the lowest finite score until each generation, by generation; NaN before the first."""
    scores = by_generation(history, "score").replace([np.inf, -np.inf], np.nan)
    return scores.min(axis=1).cummin().ffill()


def winner(history: pd.DataFrame) -> tuple[int, int]:
    """Return (generation, member) of the lowest score of all generations, the earliest where several are equal.

    Raises UserError when no score is finite.
    """
    finite = history[np.isfinite(history["score"])]
    if finite.empty:
        raise UserError("history of a search: expected at least one finite score, found none: every member diverged.")
    row = finite.loc[finite["score"].idxmin()]
    return int(row["generation"]), int(row["member"])


def lineage(history: pd.DataFrame, generation: int, member: int) -> pd.Series:
    """Return, by generation up to `generation`, the member through which a member of that generation descends."""
    parents = by_generation(history, "parent").loc[:generation]
    line = {}
    for number in reversed(parents.index):
        line[number] = member
        member = int(parents.loc[number, member])
    return pd.Series(line, name="member").sort_index().rename_axis("generation")


def ancestors(history: pd.DataFrame) -> pd.DataFrame:
    """Return the member of the first generation from which each member descends: a row a generation."""
    parents = by_generation(history, "parent")
    origin = pd.Series(parents.columns, index=parents.columns)
    rows = {}
    for generation, parent in parents.iterrows():
        origin = pd.Series(origin.loc[parent].to_numpy(), index=parents.columns)
        rows[generation] = origin
    return pd.DataFrame(rows).T.rename_axis("generation")


def share_of_ancestors(history: pd.DataFrame) -> pd.Series:
    """Return the share of the first generation's members that have descendants, by generation."""
    origin = ancestors(history)
    return origin.nunique(axis=1) / origin.shape[1]
