"""Which method predicts hidden samples of a recording best, in one sentence that all results share.

The verdict is on whether a hidden sample is an event (the Bernoulli likelihood), which all methods predict by their
rates; how large events are is told by few. Of several models the best counts, as of several baselines; a model is best
only where its paired interval over the best baseline lies above 0: of equals, the simpler.
"""

from dataclasses import dataclass, field

import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.planning.studies import labels
from calcium_latents.studies.recordings.study import BASELINES

LIKELIHOOD = "bernoulli"
FILE = "best/event_rates.nwb"


@dataclass(frozen=True)
class Verdict:
    """What a comparison says.

    Attributes:
        model: the model that predicts best; "" where no model was trained.
        baseline: the baseline that does.
        bits: of the model over the baseline, a held-out event, with its interval: (value, lower, upper).
        over_constant: bits of the best method over a constant rate: (value, lower, upper).
        described: method -> what it is called.
    """

    model: str
    baseline: str
    bits: tuple[float, float, float]
    over_constant: tuple[float, float, float]
    described: dict[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """Return "wins", "ties" or "loses", of the model against the best baseline; "" without a model."""
        _, lower, upper = self.bits
        if not self.model:
            return ""
        return "wins" if lower > 0 else "loses" if upper < 0 else "ties"

    @property
    def best(self) -> str:
        """Return the method whose rates to use."""
        return self.model if self.outcome == "wins" else self.baseline

    def called(self, method: str) -> str:
        """Return what a method is called."""
        return self.described.get(method) or labels().get(method, (method,))[0]

    def sentence(self) -> str:
        """Return the verdict in words."""
        model, baseline, best = (self.called(name) for name in (self.model, self.baseline, self.best))
        said = {
            "wins": f"{model} predicts hidden samples better than the best baseline, {baseline}",
            "loses": f"{model} predicts hidden samples worse than {baseline}",
            "ties": f"{model} predicts hidden samples neither better nor worse than {baseline}, which is simpler",
            "": f"{baseline} predicts hidden samples best, of baselines alone",
        }[self.outcome]
        numbers = f": {_interval(self.bits)} bits an event" if self.model else ""
        if self.best == "constant" or self.over_constant[1] <= 0:
            return (
                f"{said}{numbers}; no method tells more than each neuron's constant rate: do not interpret its changes."
            )
        return f"{said}{numbers}; use the rates of {best} in {FILE}."


def verdict(comparison: pd.DataFrame) -> Verdict:
    """Return the verdict of a comparison: held_out_comparison.csv, `compare_held_out` with every baseline as reference.

    A column `description`, where there is one, says what a method is called.

    Raises UserError where no baseline is among the methods.
    """
    table = comparison[comparison["likelihood"] == LIKELIHOOD]
    values = table.set_index(["model", "reference"])[["bits_per_event", "lower_bits", "upper_bits"]]
    over_constant = values.xs("constant", level="reference")["bits_per_event"]
    baselines = [name for name in BASELINES if name in over_constant.index]
    models = [name for name in over_constant.index if name not in BASELINES]
    if not baselines:
        raise UserError(f"comparison: expected one of the baselines {', '.join(BASELINES)}, found none.")
    baseline = max(baselines, key=lambda name: over_constant[name])
    model = max(models, key=lambda name: over_constant[name]) if models else ""

    def between(one: str, other: str) -> tuple[float, float, float]:
        value, lower, upper = map(float, values.loc[(one, other)])
        return value, lower, upper

    described = dict(zip(table["model"], table["description"], strict=True)) if "description" in table else {}
    bits = between(model, baseline) if model else (0.0, 0.0, 0.0)
    found = Verdict(model, baseline, bits, between(baseline, "constant"), described)
    return Verdict(model, baseline, bits, between(found.best, "constant"), described)


def _interval(bits: tuple[float, float, float]) -> str:
    value, lower, upper = bits
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}]"
