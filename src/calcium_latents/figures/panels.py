"""What figures share: tables by panel, what stands for a mark in a legend, and a legend with a note."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D


def tidy(panels: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of a figure's panels as one, with the letters in its first column, `panel`."""
    return pd.concat(panels, names=["panel"]).reset_index("panel").reset_index(drop=True)


def mark(label: str, color: str, marker: str = "", **look) -> Line2D:
    """Return what stands for a marker (or with `ls` a line) in a legend."""
    shown: Any = {"color": color, "marker": marker, "ls": "" if marker else "-"} | look
    return Line2D([], [], label=label, **shown)


def legend_below(fig, handles: Sequence, note: str, ncols: int, width: int = 150, size: float = 6) -> None:
    """Put a legend below all panels, and above it what a reader must know, in lines of `width` characters at most."""
    title = "\n".join(fill(line, width) for line in note.split("\n"))
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=ncols, title=title, title_fontsize=size)
    legend.get_title().set_multialignment("center")
