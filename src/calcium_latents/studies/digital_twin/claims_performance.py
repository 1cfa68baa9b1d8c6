"""Claims of the digital-twin study on how well responses to test images are predicted, of each data set.

Where neurons are simulated, the paper's numbers compare with nothing: neurons and noise are what they were made. Where
repeats of an image do not agree with each other, nothing can be predicted and no score means anything.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calcium_latents.claims.table import Claim
from calcium_latents.studies.digital_twin.claims_recovery import Question
from calcium_latents.studies.digital_twin.response_scores import (
    FRACTION,
    LINEAR,
    SHUFFLED,
    TWIN,
    paired_difference,
    population_mean,
)


def performance_claims(scores: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield claims about predictions of each data set; `scores`: see `response_scores`."""
    every = {} if scores is None else dict(tuple(scores.groupby("dataset", sort=False)))
    for dataset, rows in every.items() if every else {"none": None}.items():
        single = Question(
            f"single-trial-{dataset}", "1C", "Single-trial test correlation; ours: mean over neurons", "0.42"
        )
        oracle = Question(
            f"fraction-of-oracle-{dataset}", "1C", "Correlation over oracle; ours: mean single-trial correlation over "
            "mean jackknife oracle (recorded neurons; reproduced: interval reaches 0.69 or lies above)", "0.69",
        )  # fmt: skip
        glm = Question(
            f"better-than-glm-{dataset}", "Methods", "The network predicts better than a Poisson GLM; ours: paired "
            "difference in single-trial correlation (reproduced: interval above 0)",
        )  # fmt: skip
        truth = Question(
            f"truth-{dataset}", "-", "Target of ours: mean correlation with the noise-free truth is at least 0.85",
            "no truth",
        )  # fmt: skip
        if rows is None or TWIN not in set(rows["method"]):
            yield from (question.answer() for question in (single, oracle, glm, truth))
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
        good = None if simulated or silent else reaches(found["single_trial"], 0.42)
        yield single.answer(found["single_trial"][:3], f"{where}; {reason}", good)
        words = f"{where}; mean oracle {best[0]:.3g}; a perfect model lies above 1, as other repeats are noisy"
        good = None if simulated else reaches(found[FRACTION], 0.69)
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
