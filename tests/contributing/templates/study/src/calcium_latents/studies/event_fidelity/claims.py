"""Claims of the study `event_fidelity`."""

from collections.abc import Iterator, Mapping

import pandas as pd

from calcium_latents.claims.question import Question
from calcium_latents.claims.table import Claim

TABLES = {"fidelity": "{run}/fidelity.csv"}


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Yield whether noise costs fidelity: the mean correlation of the first recording less that of the last."""
    question = Question("event_fidelity", "noise-costs", "-", "Events of noisier recordings follow spikes less")
    if "fidelity" not in tables:
        yield question.answer()
        return
    means = tables["fidelity"].groupby("dataset", sort=False)["correlation"].mean()
    difference = means.iloc[0] - means.iloc[-1]
    yield question.answer(difference, f"{means.index[0]} less {means.index[-1]}", bool(difference > 0))
