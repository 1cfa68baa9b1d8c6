"""How training went: the validation metric over steps, its best, and what a user should know of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.files import read_table

#: What is told of where the configuration selects nothing: the first that the table has.
METRICS = ("speckled_holdout_nll", "reconstruction_nll", "validation_loss", "validation_r2", "stopping_loss")
LARGER = ("validation_r2",)  # larger is better
COLUMNS = ["step", "metric", "value", "best", "planned_steps", "kept"]


def tabulate_training(inputs: Inputs) -> pd.DataFrame:
    """Return a row a validation: step, metric, value (mean over members), whether it is the best, planned steps, and
    whether the weights kept are those of the best (else of the last); empty where there are no validations."""
    from omegaconf import OmegaConf

    if not inputs.get("training") or not inputs.get("configuration"):
        return pd.DataFrame(columns=COLUMNS)
    history = read_table(inputs["training"][0])
    config: Any = OmegaConf.to_container(OmegaConf.load(inputs["configuration"][0]))
    training: Mapping[str, Any] = config.get("training") or {}
    select = training.get("select", "last")
    metric = next((name for name in (select, *METRICS) if name in history), None)
    if metric is None or "step" not in history:
        return pd.DataFrame(columns=COLUMNS)
    means = history.groupby("step")[metric].mean()
    table = pd.DataFrame({"step": means.index, "metric": metric, "value": means.to_numpy()})
    finite = table["value"].where(np.isfinite(table["value"]))
    best = (finite.idxmax() if metric in LARGER else finite.idxmin()) if finite.notna().any() else -1
    planned = int(training.get("steps", table["step"].max()))
    return table.assign(best=table.index == best, planned_steps=planned, kept="last" if select == "last" else "best")


def remarks(table: pd.DataFrame) -> list[str]:
    """Return what to know of a training, of a table of `tabulate_training`, in short lines."""
    said = []
    last, planned = int(table["step"].iloc[-1]), int(table["planned_steps"].iloc[0])
    if last < planned:
        said.append(f"ended at step {last} of {planned}")
    if not np.isfinite(table["value"]).all():
        said.append("not finite at some steps:\nlower the learning rate")
    best = table[table["best"]]
    if best.empty:
        return said
    at = int(best["step"].iloc[0])
    if at == last and len(table) > 1:
        said.append("still improving at the end:\nmore steps may help")
    elif at < last:
        kept = "its" if table["kept"].iloc[0] == "best" else "the last"
        said.append(f"no better after step {at};\n{kept} weights are used")
    return said


def draw_training(axis, table: pd.DataFrame) -> None:
    """Draw the metric over steps, the best marked, remarks below the title."""
    metric = str(table["metric"].iloc[0])
    axis.plot(table["step"], table["value"], color=style.BLUE, lw=1)
    best = table[table["best"]]
    axis.plot(best["step"], best["value"], color=style.VERMILLION, marker="*", ms=8, ls="")
    for at in best["step"]:
        axis.axvline(at, color=style.VERMILLION, lw=0.6, ls=":", zorder=0)
    finite = table["value"][np.isfinite(table["value"])]
    if len(finite) > 2:  # the first validations, before anything is learnt, would squeeze all others into a line
        low, high = finite.min(), finite.max()
        top = max(finite.iloc[len(finite) // 3 :].max(), np.quantile(finite, 0.75))
        if metric not in LARGER and high - low > 4 * (top - low):
            axis.set_ylim(low - 0.1 * (top - low), top + 0.6 * (top - low))
    axis.set(
        xlabel="training step",
        ylabel=metric.removesuffix("_nll").replace("_", " ")
        + ("\n(nats per sample)" if metric.endswith("_nll") else ""),
        title="\n".join(["training (star: best)", *remarks(table)]),
    )
    axis.xaxis.set_major_locator(style.few_ticks(integer=True))
