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

INPUTS = {"spectra": "solvable_network/spectra.csv", "checks": "solvable_network/checks.csv"}
COLUMNS = ("dimension", "exponent", "source", "replicate", "rank", "eigenvalue", "exact_eigenvalue")
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)
MARKERS = "o^sD"
NAMES = {0: "p = 0 (step)", 1: "p = 1 (ReLU)", 2: "p = 2"}
FLOOR = 1e-15
FAR = 0.2  # a spectrum has left the exact one where an octave is off by more
SLOPES = ("alpha_per_degree", "alpha_by_regression", "slope_simulated")


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    spectra = read_tables(inputs, "spectra", COLUMNS)
    checks = read_tables(inputs, "checks", ("identity", "setting", "value", "exact"))
    dimensions, exponents = sorted(spectra["dimension"].unique()), sorted(spectra["exponent"].unique())
    fig = style.figure(6.6)
    top, bottom = fig.subfigures(2, 1, height_ratios=[1.0, 0.42])
    axes = top.subplots(2, len(dimensions), sharex=True, sharey="row", squeeze=False)
    for column, dimension in enumerate(dimensions):
        part = spectra[spectra["dimension"] == dimension]
        axes[0, column].set_title(f"d = {dimension} latents")
        for index, exponent in enumerate(exponents):
            look = (COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)])
            _spectrum(axes[0, column], part[part["exponent"] == exponent], *look)
            _ratio(axes[1, column], part[part["exponent"] == exponent], *look)
        axes[1, column].axhline(1.0, color=style.BLACK, lw=0.9, ls="--")
        axes[1, column].set(xlabel="rank n", ylim=(0.2, 3.0), yscale="log")
        axes[1, column].set_yticks([0.25, 0.5, 1, 2], ["¼", "½", "1", "2"])
        axes[1, column].minorticks_off()
    axes[0, 0].set(xscale="log", yscale="log", ylabel="eigenvalue of A Aᵀ / (N T)", ylim=(FLOOR, 2.0))
    axes[1, 0].set_ylabel("simulated / exact\n(geometric mean per octave)")
    style.panel_letter(axes[0, 0], "a", x=-0.25)
    style.panel_letter(axes[1, 0], "b", x=-0.25)
    top.legend(handles=_legend(exponents), loc="outside lower center", ncols=4)
    _table(bottom.subplots(), checks, spectra)
    return style.save(fig, output_stem)


def _legend(exponents: list) -> list[Line2D]:
    handles = [
        Line2D(
            [],
            [],
            ls="",
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            ms=3,
            label=NAMES.get(p, f"p = {p:g}"),
        )
        for i, p in enumerate(exponents)
    ]
    return [
        *handles,
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


def octaves(part: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the geometric mean of eigenvalue / exact over octaves of ranks: replicate, octave, ratio, rank."""
    one = part[part["source"] == source]
    one = one[one["eigenvalue"] > 0]
    octave = np.floor(np.log2(one["rank"])).astype(int)
    logs = pd.DataFrame({
        "replicate": one["replicate"],
        "octave": octave,
        "ratio": np.log(one["eigenvalue"] / one["exact_eigenvalue"]),
        "rank": np.log(one["rank"]),
    })  # fmt: skip
    mean = logs.groupby(["replicate", "octave"], as_index=False).mean()
    return mean.assign(ratio=np.exp(mean["ratio"]), rank=np.exp(mean["rank"]))


def _ratio(axis, part: pd.DataFrame, colour: str, marker: str) -> None:
    """Panel b: what finite N and T do to the spectrum."""
    found = octaves(part, "simulated").groupby("octave").agg(
        rank=("rank", "first"), ratio=("ratio", "mean"), low=("ratio", "min"), high=("ratio", "max")
    )  # fmt: skip
    error = np.abs(found[["low", "high"]].to_numpy().T - found["ratio"].to_numpy())
    axis.errorbar(found["rank"], found["ratio"], error, fmt=marker, color=colour, ms=2.5, lw=0.7)
    infinite = octaves(part, "infinite neurons")
    axis.plot(infinite["rank"], infinite["ratio"], color=colour, lw=0.9, alpha=0.8)


def _table(axis, checks: pd.DataFrame, spectra: pd.DataFrame) -> None:
    """Panel c: alpha beside the slopes, a column each for d and p."""
    axis.axis("off")
    rows = checks[checks["identity"].isin(SLOPES)]
    found = rows["setting"].str.extract(r"d = (?P<d>\d+), p = (?P<p>[\d.]+)").astype(float)
    rows = rows.assign(d=found["d"], p=found["p"])
    pairs = sorted(set(zip(rows["d"], rows["p"], strict=True)))
    ranks = next(iter(rows["setting"].str.extract(r"(ranks \d+ to \d+)")[0].dropna()), "")
    columns = dict(zip(pairs, np.linspace(0.37, 0.98, len(pairs)), strict=True))
    lines = {
        "": [f"d = {d:g}\np = {p:g}" for d, p in pairs],
        "α = 1 + (2p+1)/(d−1)": _numbers(rows, pairs, "alpha_per_degree", "exact"),
        "exact spectrum, degree by degree": _numbers(rows, pairs, "alpha_per_degree"),
        f"exact spectrum, fit over {ranks}": _numbers(rows, pairs, "alpha_by_regression"),
        f"simulated, fit over {ranks}": _numbers(rows, pairs, "slope_simulated"),
        f"simulated within {FAR:.0%} of exact up to rank": [_reach(spectra, d, p) for d, p in pairs],
    }
    # Left out of the layout, which would otherwise shrink the axes to make room for them.
    place = {"transform": axis.transAxes, "va": "top", "fontsize": 6, "in_layout": False}
    for line, (name, entries) in enumerate(lines.items()):
        y = 1.0 - 0.17 * line - (0.05 if line else 0)
        axis.text(0, y, name, **place)
        for x, entry in zip(columns.values(), entries, strict=True):
            axis.text(x, y, entry, ha="center", **place)
    gap = np.abs(rows[rows["identity"] == "alpha_by_regression"].eval("value - exact")).max()
    axis.set_title(
        f"slopes −d log λ / d log n: a fit over {ranks} misses α by up to {gap:.2f} even on the exact spectrum"
    )
    style.panel_letter(axis, "c", x=-0.015)


def _numbers(rows: pd.DataFrame, pairs: list, identity: str, column: str = "value") -> list[str]:
    """Return one number per (d, p), as text."""
    mean = rows[rows["identity"] == identity].groupby(["d", "p"])[column].mean()
    return [f"{mean[pair]:.2f}" if pair in mean.index else "–" for pair in pairs]


def _reach(spectra: pd.DataFrame, dimension: float, exponent: float) -> str:
    """Say up to which rank the octaves' mean over replicates is within `FAR` of the exact spectrum."""
    part = spectra[(spectra["dimension"] == dimension) & (spectra["exponent"] == exponent)]
    mean = octaves(part, "simulated").groupby("octave")["ratio"].mean()
    off = mean.index[np.abs(mean - 1) > FAR]
    last = int(part["rank"].max())
    return str(min(2 ** int(off[0]) - 1, last) if len(off) else last)
