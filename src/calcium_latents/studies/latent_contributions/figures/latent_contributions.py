"""Which neurons make up the latents of one recording: over time, and at transitions beside plain baselines.

Inputs:
    contributions: netCDF of `commands.contributions`.
    summary: CSV of the same command: quantity, latent, value.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.rows import number, rows, select
from calcium_latents.recordings.netcdf import read_dataset

INPUTS = {"contributions": "{application}/contributions.nc", "summary": "{application}/summary.csv"}
EACH = ("application",)
SHOWN_LATENTS = 3
STACKED_LATENTS = 2
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE)
REST = "0.82"
METHODS = {
    "pca": "principal components",
    "regression": "ridge regression of",
    "integrated_gradients": "integrated gradients of",
}
# Spearman's correlation with a baseline from which on neurons are ranked "as" or "much as" by it
SAME, SIMILAR = 0.9, 0.6
#: our share of a neuron, the plain one, their labels, the plain one's name, the rank correlation in the summary
BASELINES = [
    ("population_share", "raw_variance_share", "share of the latents' variance", "share of the raw variance",
     "raw variance", "spearman_population_share_raw_variance_share"),
    ("transition_share", "movement_share", "share of transitions", "share of the raw movement (mean)", "raw movement",
     "spearman_share_movement_share"),
    ("early_share", "early_movement", "early share of transitions", "early movement, raw activity (mean)",
     "raw early movement", "spearman_early_share_early_movement"),
]  # fmt: skip
TOP, CANCELLED = "share of the latent's variance, top neurons", "mean part of the contributions that cancels"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return shares of the top neurons, mean cancellation, and each neuron's shares beside the plain ones (x)."""
    box = _read(inputs)
    summary = read_tables(inputs, "summary", ("quantity", "latent", "value"))
    stacks = _stacks(box)
    tables = []
    for latent, panel in enumerate("bc"[:stacks]):
        top = np.isin(box["neuron"].values, box["top_neuron"].values[latent])
        taken = box["variance_share"].values[top, latent].sum()
        tables.append(rows(panel, TOP, taken, latent=latent, n=box.sizes["rank"]))
        residual = select(summary, quantity="held_out_residual", latent=latent)["value"]
        tables.append(rows(panel, "held_out_residual", residual, latent=latent))
    cancelled = np.nanmean(box["cancellation"].values[..., 0])
    tables.append(rows("bcd"[stacks], CANCELLED, cancelled, latent=0))
    whole = summary[summary["latent"] < 0]
    for (ours, plain, *_, correlation), panel in zip(BASELINES, "defghi"[stacks:], strict=False):
        rho = whole.loc[whole["quantity"] == correlation, "value"]
        tables.append(rows(panel, correlation, rho if len(rho) else np.nan))
        if "transition" not in box[ours].dims or box.sizes["transition"]:
            x, y = (box[key].mean("transition") if "transition" in box[key].dims else box[key] for key in (plain, ours))
            tables.append(rows(panel, ours, y.values, x=x.values, neuron=box["neuron"].values))
    return pd.concat(tables)[["panel", "quantity", "latent", "neuron", "x", "value", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    box = _read(inputs)
    stacks = _stacks(box)
    heights = [1.1, *[1.25] * stacks, 0.75, 1.1]
    fig = style.figure(3.2 + sum(heights))
    upper, lower = fig.subfigures(2, 1, height_ratios=[sum(heights), 2.3])
    axes = upper.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _latents(axes[0], box)
    for latent in range(stacks):
        _stack(axes[1 + latent], box, latent, table[table["latent"] == latent])
    _cancellation(axes[-2], box, number(table, CANCELLED))
    _relative(axes[-1], box)
    time = box["shown_time"]
    label = "time in the trial (s)" if time.attrs["units"] == "s" else time.attrs["long_name"]
    axes[-1].set(xlabel=label, xlim=(float(time[0]), float(time[-1])) if time.size > 1 else None)
    for axis, letter in zip(axes, "abcdef", strict=False):
        style.panel_letter(axis, letter, x=-0.055)
    _baselines(lower, box, table, "abcdefghi"[len(heights) :])
    return style.save(fig, output_stem)


def _read(inputs: Inputs) -> xr.Dataset:
    path = inputs["contributions"][0]
    box = read_dataset(path)
    if box.attrs.get("schema") != "calcium-latents contributions":
        raise UserError(f"{path}: expected contributions, found schema {box.attrs.get('schema')!r}.")
    return box


def _stacks(box: xr.Dataset) -> int:
    return min(STACKED_LATENTS, box.sizes["latent"])


def _model(box: xr.Dataset) -> str:
    name = METHODS.get(box.attrs["method"], box.attrs["method"])
    activity = box.attrs["activity"].replace("_", " ")
    if box.attrs["method"] == "pca":
        return f"{name} of {'standardised ' if box.attrs['standardised'] else ''}{activity}"
    latents = "'s factors" if box.attrs["method"] == "regression" else ""
    return f"{name} {style.label(box.attrs['model'])}{latents}, from {activity}"


def _unit(box: xr.Dataset) -> str:
    if box.attrs["whitened"]:
        return "s.d."
    return "z-score" if box.attrs["standardised"] else "activity"


def _latents(axis, box: xr.Dataset) -> None:
    """Panel: latents over the stretch shown, transitions shaded."""
    time, z = box["shown_time"].values, box["shown_latents"].values
    inside = box["transition_trial"].values == int(box["shown_trial"])
    moves = [
        (float(a), float(b)) for a, b in zip(box["onset_s"].values[inside], box["end_s"].values[inside], strict=True)
    ]
    moves = [(a, b) for a, b in moves if b >= time[0] and a <= time[-1]]
    for a, b in moves:
        axis.axvspan(a, b, color=style.YELLOW, alpha=0.5, lw=0)
    for latent in range(min(SHOWN_LATENTS, len(z))):
        axis.plot(time, z[latent], color=COLOURS[latent], label=f"{latent + 1}")
    found = (
        f"{len(moves)} of {box.sizes['transition']} transitions (shaded)"
        if box.sizes["transition"]
        else "no transition"
    )
    axis.set(ylabel=f"latent\n({_unit(box)})", title=f"latents: {_model(box)}; {found}")
    axis.legend(title="latent", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _stack(axis, box: xr.Dataset, latent: int, table: pd.DataFrame) -> None:
    """Panel: contributions of the top neurons, positive ones upwards and negative ones downwards, and the rest."""
    time = box["shown_time"].values
    values = [*box["shown_contributions"].values[latent], box["shown_rest"].values[latent]]
    names = [str(int(neuron)) for neuron in box["top_neuron"].values[latent]]
    colours = [*_colours(len(names)), REST]
    above, below = np.zeros(len(time)), np.zeros(len(time))
    for part, colour, name in zip(values, colours, [*names, "all others"], strict=True):
        for base, signed in ((above, np.clip(part, 0, None)), (below, np.clip(part, None, 0))):
            axis.fill_between(time, base, base + signed, color=colour, lw=0, label=name if base is above else None)
            base += signed
    axis.plot(time, box["shown_latents"].values[latent], color=style.BLACK, lw=0.8, label="sum")
    taken = number(table, TOP)
    top = f"the top {len(names)} of {box.sizes['neuron']} neurons"
    text = f"latent {latent + 1}: {top} make up {taken:.0%} of its variance"
    if taken > 1:
        text += f", the others take {taken - 1:.0%} away"
    residual = table.loc[table["quantity"] == "held_out_residual", "value"]
    if len(residual):
        text += f"; not explained by neurons: {residual.iloc[0]:.1%}"
    axis.set(ylabel=f"contribution\n({_unit(box)})", title=text)
    axis.legend(title="neuron", loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=5.5, labelspacing=0.2)


def _cancellation(axis, box: xr.Dataset, mean: float) -> None:
    values = box["shown_cancellation"].values
    for latent in range(min(SHOWN_LATENTS, len(values))):
        axis.plot(box["shown_time"].values, values[latent], color=COLOURS[latent], lw=0.8)
    axis.set(
        ylim=(0, 1.02),
        ylabel="cancelled",
        title="part of the contributions that cancels, 1 - |latent| / sum of |contributions|; "
        f"latent 1: {mean:.0%} on average",
    )


def _relative(axis, box: xr.Dataset) -> None:
    """Panel: ratio to the first latent, gaps where that is near zero."""
    latent = 0
    z = box["shown_latents"].values[latent]
    threshold = float(box.attrs["relative_threshold"])
    z = np.where(np.abs(z) > threshold * float(box["latent_size"][latent]), z, np.nan)
    ratio = box["shown_contributions"].values[latent] / z
    for part, colour in zip(ratio, _colours(len(ratio)), strict=True):
        axis.plot(box["shown_time"].values, part, color=colour, lw=0.8)
    axis.axhline(0, color="0.4", lw=0.6, ls=":", zorder=0)
    known = np.abs(ratio[np.isfinite(ratio)])
    reach = 1.05 * max(float(np.quantile(known, 0.99)) if known.size else 1.0, 0.1)
    axis.set(
        ylim=(-reach, reach),
        ylabel="contribution\n/ latent 1",
        title=f"relative contributions; gaps where |latent| < {threshold:g} r.m.s. "
        f"({float(box['masked_fraction'][latent]):.0%} of all frames)",
    )


def _baselines(fig, box: xr.Dataset, table: pd.DataFrame, letters: str) -> None:
    """Panels: shares by the latents against the same without latents, one point a neuron."""
    axes = fig.subplots(1, len(BASELINES))
    for axis, (ours, _, ylabel, xlabel, name, correlation), letter in zip(axes, BASELINES, letters, strict=False):
        style.panel_letter(axis, letter, x=-0.12, y=1.08)
        axis.set(xlabel=xlabel, ylabel=ylabel)
        axis.locator_params(nbins=4)
        part = table[table["quantity"] == ours]
        if part.empty:
            axis.set(xticks=[], yticks=[], title="no transition found")
            continue
        axis.axhline(0, color="0.4", lw=0.6, ls=":", zorder=0)
        axis.ticklabel_format(useOffset=False)
        axis.plot(part["x"], part["value"], "o", ms=2.2, mew=0, alpha=0.7, color=style.BLUE)
        axis.set_title(_verdict(number(table, correlation), name), fontsize=6)
    count = box.sizes["transition"]
    remark = "raw: of z-scored activity; " if box.attrs["standardised"] and count else ""
    remark += "no truth here says which ranking is right"
    fig.supxlabel(
        f"each point a neuron (n = {box.sizes['neuron']}), mean over {count} transitions; ρ: Spearman; {remark}",
        fontsize=6,
        color="0.3",
    )


def _verdict(rho: float, baseline: str) -> str:
    """Say in words how far the ranking of neurons differs from the baseline's."""
    if not np.isfinite(rho):
        return f"no ranking to compare\nwith {baseline}"
    if rho < SIMILAR:
        return f"ranks neurons differently\nfrom {baseline} (ρ = {rho:.2f})"
    return f"ranks neurons {'as' if rho >= SAME else 'much as'}\n{baseline} does (ρ = {rho:.2f})"


def _colours(count: int) -> list:
    return list(COLOURS[:count]) if count <= len(COLOURS) else style.sequence(count)
