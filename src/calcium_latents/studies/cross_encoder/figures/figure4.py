"""Cross-encoder, Figure 4: latents of spontaneous activity against running speed, a row for each session.

Inputs:
    latents: latents.nc of each session (see `running_speed.latents_for_display`), at most four are drawn.
    running_speed: running_speed.csv of the same sessions.
    latent_recovery (optional): latent_recovery.csv of the same sessions; adds how well true latents are recovered.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.rows import rows
from calcium_latents.metrics import explained_variance as ev
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.studies.cross_encoder import running_speed as rs

INPUTS = {"latents": "{spontaneous}/latents.nc", "running_speed": "{spontaneous}/running_speed.csv"}
OPTIONAL_INPUTS = {"latent_recovery": "{spontaneous}/latent_recovery.csv"}
MOST_SESSIONS = 4
NAMES = {
    ev.MODEL: "cross-encoder",
    "linear_encoder": "linear encoder",
    ev.BASELINE: "reduced-rank\nregression",
    rs.COMPONENTS: "principal\ncomponents",
    rs.TRUTH: "true latents",
}
LOOKS = {rs.COMPONENTS: (style.GREEN, "^"), rs.TRUTH: (style.TRUE_COLOUR, "*")}
STEP = 4.5  # s.d. between traces
CORRELATION, RECOVERY = "correlation of one latent with speed", "mean affine R2 of the true latents on test samples"
MULTIPLE, SHIFTED = "multiple R2 of speed", "mean 95th percentile of multiple R2 with shifted speed"
DIFFERENCE = "multiple R2, cross-encoder minus principal components"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return correlations of latents with speed and recovery of true latents (a); multiple R2 and comparisons (b)."""
    speed = read_tables(inputs, "running_speed", rs.SPEED_COLUMNS).rename(columns={"p": "p_value"})
    keys = ["dataset", "model", "seed", "components"]
    together = speed["latent"].astype(str) == rs.ALL
    single, whole = speed[~together].astype({"latent": int}), speed[together]
    correlation = single.assign(panel="a", quantity=CORRELATION, value=single["correlation"])
    multiple = whole.assign(panel="b", quantity=MULTIPLE, value=whole["r2"])
    tables = [
        correlation[["panel", "quantity", *keys, "latent", "value"]],
        multiple[["panel", "quantity", *keys, "value", "null_95_r2", "p_value"]],
        _means("b", SHIFTED, whole, "null_95_r2"),
    ]
    for dataset, part in whole.groupby("dataset"):
        r2 = part.pivot_table(index="seed", columns="model", values="r2")
        if {ev.MODEL, rs.COMPONENTS} <= set(r2):
            difference = (r2[ev.MODEL] - r2[rs.COMPONENTS]).dropna().to_numpy()
            value, lower, upper = mean_interval(difference)
            interval = {"lower": lower, "upper": upper, "n": len(difference)}
            tables.append(rows("b", DIFFERENCE, value, dataset=dataset, **interval))
    recovery = [part for path in inputs.get("latent_recovery", ()) if len(part := pd.read_csv(path))]
    if recovery:
        tables.append(_means("a", RECOVERY, pd.concat(recovery), "r2"))
    columns = ["panel", "quantity", *keys, "latent", "value", "lower", "upper", "null_95_r2", "p_value", "n"]
    return pd.concat(tables).reindex(columns=columns)


def _means(panel: str, quantity: str, table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return the mean over seeds (and latents) of each dataset and model."""
    means = table.groupby(["dataset", "model"], as_index=False)
    return means.agg(value=(value, "mean"), n=(value, "count")).assign(panel=panel, quantity=quantity)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    sessions = [read_dataset(path) for path in inputs["latents"]]
    sessions = [session for session in sessions if "running_speed" in session][:MOST_SESSIONS]
    if not sessions:
        raise UserError("input latents: expected at least one session with running speed, found none.")
    fig = style.figure(1.75 * len(sessions) + 0.55)
    axes = fig.subplots(len(sessions), 2, squeeze=False, width_ratios=[3.2, 1])
    for row, session in zip(axes, sessions, strict=True):
        name = str(session.attrs["dataset"])
        mine = table[table["dataset"].astype(str) == name]
        if not (mine["quantity"] == MULTIPLE).any():
            raise UserError(f"input running_speed: expected rows of the dataset {name!r}, found none. Score it again.")
        _traces(row[0], session, mine)
        _multiple(row[1], mine)
    for axis, letter in zip(axes[0], "ab", strict=True):
        style.panel_letter(axis, letter, x=-0.15 if letter == "a" else -0.32, y=1.08)
    axes[-1, 0].set_xlabel("time in the session (s)")
    axes[-1, 1].set_xlabel("multiple R² of speed")
    fig.supxlabel(
        "traces: smoothed with 1 s for display only; (r): correlation with running speed before smoothing, which\n"
        "depends on the gauge of the latents; multiple R² does not: cross-validated over blocks of 10 s,\n"
        "a point per seed, in parentheses: number of latents; grey bars: 95th percentile with circularly shifted speed",
        fontsize=6,
        color="0.3",
    )
    return style.save(fig, output_stem)


def _traces(axis, session: xr.Dataset, table: pd.DataFrame) -> None:
    """Running speed, and below it the latents of one run of the cross-encoder (or of the first model there is)."""
    models = [str(model) for model in session["model"].values]
    model = style.in_order(models)[0] if ev.MODEL not in models else ev.MODEL
    run = models.index(model)
    seed, count = int(session["seed"][run]), int(session["components"][run])
    width, time = float(session.attrs["bin_width_s"]), session["time"].values
    speed = rs.display_smoothing(session["running_speed"].values.astype(float), width)
    top = max(np.nanmax(speed), 1e-9)
    axis.plot(time, speed / top * (STEP - 0.5) - 0.4 * STEP, color=style.BLACK, lw=0.7)
    latents = rs.display_smoothing(session["latents"].values[run, :, :count].T.astype(float), width)
    mine = table[(table["model"] == model) & (table["seed"] == seed)].set_index("latent")["value"]
    lowest = -STEP * (count + 0.5)
    labels = [f"running speed\n(top {top:.3g} cm/s)"]
    for index, latent in enumerate(latents):
        trace = (latent - np.nanmean(latent)) / max(np.nanstd(latent), 1e-9) - STEP * (index + 1)
        lowest = min(lowest, np.nanmin(trace))
        axis.plot(time, trace, color=style.PURPLE, lw=0.7)
        labels.append(f"z{index + 1} ({mine[index]:+.2f})".replace("-", "−"))
    axis.set_yticks(-STEP * np.arange(count + 1), labels)
    axis.set(xlim=(time[0], time[-1] + width), ylim=(lowest - 0.5, 0.75 * STEP))
    title = f"{session.attrs.get('label', session.attrs['dataset'])}; {style.label(model)}, seed {seed}"
    axis.set_title(title + _recovered(table, model), fontsize=6.5)


def _recovered(table: pd.DataFrame, model: str) -> str:
    """Say how well the true latents are recovered by affine regression, where they are known."""
    mean = table[table["quantity"] == RECOVERY].set_index("model")["value"]
    if model not in mean or not np.isfinite(mean[model]):
        return ""
    baseline = f"; principal components {mean[rs.COMPONENTS]:.2f}" if rs.COMPONENTS in mean else ""
    return f"\naffine R² of the true latents on test samples {mean[model]:.2f}{baseline} (mean of seeds)"


def _multiple(axis, table: pd.DataFrame) -> None:
    """Multiple R2 of every model and seed, beside the R2 that shifted speed gives."""
    whole = table[table["quantity"] == MULTIPLE]
    shifted = table[table["quantity"] == SHIFTED].set_index("model")["value"]
    models = [model for model in NAMES if model in set(whole["model"])]
    for place, model in enumerate(models):
        part = whole[whole["model"] == model]
        colour, marker = LOOKS.get(model) or style.appearance(model).values()
        null = shifted[model]
        axis.barh(place, max(null, 0.0) if np.isfinite(null) else 0.0, color="0.85", height=0.6)
        spread = np.linspace(-0.15, 0.15, len(part)) if len(part) > 1 else np.zeros(1)
        axis.plot(part["value"], place + spread, marker, color=colour, ms=3.5, clip_on=False)
    axis.axvline(0, color="0.4", lw=0.6)
    sizes = whole.groupby("model")["components"].unique()
    names = [f"{NAMES[model]} ({'/'.join(f'{size:.0f}' for size in sorted(sizes[model]))})" for model in models]
    axis.set_yticks(range(len(models)), names)
    axis.set_ylim(len(models) - 0.5, -0.5)
    low = np.nanmin([0.0, whole["value"].min()])
    high = np.nanmax([0.05, whole["value"].max(), whole["null_95_r2"].max()])
    axis.set_xlim(max(low, -0.3) - 0.03 * (high - low), high + 0.08 * (high - low))
    axis.xaxis.set_major_locator(style.few_ticks())
    axis.set_title(_verdict(whole, table[table["quantity"] == DIFFERENCE]), fontsize=6.5)


def _verdict(whole: pd.DataFrame, difference: pd.DataFrame) -> str:
    """Say whether the latents relate to running speed, and whether they do so better than principal components."""
    mine = whole[whole["model"] == ev.MODEL]
    if mine.empty or mine["value"].isna().all():
        return "running speed does not vary" if len(mine) else "no cross-encoder"
    p = mine["p_value"]
    above = f"p {'=' if p.nunique() == 1 else '≤'} {p.max():.2g}" if p.notna().any() else "too short for p"
    related = "related" if (p < 0.05).all() else "not related in all seeds"
    if difference.empty:
        return f"{related} ({above})"
    row = difference.iloc[0]
    result = ev.outcome(row["value"], row["lower"], row["upper"])
    words = {ev.WINS: "beats", ev.TIES: "only ties with", ev.LOSES: "loses to"}
    words = words.get(result, "above" if row["value"] > 0 else "not above")
    note = ", one seed" if result == ev.UNRESOLVED else ""
    return f"{related} ({above});\ncross-encoder {words}\nprincipal components{note}"
