"""Rows of a figure's table: made in `tabulate`, found again in `draw`."""

from typing import Any

import numpy as np
import pandas as pd


def rows(panel: str, quantity: str, value: Any, **columns: Any) -> pd.DataFrame:
    """Return a row for each of `value` (a number, or [row]); `columns` likewise."""
    return pd.DataFrame({"panel": panel, "quantity": quantity, **columns, "value": np.atleast_1d(value)})


def select(table: pd.DataFrame, **keys: Any) -> pd.DataFrame:
    """Return the rows of a table in which all `keys` have these values."""
    return table[np.all([table[name] == value for name, value in keys.items()], axis=0)]


def number(table: pd.DataFrame, quantity: str, **keys: Any) -> float:
    """Return the value of the one row of a quantity (with these keys)."""
    return float(select(table, quantity=quantity, **keys)["value"].iloc[0])
