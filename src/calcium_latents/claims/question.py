"""A claim before its answer: what would make it hold is said before the numbers are known."""

from dataclasses import dataclass

import numpy as np

from calcium_latents.claims.table import BEATEN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, Claim

UNKNOWN = (np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Question:
    """A claim before its answer.

    Attributes:
        study: whose claim it is; its names begin with it.
        name: short, of letters and hyphens or underscores.
        figure: of the paper, or page.
        text: what the paper says, and what ours is.
        paper: its number as printed.
        side: "above" or "below": reproduced where our interval lies on that side of `bound`; "": the answer says.
        bound: see `side`.
    """

    study: str
    name: str
    figure: str
    text: str
    paper: str = "no number"
    side: str = ""
    bound: float = 0.0

    def holds(self, _: float, lower: float, upper: float) -> bool:
        """Return whether an interval (ours, lower, upper) lies where the claim has it."""
        return {"above": lower > self.bound, "below": upper < self.bound}[self.side]

    def answer(
        self,
        ours: float | tuple[float, float, float] = UNKNOWN,
        reason: str = "not run at this scale",
        good: bool | None = None,
        best: bool = False,
    ) -> Claim:
        """Return the claim with our number.

        Args:
            ours: our number, or (number, lower, upper) of its 95 % interval; NaN: not tested.
            reason: why the status is what it is, in words.
            good: whether it holds; None: as the interval says, and not tested without `side` or an interval.
            best: whether what holds is better than what the paper has (beaten instead of reproduced).
        """
        value, lower, upper = map(float, ours if isinstance(ours, tuple) else (ours, np.nan, np.nan))
        if good is None and self.side and np.isfinite(lower):
            good = self.holds(value, lower, upper)
        if np.isnan(value):
            good = None
        status = NOT_TESTED if good is None else NOT_REPRODUCED if not good else BEATEN if best else REPRODUCED
        rule = f" (reproduced: interval {self.side} {self.bound:g})" if self.side else ""
        name = f"{self.study}-{self.name}".replace("_", "-")
        return Claim(name, self.study, self.figure, self.text + rule, self.paper, value, lower, upper, status, reason)
