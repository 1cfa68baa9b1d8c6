"""Claims of the digital-twin study on how well responses are predicted: to test images, and in a second scan.

Where neurons are simulated, the paper's numbers compare with nothing: neurons and noise are what they were made. Where
repeats of an image do not agree with each other, nothing can be predicted and no score means anything.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.question import Question
from calcium_latents.claims.table import Claim
from calcium_latents.studies.digital_twin.response_scores import (
    FRACTION,
    LINEAR,
    SHUFFLED,
    TWIN,
    paired_difference,
    population_mean,
)
from calcium_latents.studies.digital_twin.second_scan import size_tuning_agreement as agreement

STUDY = "digital_twin"
question = partial(Question, STUDY)
NULL_CURVES = (agreement.OTHERS, agreement.MEAN)  # of size tuning: what is not the neuron's own


def performance_claims(scores: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield claims about predictions of each data set; `scores`: see `response_scores`."""
    paper = read_paper(STUDY)
    correlation, fraction = paper["test_correlation"], paper["fraction_of_oracle"]
    every = {} if scores is None else dict(tuple(scores.groupby("dataset", sort=False)))
    for dataset, rows in every.items() if every else {"none": None}.items():
        text = "Single-trial test correlation; ours: mean over neurons"
        single = question(f"single-trial-{dataset}", "1C", text, correlation.printed)
        text = "Correlation over oracle; ours: mean single-trial correlation over mean jackknife oracle (recorded "
        text += f"neurons; reproduced: interval reaches {fraction.value:g} or lies above)"
        oracle = question(f"fraction-of-oracle-{dataset}", "1C", text, fraction.printed)
        text = "The network predicts better than a Poisson GLM; ours: paired difference in single-trial correlation "
        glm = question(f"better-than-glm-{dataset}", "Methods", text + "(reproduced: interval above 0)")
        text = "Target of ours: mean correlation with the noise-free truth is at least 0.85"
        truth = question(f"truth-{dataset}", "-", text, "no truth")
        if rows is None or TWIN not in set(rows["method"]):
            yield from (asked.answer() for asked in (single, oracle, glm, truth))
            continue
        simulated = rows["correlation_to_truth"].notna().any()
        found = {name: population_mean(rows, TWIN, name) for name in ("single_trial", FRACTION, "correlation_to_truth")}
        seeds = rows.loc[rows["method"] == TWIN, "seed"].nunique()
        others = {
            m: population_mean(rows, m, "single_trial")[0] for m in (LINEAR, SHUFFLED) if m in set(rows["method"])
        }
        reason = f"{found['single_trial'][3]} neurons, {seeds} seed(s), interval over neurons"
        reason += "".join(f"; {method.replace('_', ' ')} {value:.3g}" for method, value in others.items())
        where = "simulated: neurons and noise are set, so no comparison" if simulated else (
            "recorded, not the paper's recordings"
        )  # fmt: skip
        best = population_mean(rows, TWIN, "oracle")
        silent = best[1] <= 0
        if silent:
            where += f"; repeats of an image do not agree (mean oracle {best[0]:.2g} [{best[1]:.2g}, {best[2]:.2g}]), "
            where += "so that no score means anything"
        good = None if simulated or silent else reaches(found["single_trial"], correlation.value)
        yield single.answer(found["single_trial"][:3], f"{where}; {reason}", good)
        words = f"{where}; mean oracle {best[0]:.3g}; a perfect model lies above 1, as other repeats are noisy"
        good = None if simulated else reaches(found[FRACTION], fraction.value)
        yield oracle.answer(reason=words) if silent else oracle.answer(found[FRACTION][:3], words, good)
        pair = paired_difference(rows, TWIN, LINEAR)
        good = None if silent or not np.isfinite(pair[1]) else bool(pair[1] > 0)
        words = f"{where}; {reason}" if silent else reason
        words += "; complex cells, which no linear filter predicts, were built in" if simulated else ""
        yield glm.answer(pair[:3], words, good)
        mean = found["correlation_to_truth"]
        words = f"Poisson GLM {population_mean(rows, LINEAR, 'correlation_to_truth')[0]:.3g}; interval over neurons"
        yield truth.answer(mean[:3], words if simulated else "no truth known", bool(mean[0] >= 0.85))


def reaches(interval: tuple, bound: float) -> bool | None:
    """Return whether an interval (mean, lower, upper, ...) reaches `bound` or lies above; None without one."""
    return bool(interval[2] >= bound) if np.isfinite(interval[2]) else None


def coverage_claims(coverage: pd.DataFrame | None, simulated: bool) -> Iterator[Claim]:
    """Yield the claim about the Gabors of a second scan; `coverage`: scan_coverage.csv of one data set."""
    paper = read_paper(STUDY)
    count, share, fraction = (paper[name] for name in ("scan_gabors", "scan_share", "scan_fraction"))
    text = f"{count.printed} Gabors drive {share.printed} of neurons to {fraction.printed} of their optimal Gabor or "
    text += f"more; ours: share of neurons so driven (reproduced: at least {share.value:g})"
    asked = question("twenty-gabors", "5D", text, share.printed)
    rows = None if coverage is None else coverage[coverage["gabors"] == count.value]
    if rows is None or rows.empty:
        yield asked.answer()
        return
    kind = rows["selection"] if "selection" in rows else pd.Series("greedy", rows.index)
    reached = rows["neuron_share"].where(rows["fraction_of_own"] >= fraction.value, 0).groupby(kind).max()
    ours = reached.get("greedy", reached.iloc[0])
    others = ", ".join(f"{name} {value:.2g}" for name, value in reached.items() if name != "greedy")
    reason = f"chosen greedily on the model{f'; others: {others}' if others else ''}; no interval"
    reason += "; simulated: receptive fields lie nearer to each other, so no comparison" if simulated else ""
    yield asked.answer(ours, reason, None if simulated else ours >= share.value)


def size_tuning_claims(tuning: pd.DataFrame | None, simulated: bool) -> Iterator[Claim]:
    """Yield the claim about size tuning in a second scan; `tuning`: size_tuning.csv of one data set."""
    paper = read_paper(STUDY)["size_tuning"]
    text = f"In vivo and in silico size tuning correlate at {paper.printed} of the oracle; ours: mean correlation over "
    text += "mean oracle, neurons with a Gabor at 50 % of their optimum "
    text += f"(reproduced: interval reaches {paper.value:g} or lies above)"
    asked = question("size-tuning", "5B", text, paper.printed)
    rows = None if tuning is None else tuning[np.isclose(tuning["threshold"], 0.5)].assign(seed=0)
    found = pd.DataFrame() if rows is None else agreement.summarise_agreement(rows).set_index("curve")
    found = found[(found["neurons"] > 1) & (found["oracle"] > 0)] if len(found) else found
    if agreement.MODEL not in found.index:
        yield asked.answer()
        return
    model, others = found.loc[agreement.MODEL], found["fraction"].drop(agreement.MODEL)
    ours = tuple(model[["fraction", "lower", "upper"]])
    reason = f"{model['neurons']:.0f} neurons; " + ", ".join(f"{curve} {value:.3g}" for curve, value in others.items())
    good = reaches(ours, paper.value)
    if good and others[others.index.isin(NULL_CURVES)].max() >= paper.value:
        good = None
        reason += f"; curves of other neurons reach {paper.value:g} as well, so that it tests nothing here"
    if simulated:
        good, reason = None, f"simulated: neurons and noise are set, so no comparison; {reason}"
    yield asked.answer(ours, reason, good)
