"""Claims of the essay "Which Neurons Drive the Latent Space?": it has no numbers, so each claim is held against a test.

Tables (any may be absent):
    roles: scores.csv of `roles_benchmark`
    identities: identity, error: largest relative error of an identity that should hold to rounding, by name; of
        "sum of contributions" the first claim speaks (others are counted with it)
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import pandas as pd

from calcium_latents.claims.question import Question
from calcium_latents.claims.table import Claim
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.studies.latent_contributions.roles import AS_WRITTEN, DEFAULT, INITIATOR, STABILISER
from calcium_latents.studies.latent_contributions.roles_benchmark import (
    DEFAULT_LEAD,
    DELAYS,
    LOSES,
    TIES,
    TRANSITIONS,
    WINS,
    compare,
    paired_differences,
    verdict,
)

#: table -> pattern of its files
TABLES = {
    "roles": "roles/scores.csv",
    "identities": "{application}/identities.csv",
}

ROLES, LEADS = "latent_contributions_transition_roles", "latent_contributions_lagged_influence"
ROUNDING = 1e-9
SUM = "sum of contributions"
STATEMENTS = {
    INITIATOR: "Contributions may tell which neurons initiate transitions into attractor basins",
    STABILISER: "Contributions may tell which neurons stabilise attractor states",
}
AUC = "area under the ROC curve (chance 0.5)"
_question = partial(Question, "latent_contributions")


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Return every claim of the essay that is tested here.

    That a score tells a role is reproduced where its interval lies above chance. That it does so better than plain
    scores is a claim of its own, and so is that a share as the essay writes it does.
    """
    yield _identity(tables.get("identities"))
    scores = tables.get("roles")
    for role in (INITIATOR, STABILISER):
        yield from _role(role, _rows(scores, TRANSITIONS, role))
    yield from _leads(_rows(scores, DELAYS, "lead"))


def _identity(table: pd.DataFrame | None) -> Claim:
    text = "Contributions of all neurons sum to the latent exactly; ours: largest relative error of the sum"
    question = _question("sum", "latent_contributions", text)
    if table is None or not len(table):
        return question.answer()
    worst, own = table.loc[table["error"].idxmax()], table.loc[table["identity"] == SUM, "error"]
    good = worst["error"] <= ROUNDING
    reason = f"only rounding is left, accepted up to {ROUNDING:g}" if good else f"more than rounding ({ROUNDING:g})"
    reason += f"; the largest of {len(table)} identities checked: {worst['identity']}, {worst['error']:.2g}"
    return question.answer(own.max() if len(own) else worst["error"], reason, good)


def _rows(scores: pd.DataFrame | None, benchmark: str, role: str) -> pd.DataFrame | None:
    if scores is None:
        return None
    rows = scores[(scores["benchmark"] == benchmark) & (scores["role"] == role) & scores["score"].notna()]
    return rows if len(rows) else None


def _by_network(rows: pd.DataFrame, method: str) -> tuple[float, float, float]:
    """Mean and interval of a score over networks, each with its mean over levels: a network counts once."""
    return mean_interval(rows[rows["method"] == method].groupby("network")["score"].mean().to_numpy())


def _role(role: str, rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Above chance; the same with shares as the essay writes them; better than scores without latents."""
    default, written = DEFAULT[role], AS_WRITTEN[role]
    questions = [
        _question(name, ROLES, text)
        for name, text in {
            f"{role}s": f"{STATEMENTS[role]}; ours: {AUC} of our default score of contributions, "
            f"{default.replace('_', ' ')}",
            f"{role}s-as-written": f"The same for {role}s with contributions summed up as the essay does; ours: {AUC} "
            f"of a neuron's share of the latents' change, {written.replace('_', ' ')}",
            f"{role}s-better-than-plain": f"Test of ours: contributions tell {role}s better than scores without latents"
            " do; ours: difference in area under the ROC curve, paired",
        }.items()
    ]
    if rows is None:
        yield from (question.answer() for question in questions)
        return
    ours = _by_network(rows, default)
    reason = (
        f"mean over levels of difficulty, interval over {rows['network'].nunique()} simulated networks with known "
        "roles; the score is ours, the essay defines none"
    )
    yield questions[0].answer(ours, reason, good=ours[1] > 0.5)
    ours = _by_network(rows, written)
    reason = "above chance is all that is asked" if ours[1] > 0.5 else "not above chance"
    reason += f"; against the best score without latents, by level, it {_counts(rows, written)}"
    yield questions[1].answer(ours, reason, good=ours[1] > 0.5)
    yield questions[2].answer(*_against_plain(rows, default))


def _against_plain(rows: pd.DataFrame, method: str) -> tuple[tuple[float, float, float], str, bool]:
    """Return the difference to the best plain score of each level, mean over levels, one number a network; what it
    says; and whether it is above zero."""
    paired = paired_differences(rows)
    paired = paired[paired["method"] == method]
    ours = mean_interval(paired.groupby("network")["difference"].mean().to_numpy())
    outcome = {WINS: "better", TIES: "only ties", LOSES: "worse"}[verdict(*ours[1:])]
    best = ", ".join(sorted(paired["baseline"].unique()))
    reason = (
        f"{outcome}: {method} less the best plain score of each level ({best}), mean over levels, interval over "
        f"networks; at single levels it {_counts(rows, method)}"
    )
    return ours, reason, outcome == "better"


def _leads(rows: pd.DataFrame | None) -> Iterator[Claim]:
    text = "Influence maps may show which neurons modulate others later; ours: Spearman correlation of net influence "
    leads = _question("leads", LEADS, text + "with the true lead")
    text = (
        "Test of ours: lags of activity seen through the latents tell leads better than lags of the activity itself; "
    )
    better = _question("leads-better-than-plain", LEADS, text + "ours: difference in Spearman correlation, paired")
    if rows is None:
        yield from (leads.answer(), better.answer())
        return
    net = rows[rows["method"] == "net_influence"]
    lag = net["lag_s"].min()
    ours = _by_network(net[net["lag_s"] == lag], "net_influence")
    far = net[net["lag_s"] == net["lag_s"].max()]["score"].mean()
    reason = (
        f"at a lag of {lag:g} s, mean over noise ({far:.2f} at {net['lag_s'].max():g} s), interval over networks; an "
        "association, since no neuron drives another in this simulation"
    )
    yield leads.answer(ours, reason, good=ours[1] > 0)
    ours, reason, good = _against_plain(rows, DEFAULT_LEAD)
    reason += f"; net influence, the essay's own, {_counts(rows, 'net_influence')} (lags and levels)"
    yield better.answer(ours, reason, good)


def _counts(rows: pd.DataFrame, method: str) -> str:
    """Say at how many levels the method wins, ties and loses."""
    compared = compare(rows)
    counts = compared.loc[compared["method"] == method, "verdict"].value_counts()
    return ", ".join(f"{name} {counts.get(name, 0)}" for name in (WINS, TIES, LOSES)) + f" of {counts.sum()}"
