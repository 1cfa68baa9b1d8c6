"""Claims of the essay "Which Neurons Drive the Latent Space?": it has no numbers, so each claim is held against a test.

Tables (any may be absent):
    roles: scores.csv of `roles_benchmark`
    identities: identity, error: largest relative error of an identity that should hold to rounding, by name; of
        "sum of contributions" the first claim speaks (others are counted with it)
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from calcium_latents.claims.table import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, Claim
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

STUDY = "latent_contributions"
ROUNDING = 1e-9
SUM = "sum of contributions"
STATEMENTS = {
    INITIATOR: "Contributions may tell which neurons initiate transitions into attractor basins",
    STABILISER: "Contributions may tell which neurons stabilise attractor states",
}
AUC = "area under the ROC curve (chance 0.5)"


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Return every claim of the essay that is tested here.

    That a score tells a role is reproduced where its interval lies above chance. That it does so better than plain
    scores is a claim of its own, and so is that a share as the essay writes it does.
    """
    yield _identity(tables.get("identities"))
    scores = tables.get("roles")
    for role in (INITIATOR, STABILISER):
        yield _above_chance(scores, role)
        yield _as_written(scores, role)
        yield _better_than_plain(scores, role)
    yield from _leads(scores)


def _claim(name, figure, statement, ours=(np.nan,) * 3, status=NOT_TESTED, reason="not run at this scale") -> Claim:
    head = (f"latent-contributions-{name}", STUDY, figure, statement, "no number")
    return Claim(*head, *map(float, ours), status, reason)


def _identity(table: pd.DataFrame | None) -> Claim:
    statement = "Contributions of all neurons sum to the latent exactly; ours: largest relative error of the sum"
    head = ("sum", "latent_contributions", statement)
    if table is None or not len(table):
        return _claim(*head)
    worst, own = table.loc[table["error"].idxmax()], table.loc[table["identity"] == SUM, "error"]
    good = worst["error"] <= ROUNDING
    reason = f"only rounding is left, accepted up to {ROUNDING:g}" if good else f"more than rounding ({ROUNDING:g})"
    reason += f"; the largest of {len(table)} identities checked: {worst['identity']}, {worst['error']:.2g}"
    ours = own.max() if len(own) else worst["error"]
    return _claim(*head, (ours, np.nan, np.nan), REPRODUCED if good else NOT_REPRODUCED, reason)


def _rows(scores: pd.DataFrame | None, benchmark: str, role: str) -> pd.DataFrame | None:
    if scores is None:
        return None
    rows = scores[(scores["benchmark"] == benchmark) & (scores["role"] == role) & scores["score"].notna()]
    return rows if len(rows) else None


def _by_network(rows: pd.DataFrame, method: str) -> np.ndarray:
    """Mean over levels of each network's score: a network counts once."""
    return rows[rows["method"] == method].groupby("network")["score"].mean().to_numpy()


def _above_chance(scores: pd.DataFrame | None, role: str) -> Claim:
    name = DEFAULT[role].replace("_", " ")
    statement = f"{STATEMENTS[role]}; ours: {AUC} of our default score of contributions, {name}"
    head = (f"{role}s", "latent_contributions_transition_roles", statement)
    rows = _rows(scores, TRANSITIONS, role)
    if rows is None:
        return _claim(*head)
    method = DEFAULT[role]
    ours = mean_interval(_by_network(rows, method))
    good = ours[1] > 0.5
    networks = rows["network"].nunique()
    reason = (
        f"mean over levels of difficulty, interval over {networks} simulated networks with known roles; the score is "
        "ours, the essay defines none"
    )
    return _claim(*head, ours, REPRODUCED if good else NOT_REPRODUCED, reason)


def _as_written(scores: pd.DataFrame | None, role: str) -> Claim:
    method = AS_WRITTEN[role]
    statement = (
        f"The same for {role}s with contributions summed up as the essay does; ours: {AUC} of a neuron's share of the "
        f"latents' change, {method.replace('_', ' ')}"
    )
    head = (f"{role}s-as-written", "latent_contributions_transition_roles", statement)
    rows = _rows(scores, TRANSITIONS, role)
    if rows is None:
        return _claim(*head)
    ours = mean_interval(_by_network(rows, method))
    counts = _counts(rows, method)
    reason = f"above chance is all that is asked; against the best score without latents, by level, it {counts}"
    if not ours[1] > 0.5:
        reason = f"not above chance; against the best score without latents, by level, it {counts}"
    return _claim(*head, ours, REPRODUCED if ours[1] > 0.5 else NOT_REPRODUCED, reason)


def _better_than_plain(scores: pd.DataFrame | None, role: str) -> Claim:
    head = (
        f"{role}s-better-than-plain",
        "latent_contributions_transition_roles",
        f"Test of ours: contributions tell {role}s better than scores without latents do; ours: difference in area "
        "under the ROC curve, paired",
    )
    rows = _rows(scores, TRANSITIONS, role)
    return _claim(*head) if rows is None else _claim(*head, *_against_plain(rows, DEFAULT[role]))


def _against_plain(rows: pd.DataFrame, method: str) -> tuple[tuple[float, float, float], str, str]:
    """Return the difference to the best plain score of each level, mean over levels, one number a network; and what
    it says."""
    paired = paired_differences(rows)
    paired = paired[paired["method"] == method]
    ours = mean_interval(paired.groupby("network")["difference"].mean().to_numpy())
    outcome = {WINS: "better", TIES: "only ties", LOSES: "worse"}[verdict(*ours[1:])]
    best = ", ".join(sorted(paired["baseline"].unique()))
    reason = (
        f"{outcome}: {method} less the best plain score of each level ({best}), mean over levels, interval over "
        f"networks; at single levels it {_counts(rows, method)}"
    )
    return ours, REPRODUCED if outcome == "better" else NOT_REPRODUCED, reason


def _leads(scores: pd.DataFrame | None) -> Iterator[Claim]:
    heads = (
        (
            "leads",
            "latent_contributions_lagged_influence",
            "Influence maps may show which neurons modulate others later; ours: Spearman correlation of net influence "
            "with the true lead",
        ),
        (
            "leads-better-than-plain",
            "latent_contributions_lagged_influence",
            "Test of ours: lags of activity seen through the latents tell leads better than lags of the activity "
            "itself; ours: difference in Spearman correlation, paired",
        ),
    )
    rows = _rows(scores, DELAYS, "lead")
    if rows is None:
        yield from (_claim(*head) for head in heads)
        return
    net = rows[rows["method"] == "net_influence"]
    lag = net["lag_s"].min()
    ours = mean_interval(_by_network(net[net["lag_s"] == lag], "net_influence"))
    far = net[net["lag_s"] == net["lag_s"].max()]["score"].mean()
    reason = (
        f"at a lag of {lag:g} s, mean over noise ({far:.2f} at {net['lag_s'].max():g} s), interval over networks; an "
        "association, since no neuron drives another in this simulation"
    )
    yield _claim(*heads[0], ours, REPRODUCED if ours[1] > 0 else NOT_REPRODUCED, reason)
    ours, status, reason = _against_plain(rows, DEFAULT_LEAD)
    reason += f"; net influence, the essay's own, {_counts(rows, 'net_influence')} (lags and levels)"
    yield _claim(*heads[1], ours, status, reason)


def _counts(rows: pd.DataFrame, method: str) -> str:
    """Say at how many levels the method wins, ties and loses."""
    compared = compare(rows)
    counts = compared.loc[compared["method"] == method, "verdict"].value_counts()
    return ", ".join(f"{name} {counts.get(name, 0)}" for name in (WINS, TIES, LOSES)) + f" of {counts.sum()}"
