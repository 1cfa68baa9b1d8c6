"""Who begins a transition between states and who holds the new one: contributions in a network with known roles.

Inputs:
    scores: scores.csv of `roles_benchmark`, several networks a level of difficulty.
    example: example.nc of `roles_example`: one transition, and contributions about all of them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.figures.role_scores import (
    DIFFERENCE,
    SCORE,
    draw_differences,
    levels_by_verdict,
    tabulate_scores,
)
from calcium_latents.studies.latent_contributions.roles_benchmark import TRANSITIONS

INPUTS = {"scores": "roles/scores.csv", "example": "roles/example.nc"}
NOISE = "observation_noise"
NEEDED = ("raster", "group", "latents", "course", "course_error", "crossing_share", "late_growth", "role")

GROUP_COLOURS = (style.GREY, style.VERMILLION, style.BLUE)
#: methods of the initiators, of the stabilisers -> label, colour, marker, line style.
LINES = {
    ("noise_free", "noise_free"): ("same score, activity without noise, true times", style.BLACK, "", "--"),
    ("crossing_share", "hold_share"): (
        "contributions: crossing share (d), hold share (e)",
        style.VERMILLION,
        "o",
        "-",
    ),
    ("net_influence", "net_influence"): ("contributions: net lagged influence", style.PURPLE, "P", "-"),
    ("early_share", "late_share"): ("contributions: early share (d), late share (e)", style.ORANGE, "D", "-"),
    ("weighted_crossing", "weighted_hold"): ("plain: same windows, own change", style.BLUE, "s", "-"),
    ("signed_early_movement", "signed_late_movement"): (
        "plain: signed early (d), late (e) movement",
        style.SKY,
        "v",
        "-",
    ),
    ("lagged_correlation", "lagged_correlation"): ("plain: lagged correlation", style.GREEN, "^", "-"),
    ("half_rise_latency", "half_rise_latency"): ("plain: half-rise latency", style.YELLOW, "X", "-"),
    ("shuffled", "shuffled"): ("shuffled neurons", style.GREY, "x", ":"),
}
NAMES = {
    NOISE: "noise",
    "pulse_strength": "pulse",
    "lead_jitter_s": "jitter (s)",
    "initiator_share": "initiators",
    "ramp_s": "ramp (s)",
    "recurrent_gain": "gain",
}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return scores (d, e by role) and their differences to the best plain score (f); see `tabulate_scores`."""
    table = tabulate_scores(inputs, TRANSITIONS)
    by_role = table["role"].map({roles.INITIATOR: "d", roles.STABILISER: "e"})
    table.insert(0, "panel", by_role.where(table["quantity"] == SCORE, "f"))
    return table


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    shown = read_dataset(inputs["example"][0], list(NEEDED))
    summary, compared = table[table["quantity"] == SCORE], table[table["quantity"] == DIFFERENCE]
    fig = style.figure(8.0)
    rows = fig.add_gridspec(2, 1, height_ratios=(1.0, 0.9))
    left, right = rows[0].subgridspec(1, 2, width_ratios=(1.05, 1.0))
    above, below = left.subgridspec(2, 1, height_ratios=(1, 2.4))
    latents = fig.add_subplot(above)
    raster = fig.add_subplot(below, sharex=latents)
    course, scatter = (fig.add_subplot(cell) for cell in right.subgridspec(2, 1))
    panels = [fig.add_subplot(cell) for cell in rows[1].subgridspec(1, 3, width_ratios=(1, 1, 0.95))]
    _latents(latents, shown)
    _raster(raster, shown)
    _course(course, shown)
    _scatter(scatter, shown)
    for index, role in enumerate((roles.INITIATOR, roles.STABILISER)):
        _accuracy(panels[index], summary, compared, role, index)
    _differences(panels[2], compared)
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=6)
    for panel, letter in zip((latents, course, scatter, *panels), "abcdef", strict=True):
        style.panel_letter(panel, letter, x=-0.12)
    return style.save(fig, output_stem)


def outcome(compared: pd.DataFrame, role: str, method: str) -> str:
    """Say in words where a score of a role wins, ties or loses against the best plain score."""
    rows = compared[(compared["role"] == role) & (compared["method"] == method) & (compared["difficulty"] == NOISE)]
    return f"{method.replace('_', ' ')} {levels_by_verdict(rows) or 'was not compared'}"


def _latents(axes: Axes, shown: xr.Dataset) -> None:
    time = shown["time"].values
    for index, colour in zip(range(shown.sizes["latent"]), style.sequence(shown.sizes["latent"]), strict=True):
        axes.plot(time, shown["latents"].values[:, index], color=colour, lw=0.8, label=f"{index + 1}")
    axes.axvline(0, color=style.BLACK, lw=0.6, ls=":")
    axes.tick_params(labelbottom=False)
    low, high = shown["latents"].values.min(), shown["latents"].values.max()
    axes.set_ylim(low - 0.45 * (high - low), high + 0.05 * (high - low))
    axes.legend(title="component", ncols=4, loc="lower right", handlelength=1, borderaxespad=0.1, title_fontsize=6.5)
    axes.set(ylabel="latents", title=f"One detected transition (noise {shown.attrs['observation_noise']:g})")


def _raster(axes: Axes, shown: xr.Dataset) -> None:
    time, group = shown["time"].values, shown["group"].values
    step = time[1] - time[0]
    image = axes.imshow(
        shown["raster"].values.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-2.5,
        vmax=2.5,
        extent=(time[0], time[-1] + step, len(group) - 0.5, -0.5),
    )
    axes.figure.colorbar(image, ax=axes, label="activity toward the new state (s.d.)", pad=0.02)
    axes.axvline(0, color=style.BLACK, lw=0.6, ls=":")
    for index, name in ((1, "initiators"), (0, "others"), (2, "stabilisers")):
        place = np.flatnonzero(group == index)
        if len(place):
            axes.plot([time[0]] * 2, [place[0] - 0.5, place[-1] + 0.5], color=GROUP_COLOURS[index], lw=5, clip_on=False)
            axes.text(
                time[0] + 3 * step, place.mean(), name, fontsize=6, va="center", rotation=90, color=style.BLACK,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
    axes.set(xlabel="time from the detected transition (s)", ylabel="neuron, by true role", yticks=[])


def _course(axes: Axes, shown: xr.Dataset) -> None:
    time = shown["time"].values
    for index, name in ((1, "initiators"), (0, "other movers"), (2, "stabilisers")):
        mean, error = shown["course"].values[:, index], shown["course_error"].values[:, index]
        axes.plot(time, mean, color=GROUP_COLOURS[index], label=name)
        axes.fill_between(time, mean - error, mean + error, color=GROUP_COLOURS[index], alpha=0.3, lw=0)
    for name in ("crossing", "late"):
        window = roles.WINDOWS_S[name]
        axes.axvspan(*window, color=style.YELLOW, alpha=0.25, lw=0)
        centre = (window[0] + min(window[1], time[-1])) / 2
        axes.text(centre, 0.03, name, transform=axes.get_xaxis_transform(), ha="center", fontsize=6)
    axes.set(
        xlabel="time from the transition (s)",
        ylabel="contribution /\nwhole change",
        xlim=(time[0], time[-1]),
        title=f"{shown.attrs['transitions']} transitions, mean ± s.e. over neurons",
    )
    axes.legend(loc="upper left")


def _scatter(axes: Axes, shown: xr.Dataset) -> None:
    role = shown["role"].values
    for index, name in ((0, "other movers"), (1, "initiators"), (2, "stabilisers")):
        here = role == index
        axes.plot(
            shown["crossing_share"].values[here],
            shown["late_growth"].values[here],
            "osD"[index],
            ms=3,
            mew=0,
            alpha=0.8,
            color=GROUP_COLOURS[index],
            label=f"{name}, n = {here.sum()}",
        )
    axes.set(xlabel="crossing share (activity)", ylabel="growth from settled to late\n(activity)")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))
    axes.legend(loc="upper right", handletextpad=0.1, borderaxespad=0.1)


def _accuracy(axes: Axes, summary: pd.DataFrame, compared: pd.DataFrame, role: str, index: int) -> None:
    rows = summary[(summary["role"] == role) & (summary["difficulty"] == NOISE)]
    levels = np.sort(rows["level"].unique())
    for order, (methods, (label, colour, marker, line)) in enumerate(LINES.items()):
        part = rows[rows["method"] == methods[index]].sort_values("level")
        x = part["level"] + 0.035 * (order - len(LINES) / 2) * (np.diff(levels).min() if len(levels) > 1 else 1)
        error = np.stack([part["value"] - part["lower"], part["upper"] - part["value"]])
        axes.errorbar(
            x, part["value"], error, color=colour, marker=marker, ls=line, lw=0.9, elinewidth=0.5, ms=3.5, label=label
        )
    axes.axhline(0.5, color=style.BLACK, lw=0.6, ls=":")
    written = roles.AS_WRITTEN[role]
    title = "\n".join(
        [
            f"{role.capitalize()}s: against the best plain score,",
            outcome(compared, role, roles.DEFAULT[role]),
            outcome(compared, role, written),
        ]
    )
    count = int(rows["n"].max()) if len(rows) else 0
    axes.set(xlabel=f"observation noise (a flip is 2)\nn = {count} networks, 95 % t intervals", xticks=levels)
    axes.set(ylabel="area under ROC curve (0.5 = chance)", ylim=(0.35, 1.02))
    axes.set_title(title, fontsize=6.5)


def _differences(axes: Axes, compared: pd.DataFrame) -> None:
    marks = {
        roles.INITIATOR: ("crossing share", style.VERMILLION, "o"),
        roles.STABILISER: ("hold share", style.BLUE, "s"),
    }
    levels = compared[["difficulty", "level"]].drop_duplicates().to_numpy().tolist()
    for shift, (role, (name, colour, marker)) in zip((-0.15, 0.15), marks.items(), strict=True):
        rows = compared[(compared["role"] == role) & (compared["method"] == roles.DEFAULT[role])]
        y = np.array([levels.index([row.difficulty, row.level]) for row in rows.itertuples()]) + shift
        draw_differences(axes, rows, y, colour, marker)
        axes.plot([], [], marker, color=colour, ms=4, label=name)
    axes.axvline(0, color=style.BLACK, lw=0.6)
    texts = [f"{NAMES.get(name, name)} {level:g}" for name, level in levels]
    axes.set(yticks=range(len(levels)), yticklabels=texts, ylim=(len(levels) - 0.4, -0.9))
    axes.set(xlabel="AUC less the best plain score's, paired\n(open: tie, interval includes 0)")
    axes.legend(loc="upper left", ncols=2, handletextpad=0.1, columnspacing=0.8)
    axes.set_title("One difficulty changed at a time\n\n", fontsize=6.5)
