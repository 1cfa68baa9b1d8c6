"""A recording's latent factors against the animal's behaviour: how much of it they tell on blocks of time that the
prediction did not see, beside behaviour shifted in time and principal components of smoothed events.

Inputs:
    recording: recording.nc, which has the behaviour.
    events: deconvolved.nc (continuous, one trial).
    inferred: the model's event_rates.nc (continuous, one trial).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.panels import legend_below, mark
from calcium_latents.recordings import read_inferred, read_recording
from calcium_latents.recordings.behaviour import behaviour_names
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap, quantile_interval
from calcium_latents.studies.recordings import behaviour_prediction as prediction
from calcium_latents.studies.recordings.alignment import align
from calcium_latents.studies.recordings.figures.placeholder import draw_line

INPUTS = {
    "recording": "{recording}/recording.nc",
    "events": "{recording}/deconvolved.nc",
    "inferred": "{recording}/{first_run}/event_rates.nc",
}
EACH = ("recording",)
BIN_S = 0.1  # at least
SHOWN = 5  # behaviours, best predicted first
SHOWN_S = 60.0
FACTORS, COMPONENTS = "factors", "smoothed PCA"
COLUMNS = [
    *("panel", "behaviour", "units", "method", "r2", "null_median", "null_lower", "null_upper", "p", "shifts"),
    *("width_s", "latents", "difference", "difference_lower", "difference_upper", "time_s", "measured", "predicted"),
]
NOTHING = (
    "No behaviour is known for this recording. Signals in an NWB file (running speed, pupil) are found by themselves.\n"
    "Else add `behaviour:` to its entry in config/recordings.yaml: a CSV file with a column time_s and one a signal."
)
NO_FACTORS = (
    "There is nothing to predict behaviour from, or to predict:\n"
    "the model has no factors, or the signals overlap too little with the imaging, or never change."
)
SIGNIFICANT = 0.05


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return R2 of every behaviour from factors and from components, with the null and the paired difference (panel b),
    and measured and predicted behaviour over time (panel a); empty where the recording has no behaviour."""
    recording = read_recording(inputs["recording"][0])
    names = behaviour_names(recording)
    inferred = read_inferred(inputs["inferred"][0])
    if not names or "factors" not in inferred:
        return pd.DataFrame(columns=COLUMNS)
    measured = read_recording(inputs["events"][0], ["events", "trial_start"])
    period = 1 / float(measured.attrs["imaging_rate_hz"])
    step = period * max(1, int(np.ceil(BIN_S / period - 1e-9)))
    frames = measured["time"].values + measured["trial_start"].values[0]
    edges = np.arange(round((frames[-1] - frames[0]) / step) + 1) * step

    def binned(values: np.ndarray, times: np.ndarray) -> np.ndarray:
        return align(values, times, frames[:1], edges)[0]

    bins = inferred["time"].values
    factors = binned(inferred["factors"].values[0], bins + (bins[1] - bins[0]) / 2)
    components = {
        width: binned(prediction.smoothed_components(events, period, width, factors.shape[1]), frames + period / 2)
        for events in [measured["events"].values[0].astype(float)]
        for width in prediction.SMOOTHING_S
    }
    parts = []
    for name in names:
        signal = binned(recording[name].values[0][:, None].astype(float), frames + period / 2)[:, 0]
        known = np.isfinite(signal) & np.isfinite(factors).all(axis=1)
        if known.sum() >= prediction.BLOCKS * prediction.FEWEST_SAMPLES and np.ptp(signal[known]) > 0:
            found = _compare(signal[known], factors[known], {w: c[known] for w, c in components.items()}, step)
            at = frames[0] + edges[:-1][known] + step / 2
            parts.append(_rows(recording[name], found, at, signal[known], inferred, measured))
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS) if parts else pd.DataFrame(columns=COLUMNS)


def _compare(signal, factors, components, step) -> dict[str, tuple[prediction.Prediction, float, int]]:
    """Return method -> prediction, width of smoothing (s) and number of latents; of all widths the one that predicts
    best, which favours the components."""
    tried = {width: prediction.predict(values, signal, step) for width, values in components.items()}
    best = max(tried, key=lambda width: tried[width].r2)
    return {
        FACTORS: (prediction.predict(factors, signal, step), np.nan, factors.shape[1]),
        COMPONENTS: (tried[best], best, components[best].shape[1]),
    }


def _rows(behaviour: xr.DataArray, found, at, signal, inferred, measured) -> pd.DataFrame:
    first, second = found[FACTORS][0], found[COMPONENTS][0]
    rng = generator(int(measured.attrs.get("seed", 0)), "behaviour", str(behaviour.name))
    lower, upper = bootstrap(
        first.error.size,
        lambda blocks: (second.error - first.error)[blocks].sum(axis=-1) / first.total[blocks].sum(axis=-1),
        rng,
    )
    named = {
        "behaviour": behaviour.attrs.get("long_name", str(behaviour.name)),
        "units": behaviour.attrs["units"],
    }
    scores = []
    for method, (result, width, latents) in found.items():
        null_lower, null_upper = quantile_interval(result.null)
        said = {"panel": "b", **named, "method": method, "r2": result.r2, "null_median": np.median(result.null)}
        said |= {"null_lower": null_lower, "null_upper": null_upper, "p": result.p, "shifts": result.null.size}
        scores.append(said | {"width_s": width, "latents": latents})
    difference = {"difference": first.r2 - second.r2, "difference_lower": lower, "difference_upper": upper}
    scores[0] |= difference
    middle = (at[0] + at[-1]) / 2
    shown = np.abs(at - middle) <= SHOWN_S / 2
    trace = pd.DataFrame({"time_s": at, "measured": signal, "predicted": first.predicted})[shown]
    trace = trace.assign(panel="a", method=str(inferred.attrs["model"]), **named)
    return pd.concat([pd.DataFrame(scores), trace], ignore_index=True)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    if not len(table):
        known = behaviour_names(read_recording(inputs["recording"][0]))
        return draw_line(NO_FACTORS if known else NOTHING, output_stem)
    scores, traces = (table[table["panel"] == panel] for panel in "ba")
    ranked = scores[scores["method"] == FACTORS].sort_values("r2", ascending=False, kind="stable")["behaviour"]
    names, left_out = list(ranked[:SHOWN]), list(ranked[SHOWN:])
    model = style.label(str(traces["method"].iloc[0]))
    fig = style.figure(1.15 * len(names) + 1.1)
    axes = fig.subplots(len(names), 2, width_ratios=[2.2, 1], squeeze=False)
    for (left, right), name in zip(axes, names, strict=True):
        _trace(left, traces[traces["behaviour"] == name])
        _scores(right, scores[scores["behaviour"] == name].set_index("method"), model)
    axes[-1, 0].set_xlabel("time in the session (s)")
    axes[-1, 1].set_xlabel("R² on blocks not seen")
    style.panel_letter(axes[0, 0], "a", x=-0.06)
    style.panel_letter(axes[0, 1], "b", x=-0.06)
    shifts = int(scores["shifts"].max())
    note = (
        f"a: predicted from {model}'s factors (ridge regression on other blocks of time). b: grey bars: middle 95 % of"
        f" R² of behaviour shifted in time ({shifts} shifts); p: the part of shifts that predict as well. "
        + _verdict(scores, names, model)
    )
    if left_out:
        note += f" Not shown, as less well predicted: {', '.join(left_out)}."
    handles = [mark("measured", style.BLACK), mark("predicted", style.VERMILLION)]
    legend_below(fig, [*handles, mark("shifted in time", style.GREY, lw=4, alpha=0.5)], note, ncols=3, width=130)
    return style.save(fig, output_stem)


def _trace(axis, trace: pd.DataFrame) -> None:
    axis.plot(trace["time_s"], trace["measured"], color=style.BLACK, lw=0.7)
    axis.plot(trace["time_s"], trace["predicted"], color=style.VERMILLION, lw=0.9)
    axis.set(ylabel=f"{trace['behaviour'].iloc[0]}\n({_units(trace['units'].iloc[0])})")
    axis.margins(x=0)


def _units(units) -> str:
    return "a.u." if str(units) in ("1", "1.0", "") else str(units)


def _scores(axis, scores: pd.DataFrame, model: str) -> None:
    looks = {FACTORS: (style.VERMILLION, "o", f"{model}'s factors"), COMPONENTS: (style.BLUE, "s", COMPONENTS)}
    low = min(-0.05, scores["null_lower"].min(), scores["r2"].min())
    low, high = max(low, -0.5), max(0.3, scores["r2"].max(), scores["null_upper"].max())
    span = high - low
    for y, (method, (colour, marker, _)) in enumerate(looks.items()):
        row = scores.loc[method]
        axis.plot(
            [row["null_lower"], row["null_upper"]], [y, y], color=style.GREY, alpha=0.5, lw=5, solid_capstyle="butt"
        )
        at = max(row["r2"], low)
        axis.plot(at, y, color=colour, marker=marker)
        text = f"{row['r2']:.2f}, p = {row['p']:.2g}"
        axis.text(high + 0.06 * span, y, text, va="center", fontsize=6)
    axis.axvline(0, color="0.4", lw=0.8, ls=":", zorder=0)
    axis.set(yticks=range(len(looks)), ylim=(len(looks) - 0.4, -0.6), xlim=(low - 0.05 * span, high + 0.6 * span))
    axis.set_yticklabels([f"{label}" for _, _, label in looks.values()])
    axis.xaxis.set_major_locator(style.few_ticks())


def _verdict(scores: pd.DataFrame, names: Iterable[str], model: str) -> str:
    """Say what factors predict beyond chance, and if better than components, by the paired interval over blocks."""
    told, not_told = [], []
    for name in names:
        row = scores[(scores["behaviour"] == name) & (scores["method"] == FACTORS)].iloc[0]
        low, high = row["difference_lower"], row["difference_upper"]
        if row["p"] > SIGNIFICANT or row["r2"] <= 0:
            not_told.append(name)
            continue
        than = "better than" if low > 0 else "less well than" if high < 0 else "as well as"
        told.append(f"{name}, {than} components ({row['difference']:+.2f} [{low:.2f}, {high:.2f}])")
    sentences = [f"{model}'s factors predict {'; '.join(told)}."] if told else []
    if not_told:
        start = "They" if told else f"{model}'s factors"
        sentences.append(f"{start} do not predict {', '.join(not_told)} beyond chance.")
    return " ".join(sentences)
