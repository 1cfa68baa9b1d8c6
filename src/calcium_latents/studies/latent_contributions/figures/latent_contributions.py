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


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    path = inputs["contributions"][0]
    box = read_dataset(path)
    if box.attrs.get("schema") != "calcium-latents contributions":
        raise UserError(f"{path}: expected contributions, found schema {box.attrs.get('schema')!r}.")
    summary = read_tables(inputs, "summary", ("quantity", "latent", "value"))
    stacks = min(STACKED_LATENTS, box.sizes["latent"])
    heights = [1.1, *[1.25] * stacks, 0.75, 1.1]
    fig = style.figure(3.2 + sum(heights))
    upper, lower = fig.subfigures(2, 1, height_ratios=[sum(heights), 2.3])
    axes = upper.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _latents(axes[0], box)
    for latent in range(stacks):
        _stack(axes[1 + latent], box, latent, summary)
    _cancellation(axes[-2], box)
    _relative(axes[-1], box)
    time = box["shown_time"]
    label = "time in the trial (s)" if time.attrs["units"] == "s" else time.attrs["long_name"]
    axes[-1].set(xlabel=label, xlim=(float(time[0]), float(time[-1])) if time.size > 1 else None)
    for axis, letter in zip(axes, "abcdef", strict=False):
        style.panel_letter(axis, letter, x=-0.055)
    _baselines(lower, box, summary, "abcdefghi"[len(heights) :])
    return style.save(fig, output_stem)


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


def _stack(axis, box: xr.Dataset, latent: int, summary: pd.DataFrame) -> None:
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
    share = box["variance_share"].values[:, latent]
    chosen = np.isin(box["neuron"].values, box["top_neuron"].values[latent])
    taken = share[chosen].sum()
    text = f"latent {latent + 1}: the top {len(names)} of {len(share)} neurons make up {taken:.0%} of its variance"
    if taken > 1:
        text += f", the others take {taken - 1:.0%} away"
    residual = summary[(summary["quantity"] == "held_out_residual") & (summary["latent"] == latent)]["value"]
    if len(residual):
        text += f"; not explained by neurons: {residual.iloc[0]:.1%}"
    axis.set(ylabel=f"contribution\n({_unit(box)})", title=text)
    axis.legend(title="neuron", loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=5.5, labelspacing=0.2)


def _cancellation(axis, box: xr.Dataset) -> None:
    values = box["shown_cancellation"].values
    for latent in range(min(SHOWN_LATENTS, len(values))):
        axis.plot(box["shown_time"].values, values[latent], color=COLOURS[latent], lw=0.8)
    mean = np.nanmean(box["cancellation"].values[..., 0])
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


def _baselines(fig, box: xr.Dataset, summary: pd.DataFrame, letters: str) -> None:
    """Panels: shares by the latents against the same without latents, one point a neuron."""
    numbers = summary[summary["latent"] < 0].set_index("quantity")["value"]
    panels = [
        ("population_share", "raw_variance_share", "share of the latents' variance", "share of the raw variance",
         "raw variance", None),
        ("transition_share", "movement_share", "share of transitions", "share of the raw movement", "raw movement",
         "spearman_share_movement_share"),
        ("early_share", "early_movement", "early share of transitions", "early movement, raw activity",
         "raw early movement", "spearman_early_share_early_movement"),
    ]  # fmt: skip
    count = box.sizes["transition"]
    axes = fig.subplots(1, len(panels))
    for axis, (ours, plain, ylabel, xlabel, name, quantity), letter in zip(axes, panels, letters, strict=False):
        style.panel_letter(axis, letter, x=-0.12, y=1.08)
        axis.set(xlabel=f"{xlabel}{'' if quantity is None else ' (mean)'}", ylabel=ylabel)
        axis.locator_params(nbins=4)
        if quantity is not None and not count:
            axis.set(xticks=[], yticks=[], title="no transition found")
            continue
        x, y = (box[key].values if quantity is None else box[key].mean("transition").values for key in (plain, ours))
        rho = float(numbers.get(quantity or "spearman_population_share_raw_variance_share", np.nan))
        axis.axhline(0, color="0.4", lw=0.6, ls=":", zorder=0)
        axis.ticklabel_format(useOffset=False)
        axis.plot(x, y, "o", ms=2.2, mew=0, alpha=0.7, color=style.BLUE)
        axis.set_title(_verdict(rho, name), fontsize=6)
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
