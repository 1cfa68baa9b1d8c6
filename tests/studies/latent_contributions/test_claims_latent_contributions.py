"""Claims of the essay: every status is reachable, ties are not called wins, absent tables are honest."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.claims.table import NOT_REPRODUCED, NOT_TESTED, REPRODUCED
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.claims import claims
from calcium_latents.studies.latent_contributions.roles_benchmark import COLUMNS, DELAY_METHODS


def table(contribution=0.8, plain=0.7, as_written=0.6, lead=0.5):
    """Made-up scores: three networks, two levels of noise; the default score and the best plain one as asked for."""
    jitter = np.array([-0.01, 0.0, 0.01])
    rows = []
    for role, methods in roles.METHODS.items():
        for level in (1.0, 2.0):
            for method, kind in methods.items():
                value = {"contribution": 0.55, "plain": plain, "null": 0.5}[kind]
                value = {roles.DEFAULT[role]: contribution, roles.AS_WRITTEN[role]: as_written}.get(method, value)
                sign = 1 if kind == "contribution" else -1
                rows += [
                    (
                        "transitions",
                        role,
                        "observation_noise",
                        level,
                        network,
                        method,
                        kind,
                        np.nan,
                        "auc",
                        value + sign * j,
                    )
                    for network, j in enumerate(jitter)
                ]
    for method, kind in DELAY_METHODS.items():
        for lag in (0.2, 0.8):
            value = 0.9 if method == "peak_lag" else lead
            lag = np.nan if method.startswith("peak_lag") else lag
            rows += [
                ("delays", "lead", "observation_noise", 0.5, network, method, kind, lag, "spearman", value + j)
                for network, j in enumerate(jitter)
            ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS[:10])).drop_duplicates()
    return frame.reindex(columns=list(COLUMNS))


def found(**tables):
    rows = {claim.claim.removeprefix("latent-contributions-"): claim for claim in claims(tables)}
    assert all(claim.study == "latent_contributions" and claim.paper == "no number" for claim in rows.values())
    return rows


def test_without_tables_nothing_is_tested_and_the_claims_are_the_same():
    rows = found()
    assert all(claim.status == NOT_TESTED and np.isnan(claim.ours) for claim in rows.values())
    identities = pd.DataFrame({"identity": ["sum of contributions"], "error": [1e-15]})
    assert set(rows) == set(found(roles=table(), identities=identities))


@pytest.mark.parametrize(("error", "status"), [(3e-15, REPRODUCED), (1e-3, NOT_REPRODUCED)])
def test_the_sum(error, status):
    identities = pd.DataFrame({"identity": ["sum of contributions", "transition shares"], "error": [1e-16, error]})
    claim = found(identities=identities)["sum"]
    assert claim.status == status and claim.ours == 1e-16
    assert f"transition shares, {error:.2g}" in claim.reason


@pytest.mark.parametrize("role", roles.METHODS)
@pytest.mark.parametrize(
    ("plain", "status", "said"),
    [(0.7, REPRODUCED, "better:"), (0.8, NOT_REPRODUCED, "only ties:"), (0.9, NOT_REPRODUCED, "worse:")],
)
def test_better_than_plain_says_which(role, plain, status, said):
    rows = found(roles=table(plain=plain))
    claim = rows[f"{role}s-better-than-plain"]
    assert claim.status == status and claim.reason.startswith(said)
    assert claim.ours == pytest.approx(0.8 - plain, abs=1e-9)
    assert rows[f"{role}s"].status == REPRODUCED and rows[f"{role}s"].ours == pytest.approx(0.8)


@pytest.mark.parametrize("role", roles.METHODS)
def test_chance_is_not_telling(role):
    rows = found(roles=table(contribution=0.5, as_written=0.45))
    assert rows[f"{role}s"].status == rows[f"{role}s-as-written"].status == NOT_REPRODUCED
    assert "loses 2 of 2" in rows[f"{role}s-as-written"].reason
    assert rows[f"{role}s-as-written"].reason.startswith("not above chance")


def test_leads():
    rows = found(roles=table(lead=0.5))
    assert rows["leads"].status == REPRODUCED and rows["leads"].ours == pytest.approx(0.5)
    assert "association" in rows["leads"].reason
    assert rows["leads-better-than-plain"].status == NOT_REPRODUCED
    assert rows["leads-better-than-plain"].ours == pytest.approx(-0.4)
    assert "the essay's own, wins 0, ties 0, loses 2 of 2" in rows["leads-better-than-plain"].reason
    rows = found(roles=table(lead=-0.2))
    assert rows["leads"].status == NOT_REPRODUCED
    rows = found(roles=table(lead=0.95))
    assert "peak_lag_of_latents" in rows["leads-better-than-plain"].reason


def test_undefined_scores_are_no_evidence():
    scores = table()
    scores["score"] = np.nan
    assert all(claim.status == NOT_TESTED for claim in found(roles=scores).values())
