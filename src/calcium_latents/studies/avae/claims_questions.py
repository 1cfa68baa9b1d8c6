"""What the claims of the AVAE study share: names, a claim before its answer, comparison with principal components."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from calcium_latents.claims.question import Question
from calcium_latents.claims.table import Claim
from calcium_latents.statistics.partition_contrasts import NEURON, Contrast, contrast
from calcium_latents.studies.avae.condition_comparison import IDENTITY
from calcium_latents.studies.avae.study import BASELINE, OURS, PUBLISHED
from calcium_latents.studies.avae.study import SHORT as NAMES

SPLITS = {NEURON: "as published: random neurons held out", "culture": "held-out cultures"}
#: What no interval over partitions covers.
SCOPE = "; simulated, one set of cultures, whose neurons the partitions share: other cultures may differ"
#: Makes a claim before its answer: name, figure, text, and whatever else `claims.question.Question` takes.
question = partial(Question, "avae", side="above")


def by_method(values: Mapping[str, float]) -> str:
    """Return the values of the methods in words."""
    return ", ".join(f"{NAMES[name]} {values[name]:.3g}" for name in NAMES if name in values)


def decided(asked: Question, interval: tuple[float, float, float], reason: str, good=None, best=False) -> Claim:
    """Return the claim that an interval decides (or `good`); not tested where it has no ends."""
    if not np.isfinite(interval[1]):
        return asked.answer(interval, f"no interval; {reason}")
    return asked.answer(interval, reason, good, best)


def answered(asked: Question, found: Contrast | None, reason: str = "", best: bool = False) -> Claim:
    """Return the claim that a contrast decides; not tested without one."""
    return asked.answer() if found is None else decided(asked, found.interval, found.words + reason, best=best)


def against_pca(asked: Question, rows, value, split, method, logarithm=False, reason: str = "") -> Claim:
    """Compare a method with principal components. Ours is beaten where it is also better than the published one."""
    found = contrast(rows, value, split, "method", (method, BASELINE), logarithm=logarithm)
    theirs = contrast(rows, value, split, "method", (PUBLISHED, BASELINE), logarithm=logarithm)
    if method == PUBLISHED or theirs is None or found is None:
        return answered(asked, found, reason + SCOPE)
    between = contrast(rows, value, split, "method", (OURS, PUBLISHED), logarithm=logarithm)
    beyond = between is not None and asked.holds(*between.interval)
    words = f"; {'beyond' if beyond else 'not beyond'} the published AVAE, {theirs.interval[0]:.3g}{reason}{SCOPE}"
    return answered(asked, found, words, beyond)


def own_latents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows on the identity latents of methods that have such, on all latents of the others."""
    own = rows["latents"] == IDENTITY
    return rows[own | ~rows["method"].isin(rows.loc[own, "method"])]
