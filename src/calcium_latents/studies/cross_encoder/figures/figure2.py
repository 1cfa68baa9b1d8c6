"""Cross-encoder, Figure 2: eigenspectra of random-feature activity beside the exact spectra of the operator.

Inputs:
    spectra: CSV of `power_law.power_law_spectra` (dimension, exponent, source, replicate, rank, eigenvalue,
        exact_eigenvalue).
    checks: CSV of `solvable_checks.checks_table`, for alpha and the slopes (identity, setting, value, exact).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.rows import number, rows, select
from calcium_latents.studies.cross_encoder.power_law import largest_gap, octave_ratios

INPUTS = {"spectra": "solvable_network/spectra.csv", "checks": "solvable_network/checks.csv"}
COLUMNS = ("dimension", "exponent", "source", "replicate", "rank", "eigenvalue", "exact_eigenvalue")
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)
MARKERS = "o^sD"
NAMES = {0: "p = 0 (step)", 1: "p = 1 (ReLU)", 2: "p = 2"}
FLOOR = 1e-15
FAR = 0.2  # a spectrum has left the exact one where an octave is off by more
SLOPES = ("alpha_per_degree", "alpha_by_regression", "slope_simulated")  # identities of the checks
RATIO, INFINITE = "simulated / exact, mean and range of replicates", "infinite neurons / exact"
REACH, GAP, FIT = f"last rank within {FAR:.0%} of exact", "largest |alpha_by_regression - alpha|", "ranks of the fits"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return ratios to the exact spectrum by octave of ranks (b), and slopes by d and p (c)."""
    spectra = read_tables(inputs, "spectra", COLUMNS)
    checks = read_tables(inputs, "checks", ("identity", "setting", "value", "exact"))
    tables = []
    for (dimension, exponent), part in spectra.groupby(["dimension", "exponent"]):
        keys = {"dimension": dimension, "exponent": exponent}
        found = octave_ratios(part, "simulated").groupby("octave")["ratio"]
        rank = octave_ratios(part, "simulated").groupby("octave")["rank"].first()
        spread = {"lower": found.min(), "upper": found.max(), "n": found.count()}
        tables.append(rows("b", RATIO, found.mean(), rank=rank, **spread, **keys))
        infinite = octave_ratios(part, "infinite neurons")
        tables.append(rows("b", INFINITE, infinite["ratio"], rank=infinite["rank"], **keys))
        # up to which rank the octaves' mean over replicates is within FAR of the exact spectrum
        off = found.mean().index[np.abs(found.mean() - 1) > FAR]
        last = int(part["rank"].max())
        tables.append(rows("c", REACH, min(2 ** int(off[0]) - 1, last) if len(off) else last, **keys))
    slopes = checks[checks["identity"].isin(SLOPES)]
    pairs = slopes["setting"].str.extract(r"d = (?P<dimension>\d+), p = (?P<exponent>[\d.]+)").astype(float)
    mean = slopes[["identity", "value", "exact"]].join(pairs)
    mean = mean.groupby(["identity", "dimension", "exponent"], as_index=False).mean()
    alpha = mean[mean["identity"] == "alpha_per_degree"].assign(identity="alpha", value=lambda table: table["exact"])
    for row in pd.concat([mean, alpha]).itertuples():
        tables.append(rows("c", row.identity, row.value, dimension=row.dimension, exponent=row.exponent))
    fit = slopes["setting"].str.extract(r"ranks (?P<lower>\d+) to (?P<upper>\d+)").dropna()
    tables += [rows("c", FIT, np.nan, **ranks) for ranks in fit[:1].to_dict("records")]
    tables.append(rows("c", GAP, largest_gap(checks, "alpha_by_regression")))
    keys = ["panel", "quantity", "dimension", "exponent", "rank"]
    return pd.concat(tables)[[*keys, "value", "lower", "upper", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    spectra = read_tables(inputs, "spectra", COLUMNS)
    dimensions, exponents = sorted(spectra["dimension"].unique()), sorted(spectra["exponent"].unique())
    fig = style.figure(6.6)
    top, bottom = fig.subfigures(2, 1, height_ratios=[1.0, 0.42])
    axes = top.subplots(2, len(dimensions), sharex=True, sharey="row", squeeze=False)
    for column, dimension in enumerate(dimensions):
        axes[0, column].set_title(f"d = {dimension} latents")
        for exponent, *look in zip(exponents, COLOURS * 9, MARKERS * 9, strict=False):
            one = {"dimension": dimension, "exponent": exponent}
            _spectrum(axes[0, column], select(spectra, **one), *look)
            _ratio(axes[1, column], select(table, **one), *look)
        axes[1, column].axhline(1.0, color=style.BLACK, lw=0.9, ls="--")
        axes[1, column].set(xlabel="rank n", ylim=(0.2, 3.0), yscale="log")
        axes[1, column].set_yticks([0.25, 0.5, 1, 2], ["¼", "½", "1", "2"])
        axes[1, column].minorticks_off()
    axes[0, 0].set(xscale="log", yscale="log", ylabel="eigenvalue of A Aᵀ / (N T)", ylim=(FLOOR, 2.0))
    axes[1, 0].set_ylabel("simulated / exact\n(geometric mean per octave)")
    style.panel_letter(axes[0, 0], "a", x=-0.25)
    style.panel_letter(axes[1, 0], "b", x=-0.25)
    top.legend(handles=_legend(exponents), loc="outside lower center", ncols=4)
    _table(bottom.subplots(), table)
    return style.save(fig, output_stem)


def _legend(exponents: list) -> list[Line2D]:
    looks = zip(exponents, COLOURS * 9, MARKERS * 9, strict=False)
    return [
        *(Line2D([], [], ls="", color=c, marker=m, ms=3, label=NAMES.get(p, f"p = {p:g}")) for p, c, m in looks),
        Line2D([], [], color=style.BLACK, lw=0.9, ls="--", label="exact spectrum"),
        Line2D([], [], color=style.GREY, lw=0.9, label="N = ∞, same T"),
        Line2D([], [], color=style.GREY, lw=0.9, ls=":", label="shuffled in time (null)"),
    ]


def _spectrum(axis, part: pd.DataFrame, colour: str, marker: str) -> None:
    one = part[(part["source"] == "simulated") & (part["replicate"] == part["replicate"].min())]
    shown = one["eigenvalue"] > FLOOR
    axis.plot(one["rank"][shown], one["eigenvalue"][shown], marker, color=colour, ms=2, mew=0)
    axis.plot(one["rank"], one["exact_eigenvalue"], color=style.BLACK, lw=0.8, ls="--")
    null = part[part["source"] == "shuffled"]
    axis.plot(null["rank"], null["eigenvalue"], color=colour, lw=0.8, ls=":")


def _ratio(axis, table: pd.DataFrame, colour: str, marker: str) -> None:
    """Panel b: what finite N and T do to the spectrum."""
    found = table[table["quantity"] == RATIO]
    error = np.abs(found[["lower", "upper"]].to_numpy().T - found["value"].to_numpy())
    axis.errorbar(found["rank"], found["value"], error, fmt=marker, color=colour, ms=2.5, lw=0.7)
    infinite = table[table["quantity"] == INFINITE]
    axis.plot(infinite["rank"], infinite["value"], color=colour, lw=0.9, alpha=0.8)


def _table(axis, table: pd.DataFrame) -> None:
    """Panel c: alpha beside the slopes, a column each for d and p."""
    axis.axis("off")
    slopes = table[table["quantity"].isin(["alpha", *SLOPES])]
    pairs = sorted(set(zip(slopes["dimension"], slopes["exponent"], strict=True)))
    fit = table[table["quantity"] == FIT]
    ranks = f"ranks {fit['lower'].iloc[0]:.0f} to {fit['upper'].iloc[0]:.0f}" if len(fit) else ""
    columns = dict(zip(pairs, np.linspace(0.37, 0.98, len(pairs)), strict=True))

    def numbers(quantity: str, digits: int = 2) -> list[str]:
        """Return one number per (d, p), as text."""
        value = table[table["quantity"] == quantity].set_index(["dimension", "exponent"])["value"]
        return [f"{value[pair]:.{digits}f}" if pair in value.index else "–" for pair in pairs]

    lines = {
        "": [f"d = {d:g}\np = {p:g}" for d, p in pairs],
        "α = 1 + (2p+1)/(d−1)": numbers("alpha"),
        "exact spectrum, degree by degree": numbers("alpha_per_degree"),
        f"exact spectrum, fit over {ranks}": numbers("alpha_by_regression"),
        f"simulated, fit over {ranks}": numbers("slope_simulated"),
        f"simulated within {FAR:.0%} of exact up to rank": numbers(REACH, 0),
    }
    # Left out of the layout, which would otherwise shrink the axes to make room for them.
    place = {"transform": axis.transAxes, "va": "top", "fontsize": 6, "in_layout": False}
    for line, (name, entries) in enumerate(lines.items()):
        y = 1.0 - 0.17 * line - (0.05 if line else 0)
        axis.text(0, y, name, **place)
        for x, entry in zip(columns.values(), entries, strict=True):
            axis.text(x, y, entry, ha="center", **place)
    gap = number(table, GAP)
    axis.set_title(
        f"slopes −d log λ / d log n: a fit over {ranks} misses α by up to {gap:.2f} even on the exact spectrum"
    )
    style.panel_letter(axis, "c", x=-0.015)
