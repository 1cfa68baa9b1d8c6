"""A recording around the onsets of its trials: neurons' mean activity by condition, measured and inferred, and the
model's factors.

Inputs:
    recording: events.nc, which has the table of trials, the source's or the entry's.
    events: deconvolved.nc (continuous, one trial).
    inferred: the model's event_rates.nc (continuous, one trial).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.panels import legend_below, mark
from calcium_latents.recordings import read_inferred, read_recording
from calcium_latents.recordings.trial_table import trial_table
from calcium_latents.seeds import generator
from calcium_latents.studies.recordings.alignment import align, bin_edges, by_condition, conditions_of, modulation
from calcium_latents.studies.recordings.figures.placeholder import draw_line

INPUTS = {
    "recording": "{recording}/events.nc",
    "events": "{recording}/deconvolved.nc",
    "inferred": "{recording}/{first_run}/event_rates.nc",
}
EACH = ("recording",)
SHOWN = 5  # neurons, factors
MOST_CONDITIONS = 6
HEAT_ROWS = 120
EVENTS, RATES, FACTORS, MAP = "events", "inferred", "factors", "map"
COLUMNS = [
    "panel",
    "source",
    "number",
    "condition",
    "time_s",
    "width_s",
    "mean",
    "sem",
    "trials",
    "modulation",
    "neurons",
]
NOTE = (
    "mean and standard error over trials; dashed: onset; r: correlation of the means over two halves of the trials"
    " (cross-validated modulation, of events for neurons), by which neurons and factors were chosen"
)
NOTHING = (
    "No trials are known for this recording. To see its activity by condition, add `trials:` to its entry in\n"
    "config/recordings.yaml: a CSV file with a column start_s (s) and, where there are any, a column condition."
)


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return means and standard errors over trials by condition, of the most modulated neurons and factors, and the map
    of all neurons; empty where the recording has no trials."""
    recording = read_recording(inputs["recording"][0], ["trial_start"])
    trials = trial_table(recording)
    if trials is None or not len(trials):
        return pd.DataFrame(columns=COLUMNS)
    measured = read_recording(inputs["events"][0], ["events", "trial_start"])
    inferred = read_inferred(inputs["inferred"][0])
    rate_hz = float(measured.attrs["imaging_rate_hz"])
    edges, starts = bin_edges(trials, 1 / rate_hz), trials["start_s"].to_numpy(float)
    frames = measured["time"].values + measured["trial_start"].values[0] + 0.5 / rate_hz
    bins = inferred["time"].values
    bins = bins + (bins[1] - bins[0]) / 2
    activity = {EVENTS: align(measured["events"].values[0], frames, starts, edges) * rate_hz}
    activity[RATES] = align(inferred["event_rate"].values[0], bins, starts, edges)
    if "factors" in inferred:
        factors = inferred["factors"].values[0]
        scaled = (factors - np.nanmean(factors, axis=0)) / np.maximum(np.nanstd(factors, axis=0), 1e-12)
        activity[FACTORS] = align(scaled, bins, starts, edges)
    # trials outside of what was modelled
    inside = np.isfinite(activity[RATES]).any(axis=(1, 2)) & np.isfinite(activity[EVENTS]).any(axis=(1, 2))
    conditions = conditions_of(trials)[inside]
    if not inside.any():
        return pd.DataFrame(columns=COLUMNS)
    activity = {name: values[inside] for name, values in activity.items()}
    found, counts = np.unique(conditions.astype(str), return_counts=True)
    names = sorted(found[np.argsort(-counts, kind="stable")][:MOST_CONDITIONS])
    rng = generator(int(measured.attrs.get("seed", 0)), "conditions")
    parts = []
    scores = modulation(activity[EVENTS], conditions, names, rng)
    chosen = _leading(scores, np.nanmean(activity[EVENTS], axis=(0, 1)))
    neurons = measured["neuron"].values
    for source in (EVENTS, RATES):
        parts.append(_curves("a", source, activity[source], conditions, names, edges, chosen, neurons, scores))
    if FACTORS in activity:
        scores = modulation(activity[FACTORS], conditions, names, rng)
        chosen = _leading(scores, np.nanvar(activity[FACTORS], axis=(0, 1)))
        numbers = np.arange(scores.size)
        parts.append(_curves("b", FACTORS, activity[FACTORS], conditions, names, edges, chosen, numbers, scores))
    parts += _maps(activity, conditions, names, edges)
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def _leading(scores: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Return the columns with the largest scores [column]; by `otherwise` where trials are too few for scores."""
    ranked = scores if np.isfinite(scores).all() else otherwise
    return np.argsort(-ranked, kind="stable")[:SHOWN]


def _curves(panel, source, aligned, conditions, names, edges, chosen, numbers, scores) -> pd.DataFrame:
    """Return the curves of the columns `chosen`, a row a column, condition and bin."""
    mean, error, count = by_condition(aligned[:, :, chosen], conditions, names)
    condition, at, column = np.indices(mean.shape)
    return pd.DataFrame(
        {
            "panel": panel,
            "source": source,
            "number": numbers[chosen][column.ravel()],
            "condition": np.array(names, object)[condition.ravel()],
            "time_s": edges[:-1][at.ravel()],
            "width_s": edges[1] - edges[0],
            "mean": mean.ravel(),
            "sem": error.ravel(),
            "trials": count.ravel(),
            "modulation": scores[chosen][column.ravel()],
        }
    )


def _maps(activity, conditions, names, edges) -> list[pd.DataFrame]:
    """Return the maps of all neurons, z-scored over bins and conditions; rows are ordered by half of the trials and
    shown of the other half, so that noise alone makes no diagonal. Many neurons are averaged to `HEAT_ROWS` rows."""
    ordering = np.zeros(len(conditions), bool)
    for name in names:
        ordering[np.flatnonzero(conditions == name)[::2]] = True
    shown = ~ordering if all((conditions[~ordering] == name).any() for name in names) else np.ones(len(ordering), bool)
    first = by_condition(activity[RATES][ordering], conditions[ordering], names)[0]
    first = np.nan_to_num(first.reshape(-1, first.shape[2]), nan=-1.0)
    order = np.argsort(first.argmax(axis=0), kind="stable")
    rows = np.array_split(order, min(HEAT_ROWS, order.size))
    tables = []
    for source in (EVENTS, RATES):
        mean = by_condition(activity[source][shown], conditions[shown], names)[0]
        spread = np.nanstd(mean, axis=(0, 1))
        scaled = (mean - np.nanmean(mean, axis=(0, 1))) / np.where(spread > 0, spread, np.inf)
        grouped = np.stack([np.nanmean(scaled[:, :, row], axis=2) for row in rows], axis=2)
        condition, at, row = np.indices(grouped.shape)
        tables.append(
            pd.DataFrame(
                {
                    "panel": "c",
                    "source": source,
                    "number": row.ravel(),
                    "condition": np.array(names, object)[condition.ravel()],
                    "time_s": edges[:-1][at.ravel()],
                    "width_s": edges[1] - edges[0],
                    "mean": grouped.ravel(),
                    "trials": int(shown.sum()),
                    "neurons": order.size,
                }
            )
        )
    return tables


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    if not len(table):
        return draw_line(NOTHING, output_stem)
    table = table.assign(condition=table["condition"].astype(str))
    names = sorted(table["condition"].unique())
    looks = {name: style.GROUPS[index][0] for index, name in enumerate(names)}
    with_factors = (table["panel"] == "b").any()
    heights = [1.0, 1.0, *([1.0] if with_factors else []), 1.7]
    fig = style.figure(1.25 * sum(heights) + 0.5)
    parts = fig.subfigures(len(heights), 1, height_ratios=heights)
    curves = table[table["panel"] == "a"]
    rows = [(curves[curves["source"] == EVENTS], "deconvolved\nevents (1/s)", "neuron")]
    rows.append((curves[curves["source"] == RATES], "inferred\nevent rate (1/s)", ""))
    if with_factors:
        rows.append((table[table["panel"] == "b"], "factor (s.d.)", "factor"))
    for number, (part, (rows_of, label, what)) in enumerate(zip(parts, rows, strict=False)):
        axes = _row(part, rows_of, label, what, looks)
        if number != 1:
            style.panel_letter(axes[0], "a" if number == 0 else "b", x=-0.22)
    _heat(parts[-1], table[table["panel"] == "c"], looks)
    trials = curves.groupby("condition")["trials"].max()
    handles = [mark(f"{name} ({int(trials[name])} trials)", looks[name], lw=1.5) for name in names]
    legend_below(fig, handles, NOTE, ncols=4)
    return style.save(fig, output_stem)


def _row(fig, table: pd.DataFrame, label: str, what: str, looks: dict[str, str]) -> list:
    numbers = list(dict.fromkeys(table["number"]))  # in order of their modulation
    axes = fig.subplots(1, SHOWN, sharex=True)
    for axis in axes[len(numbers) :]:
        axis.set_axis_off()
    for axis, number in zip(axes, numbers, strict=False):
        for name, part in table[table["number"] == number].groupby("condition"):
            at = part["time_s"] + part["width_s"] / 2
            axis.plot(at, part["mean"], color=looks[str(name)], lw=0.9)
            error = part["sem"].fillna(0)
            axis.fill_between(at, part["mean"] - error, part["mean"] + error, color=looks[str(name)], alpha=0.25, lw=0)
        axis.axvline(0, color="0.3", lw=0.6, ls="--", zorder=0)
        axis.yaxis.set_major_locator(style.few_ticks())
        axis.xaxis.set_major_locator(style.few_ticks())
        agreement = table.loc[table["number"] == number, "modulation"].iloc[0]
        name = f"{what} {int(number)}" + (f" (r = {agreement:.2f})" if np.isfinite(agreement) else "")
        axis.set(title=name if what else "", xlabel="time from onset (s)" if what != "neuron" else "")
    axes[0].set_ylabel(label)
    return list(axes)


def _heat(fig, table: pd.DataFrame, looks: dict[str, str]) -> None:
    """Panel c: all neurons, conditions side by side, measured and inferred."""
    axes = fig.subplots(1, 2, sharey=True)
    neurons = int(table["neurons"].iloc[0])
    image = None
    for axis, source in zip(axes, (EVENTS, RATES), strict=True):
        wide = table[table["source"] == source].pivot(index="number", columns=["condition", "time_s"], values="mean")
        names = list(dict.fromkeys(wide.columns.get_level_values(0)))
        image = axis.imshow(wide.to_numpy(), aspect="auto", cmap="PuOr_r", vmin=-3, vmax=3)
        bins = wide.shape[1] // len(names)
        onset = int((wide.columns.get_level_values(1)[:bins] < 0).sum())
        for place, name in enumerate(names):
            begin = place * bins - 0.5
            axis.plot(
                [begin, begin + bins], [-0.03, -0.03], color=looks[name], lw=3, transform=axis.get_xaxis_transform()
            )
            axis.axvline(begin + onset, color="0.2", lw=0.6, ls="--")
            if place:
                axis.axvline(begin, color="white", lw=1.5)
        axis.set(xticks=[], yticks=[], title={EVENTS: "deconvolved events", RATES: "inferred event rates"}[source])
        axis.set_xlim(-0.5, wide.shape[1] - 0.5)
        for line in axis.lines:
            line.set_clip_on(False)
        axis.set_xlabel("conditions side by side", labelpad=5)
    rows = table["number"].nunique()
    averaged = "" if rows == neurons else f" (averaged to {rows} rows)"
    axes[0].set_ylabel(f"{neurons} neurons,\nby time of peak{averaged}")
    fig.colorbar(image, ax=list(axes), label="mean over half of\nthe trials (z-score)", fraction=0.03, pad=0.01)
    style.panel_letter(axes[0], "c", x=-0.09)
