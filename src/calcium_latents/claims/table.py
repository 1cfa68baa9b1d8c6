"""Each claim of a paper beside our number: reproduced, not reproduced, beaten, or not tested at this scale,
and why.

A study has its claims in its module `claims`:

    TABLES = {"scores": "{run}/scores.csv"}  # table -> pattern of files; see `planning.inputs`

    def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]

It is a plain function of tidy tables. A table that a run did not make is absent, and its claims are "not
tested at this scale".
"""

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.planning.studies import with_claims
from calcium_latents.provenance import PACKAGE

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
BEATEN, NOT_TESTED = "beaten", "not tested at this scale"
STATUSES = (REPRODUCED, BEATEN, NOT_REPRODUCED, NOT_TESTED)


@dataclass(frozen=True)
class Claim:
    """One row: what the paper says and what we find.

    `paper` is the paper's number as it is printed (text, may hold a relation); `ours`, `lower`, `upper` are
    ours with its 95 % interval (NaN where there is none).
    """

    claim: str
    study: str
    figure: str
    statement: str
    paper: str
    ours: float
    lower: float
    upper: float
    status: str
    reason: str

    def __post_init__(self):
        if self.status not in STATUSES:
            raise ValueError(f"{self.claim}: status {self.status!r} is none of {STATUSES}")


def claims_table(
    tables: Mapping[str, Mapping[str, pd.DataFrame]], studies: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return one row per claim of every study.

    Args:
        tables: study -> name of the table -> table; see each study's module for names and columns.
        studies: study -> module with a function `claims`; default: those of all studies.
    """
    if studies is None:
        studies = claim_modules(with_claims())
    unknown = set(tables) - set(studies)
    if unknown:
        raise UserError(f"claims: expected studies among {sorted(studies)}, found {sorted(unknown)}.")
    rows: list[Claim] = []
    for study, module in studies.items():
        function: Callable[[Mapping[str, pd.DataFrame]], Iterable[Claim]] = import_module(module).claims
        rows += list(function(tables.get(study, {})))
    names = [row.claim for row in rows]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"claims: names must be unique, found twice: {doubled}")
    return pd.DataFrame([asdict(row) for row in rows], columns=[field.name for field in fields(Claim)])


def claim_modules(studies: Iterable[str]) -> dict[str, str]:
    """Return study -> module with its function `claims`.

    Raises:
        UserError: a study makes no claims.
    """
    chosen = list(studies)
    if unknown := sorted(set(chosen) - set(with_claims())):
        raise UserError(f"claims: expected studies among {with_claims()}, found {unknown}.")
    return {study: f"{PACKAGE}.studies.{study}.claims" for study in chosen}


def number(ours: float, lower: float = np.nan, upper: float = np.nan) -> str:
    """Print a number with its interval."""
    if not np.isfinite(ours):
        return "–"
    text = f"{ours:.3g}"
    return f"{text} [{lower:.3g}, {upper:.3g}]" if np.isfinite(lower) and np.isfinite(upper) else text


def to_html(table: pd.DataFrame, scale: str = "") -> str:
    """Return the claims as a self-contained HTML page for the report."""
    colours = {REPRODUCED: "#009E73", BEATEN: "#0072B2", NOT_REPRODUCED: "#D55E00", NOT_TESTED: "#7F7F7F"}
    head = ("claim", "figure", "the paper says", "paper", "ours [95 % interval]", "status", "why")
    lines = []
    for record in table.itertuples():
        row: Any = record
        cells = [
            row.claim,
            row.figure,
            row.statement,
            row.paper,
            number(row.ours, row.lower, row.upper),
            row.status,
            row.reason,
        ]
        text = [html.escape(str(cell)) for cell in cells]
        text[5] = f'<b style="color:{colours[row.status]}">{text[5]}</b>'
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in text) + "</tr>")
    counts = ", ".join(f"{int((table['status'] == status).sum())} {status}" for status in STATUSES)
    title = "Claims of the papers beside our numbers" + (f" ({html.escape(scale)} scale)" if scale else "")
    style = (
        "body{font:14px/1.4 sans-serif;margin:1.5em;max-width:80em}table{border-collapse:collapse}"
        "td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}"
        "td:nth-child(5){white-space:nowrap}"
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{style}</style></head><body>"
        f"<h1>{title}</h1><p>{counts}.</p><table><thead><tr>"
        + "".join(f"<th>{cell}</th>" for cell in head)
        + "</tr></thead><tbody>"
        + "\n".join(lines)
        + "</tbody></table></body></html>\n"
    )
