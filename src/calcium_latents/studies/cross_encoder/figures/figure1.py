"""Cross-encoder, Figure 1: the solvable ring network beside its closed forms.

Inputs:
    ring: netCDF of `solvable_network.ring_network_box`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.panels import legend_below
from calcium_latents.figures.rows import number, rows, select
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.theory import ring

INPUTS = {"ring": "solvable_network/ring.nc"}
VARIABLES = [
    "latents", "exact_latents", "activity", "correlation", "exact_correlation", "angular_distance", "eigenvalue",
    "finite_eigenvalue", "infinite_eigenvalue", "participation_ratio", "latent_participation_ratio",
    "correlation_error_max", "correlation_error_rms", "period_error_equal", "period_error_exact",
    "period_error_random",
]  # fmt: skip
COLOURS = {"equal": style.BLUE, "random": style.ORANGE}
MARKERS = {"equal": "o", "random": "^"}
EXACT = {"color": style.BLACK, "lw": 0.9, "ls": "--"}
#: leading order of the period's relative error in N, by spacing: as it is written, and the function
LAWS = {
    "equal": ("(2π²/3) / N²", lambda size: 2 * np.pi**2 / 3 / size**2),
    "random": ("π² / (2N)", lambda size: ring.random_period_error(1) / size),
}
FIRST = 60  # components whose share is shown


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return means, shares of variance and closed forms beside the ring's own numbers; x is the panel's axis."""
    box = read_dataset(inputs["ring"][0], VARIABLES)
    last = box["latents"].sel(spacing="equal").isel(time=-1).values
    distance, first = np.array([0, np.pi]), np.arange(1, FIRST + 1)
    infinite = np.cumsum(box["infinite_eigenvalue"].values[:FIRST])
    tables = [
        rows("b", "radius", np.hypot(*last.T).mean(), spacing="equal", n=len(last)),
        rows("c", "closed form", ring.pairwise_correlation(distance), x=distance),
        rows("e", "closed form", infinite, x=first[: infinite.size]),
    ]
    sizes, error = box["size"].values, box["period_error_random"].values
    dense = np.geomspace(sizes.min(), sizes.max(), 50)
    for spacing, (_, law) in LAWS.items():
        values = box["eigenvalue"].sel(spacing=spacing).values
        share = np.cumsum(values)[: infinite.size] / values.sum()
        tables.append(rows("e", "share of variance", share, spacing=spacing, x=first[: share.size]))
        tables.append(rows("f", "closed form", law(dense), spacing=spacing, x=dense))
    mean, turning = np.nanmean(error, axis=1), np.isfinite(error).sum(axis=1)
    gap = np.abs(box["period_error_equal"] - box["period_error_exact"]).max()
    tables.append(rows("f", "mean period error", mean, spacing="random", x=sizes, n=turning))
    tables.append(rows("f", "largest difference from the return map", float(gap), spacing="equal"))
    return pd.concat(tables)[["panel", "quantity", "spacing", "x", "value", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    box = read_dataset(inputs["ring"][0], VARIABLES)
    fig = style.figure(5.0)
    axes = fig.subplots(2, 3)
    for axis, panel, letter in zip(
        axes.flat, (_activity, _latents, _correlation, _spectrum, _share, _periods), "abcdef", strict=True
    ):
        panel(axis, box, table[table["panel"] == letter])
        style.panel_letter(axis, letter, x=-0.16, y=1.06)
    handles = [
        Line2D([], [], color=COLOURS[spacing], marker=MARKERS[spacing], label=f"network, {spacing} angles")
        for spacing in COLOURS
    ]
    handles.append(Line2D([], [], **EXACT, label="closed form"))
    title = f"N = {box.attrs['neurons']} neurons (a–e); no fitted parameters"
    legend_below(fig, handles, title, ncols=3, size=7)
    return style.save(fig, output_stem)


def _marks(axis, x, y, spacing: str, **look) -> None:
    axis.plot(x, y, MARKERS[spacing], color=COLOURS[spacing], **({"ms": 2.5, "mew": 0} | look))


def _activity(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Which neurons are active, and where the closed form says that they are."""
    times, angles = box["time"].values, box["neuron_angle"].values
    axis.pcolormesh(times, angles, box["activity"].values.T, cmap="Greys", vmax=3, rasterized=True)
    exact = box["exact_latents"].isel(start=0).values
    phase = np.unwrap(np.arctan2(exact[:, 1], exact[:, 0]))
    for edge in (-np.pi / 2, np.pi / 2):
        line = (phase + edge) % (2 * np.pi)
        line[np.abs(np.diff(line, append=line[-1])) > np.pi] = np.nan
        axis.plot(times, line, **EXACT)
    axis.set(xlabel="time (time constants)", ylabel="neuron's angle (rad)", title="active neurons (grey)")
    axis.set_ylim(0, 2 * np.pi)
    axis.set_yticks([0, np.pi, 2 * np.pi], ["0", "π", "2π"])


def _latents(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Trajectories from several initial states, and the limit cycle."""
    for spacing in ("random", "equal"):
        for start in range(box.sizes["start"]):
            path = box["latents"].sel(spacing=spacing).isel(start=start).values
            axis.plot(*path.T, color=COLOURS[spacing], lw=1.4, alpha=0.8)
            axis.plot(*path[0], color=COLOURS[spacing], marker=MARKERS[spacing], ms=3)
    for path in box["exact_latents"].values:
        axis.plot(*path.T, **EXACT)
    axis.set(xlabel="latent κ₁", ylabel="latent κ₂", aspect="equal")
    axis.set_title(f"radius {number(table, 'radius'):.4f} (exact 1)")


def _correlation(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Pairwise correlations against angular distance, and Eq. 6."""
    for spacing in ("random", "equal"):
        one = box.sel(spacing=spacing)
        _marks(axis, one["angular_distance"], one["correlation"], spacing, alpha=0.7)
    axis.plot(table["x"], table["value"], **EXACT)
    largest = float(box["correlation_error_max"].sel(spacing="equal"))
    rms = float(box["correlation_error_rms"].sel(spacing="random"))
    axis.set(xlabel="angular distance (rad)", ylabel="correlation", title="Eq. 6 is exact for equal angles")
    if largest > 1e-6:
        axis.set_title("Eq. 6 for equal angles")
    axis.set_xticks([0, np.pi / 2, np.pi], ["0", "π/2", "π"])
    style.note(axis, f"largest error {largest:.0e} (equal)\nrms error {rms:.3f} (random)", x=0.03, y=0.03)


def _spectrum(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Eigenvalues of the correlation matrix / N."""
    rank = box["rank"].values
    for spacing in ("random", "equal"):
        values = box["eigenvalue"].sel(spacing=spacing).values
        shown = values > 1e-9
        _marks(axis, rank[shown], values[shown], spacing, alpha=0.8, rasterized=True)
    finite = box["finite_eigenvalue"].values
    axis.plot(rank[finite > 1e-12], finite[finite > 1e-12], color=style.GREY, lw=0.9)
    axis.plot(rank, box["infinite_eigenvalue"].values, **EXACT)
    axis.set(xscale="log", yscale="log", xlabel="rank n", ylabel="eigenvalue of the correlation / N")
    axis.set_title("power law n⁻² (infinite N)")
    axis.set_ylim(bottom=0.3 * box["infinite_eigenvalue"].values[-1])
    style.note(axis, f"grey: exact, N = {box.attrs['neurons']}\n(rank N/2)", x=0.03, y=0.03)


def _share(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Cumulative share of variance: two latents, but more than two components."""
    for spacing in ("random", "equal"):
        part = select(table, quantity="share of variance", spacing=spacing)
        size = 2.5 if spacing == "equal" else 5  # the one behind stays visible
        _marks(axis, part["x"], part["value"], spacing, ms=size)
    exact = table[table["quantity"] == "closed form"]
    axis.plot(exact["x"], exact["value"], **EXACT)
    names = ("participation_ratio", "latent_participation_ratio")
    ratios = {spacing: [float(box[name].sel(spacing=spacing)) for name in names] for spacing in COLOURS}
    axis.set(xscale="log", xlabel="components", ylabel="share of variance", ylim=(None, 1.0))
    axis.set_title("dimensions: {:.2f} (latents {:.2f})".format(*ratios["equal"]))
    lines = [f"{spacing}: {ratio:.3f}; latents {latents:.3f}" for spacing, (ratio, latents) in ratios.items()]
    style.note(axis, "\n".join(["participation ratio", *lines]), x=0.98, y=0.05, ha="right")


def _periods(axis, box: xr.Dataset, table: pd.DataFrame) -> None:
    """Relative error of the period against the number of neurons."""
    sizes = box["size"].values
    random = np.abs(box["period_error_random"].values)
    mean = table[table["quantity"] == "mean period error"]
    axis.plot(np.repeat(sizes, random.shape[1]), random.ravel(), ".", color=COLOURS["random"], ms=2.5, mew=0, alpha=0.6)
    _marks(axis, mean["x"], mean["value"], "random", ms=4, mec=style.BLACK, mew=0.5)
    axis.plot(sizes, box["period_error_equal"].values, MARKERS["equal"], color=COLOURS["equal"])
    middle = np.sqrt(sizes.min() * sizes.max())
    for spacing, (law, function) in LAWS.items():
        exact = select(table, quantity="closed form", spacing=spacing)
        axis.plot(exact["x"], exact["value"], **EXACT)
        place = middle if spacing == "equal" else 1.6 * middle
        axis.text(place, 2.5 * function(middle), law, size=6, color="0.3", va="bottom")
    axis.set(xscale="log", yscale="log", xlabel="neurons N", ylabel="period / 2π − 1")
    slow = (box["period_error_equal"].values > 0).all() and (mean["value"] > 0).all()
    axis.set_title("finite networks turn too slowly" if slow else "periods of finite networks")
    axis.set_ylim(0.03 * box["period_error_exact"].values.min(), 4 * np.nanmax(random))
    low, high = int(mean["n"].min()), int(mean["n"].max())
    count = f"{high}" if low == high else f"{low}–{high}"
    gap = number(table, "largest difference from the return map")
    style.note(
        axis,
        f"equal: return map within {gap:.0e}\n{count} random networks each;\nblack edge: their mean",
        x=0.03,
        y=0.03,
    )
