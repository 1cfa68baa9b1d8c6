"""What the claims of the AVAE study share: names, a claim before its answer, comparison with principal components."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcium_latents.claims.table import BEATEN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, Claim
from calcium_latents.statistics.partition_contrasts import NEURON, Contrast, contrast
from calcium_latents.studies.avae.condition_comparison import IDENTITY

PUBLISHED, BASELINE, OURS = "avae", "pca", "avae_plus"
NAMES = {PUBLISHED: "AVAE", BASELINE: "PCA", OURS: "AVAE+"}
SPLITS = {NEURON: "as published: random neurons held out", "culture": "held-out cultures"}
#: What no interval over partitions covers.
SCOPE = "; simulated, one set of cultures, whose neurons the partitions share: other cultures may differ"


@dataclass(frozen=True)
class Question:
    """A claim before its answer: reproduced where our interval lies `side` of `bound`."""

    name: str
    figure: str
    text: str
    side: str = "above"
    bound: float = 0.0
    paper: str = "no number"

    def holds(self, _: float, lower: float, upper: float) -> bool:
        """Return whether an interval lies where the claim has it."""
        return {"above": lower > self.bound, "below": upper < self.bound}[self.side]

    def answer(self, interval=None, reason="not run at this scale", good: bool | None = None, best=False) -> Claim:
        """Return the claim; `good` overrides the interval, `best` makes what holds beaten, no interval: not tested."""
        rule = f" (reproduced: interval {self.side} {self.bound:g})" if self.side else ""
        numbers = (np.nan,) * 3 if interval is None else interval
        good = self.holds(*numbers) if good is None and np.isfinite(numbers[1]) else good
        status = NOT_TESTED if good is None else NOT_REPRODUCED if not good else BEATEN if best else REPRODUCED
        reason = f"no interval; {reason}" if good is None and interval is not None else reason
        head = (f"avae-{self.name}".replace("_", "-"), "avae", self.figure, self.text + rule, self.paper)
        return Claim(*head, *map(float, numbers), status=status, reason=reason)


def by_method(values: Mapping[str, float]) -> str:
    """Return the values of the methods in words."""
    return ", ".join(f"{NAMES[name]} {values[name]:.3g}" for name in NAMES if name in values)


def answered(question: Question, found: Contrast | None, reason: str = "", best: bool = False) -> Claim:
    """Return the claim that a contrast decides; not tested without one."""
    return question.answer() if found is None else question.answer(found.interval, found.words + reason, best=best)


def against_pca(question: Question, rows, value, split, method, logarithm=False, reason: str = "") -> Claim:
    """Compare a method with principal components. Ours is beaten where it is also better than the published one."""
    found = contrast(rows, value, split, "method", (method, BASELINE), logarithm=logarithm)
    theirs = contrast(rows, value, split, "method", (PUBLISHED, BASELINE), logarithm=logarithm)
    if method == PUBLISHED or theirs is None or found is None:
        return answered(question, found, reason + SCOPE)
    between = contrast(rows, value, split, "method", (OURS, PUBLISHED), logarithm=logarithm)
    beyond = between is not None and question.holds(*between.interval)
    words = f"; {'beyond' if beyond else 'not beyond'} the published AVAE, {theirs.interval[0]:.3g}{reason}{SCOPE}"
    return answered(question, found, words, beyond)


def own_latents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows on the identity latents of methods that have such, on all latents of the others."""
    own = rows["latents"] == IDENTITY
    return rows[own | ~rows["method"].isin(rows.loc[own, "method"])]
