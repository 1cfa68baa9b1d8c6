"""How far training is, as lines in its log."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from calcium_latents.progress import how_far, say


def report_validation(
    step: int, steps: int, history: Sequence[Mapping[str, Any]], seconds: float, metric: str, larger: bool = False
) -> None:
    """Write a line on the last validation: step, the metric now and at its best, seconds, and about how many are left.

    Args:
        step: optimiser steps done.
        steps: of how many.
        history: rows of all validations so far, of `step`, perhaps `member`, and metrics; of several members, means.
        seconds: of training so far.
        metric: the column of `history` to tell of.
        larger: whether larger values are better.
    """
    by_step: dict[int, list[float]] = {}
    for row in history:
        if metric in row:
            by_step.setdefault(row["step"], []).append(row[metric])
    means = {at: sum(values) / len(values) for at, values in by_step.items()}
    told = f": {metric} {means[step]:.5g}" if step in means else ""
    finite = [at for at, value in means.items() if math.isfinite(value)]
    if told and finite:
        best = (max if larger else min)(finite, key=means.__getitem__)
        told += f" (best {means[best]:.5g} at step {best})"
    say(f"training, {how_far(step, steps, 'steps', seconds)}{told}")
