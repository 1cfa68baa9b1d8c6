"""Claims of Ustyuzhaninov et al. (digital twin of mouse V1): bar codes, in-silico tuning, a combinatorial code.

The recordings are not public. On simulated neurons the paper's numbers about mouse V1 (how properties correlate, which
combinations occur, fractions of an oracle) are set by the simulation: such a claim has our number and the truth beside
it, and the status "not tested". What is tested there is whether the method returns what was built in, by targets and
controls of ours. A number that a null reaches as well tests nothing either.

Claims about one data set are asked of the first simulated one whose properties were built in independently, if there is
one (else of the first); performance and independence of each.

Tables (any may be absent; several data sets in one, told apart by the column `dataset`; a table without it is of one):
    scores: see `response_scores`
    alignment: agreement of clusters with known types by metric and method of alignment; `chosen` 1: those in use
    gabors: optimal_gabors.csv; indices: indices.csv (source "model" and "truth")
    cluster_tests, independence, combinations: see `tuning.cluster_tests`, `tuning.property_independence`
    meis: cluster, neurons, fraction_of_own, null: response to a cluster's image over that to each neuron's own
    scan_coverage: gabors, neuron_share, fraction_of_own (and selection); size_tuning: neuron, threshold, curve,
        correlation, oracle
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from calcium_latents.claims.table import Claim
from calcium_latents.studies.digital_twin.claims_clusters import (
    alignment_claims,
    cluster_claims,
    gabor_claims,
    mei_claims,
)
from calcium_latents.studies.digital_twin.claims_independence import (
    FOUND_DEPENDENT,
    built_in,
    combination_claims,
    correlation_claims,
)
from calcium_latents.studies.digital_twin.claims_performance import (
    coverage_claims,
    performance_claims,
    size_tuning_claims,
)
from calcium_latents.studies.digital_twin.claims_recovery import recovery_claims

#: table -> pattern of its files
TABLES = {
    "scores": "{simulated}/scores.csv",
    "alignment": "{scanned}/alignment.csv",
    "indices": "{scanned}/indices.csv",
    "cluster_tests": "{scanned}/cluster_tests.csv",
    "independence": "{scanned}/independence.csv",
    "combinations": "{scanned}/combinations.csv",
    "scan_coverage": "{scanned}/scan_coverage.csv",
    "size_tuning": "{scanned}/size_tuning.csv",
    "meis": "{scanned}/cluster_meis.csv",
    "gabors": "{scanned}/optimal_gabors.csv",
}


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Yield the paper's claims, and targets and controls of ours, beside our numbers."""
    main = _main(tables)

    def of(name: str) -> pd.DataFrame | None:
        return _of(tables.get(name), main)

    simulated = _is_simulated(tables, main)
    yield from performance_claims(tables.get("scores"))
    yield from _named(cluster_claims(of("cluster_tests"), simulated), of("cluster_tests"))
    for name, function in (
        ("alignment", alignment_claims),
        ("meis", mei_claims),
        ("gabors", gabor_claims),
        ("independence", correlation_claims),
    ):
        yield from _named(function(of(name)), of(name))
    yield from combination_claims(tables.get("combinations"), main)
    for name, function in (("scan_coverage", coverage_claims), ("size_tuning", size_tuning_claims)):
        yield from _named(function(of(name), simulated), of(name))
    yield from _named(recovery_claims(of("indices")), of("indices"))


def _named(found: Iterable[Claim], rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Name the data set in the reasons of claims that have a number."""
    for claim in found:
        known = rows is not None and "dataset" in rows and np.isfinite(claim.ours)
        yield replace(claim, reason=f"{rows['dataset'].iloc[0]}: {claim.reason}") if known else claim


def _of(table: pd.DataFrame | None, dataset: str | None) -> pd.DataFrame | None:
    """Return the rows of a data set, of the first one if it has none, and None without rows."""
    if table is None or table.empty:
        return None
    if "dataset" not in table:
        return table
    mine = table[table["dataset"] == dataset]
    return mine if len(mine) else table[table["dataset"] == table["dataset"].iloc[0]]


def _main(tables: Mapping[str, pd.DataFrame]) -> str | None:
    """Return the first simulated data set with independent properties, else the first simulated, else the first."""
    scores, counts = (tables.get(name) for name in ("scores", "combinations"))
    names = list(dict.fromkeys(scores["dataset"])) if scores is not None else []
    names += [name for name in ([] if counts is None else dict.fromkeys(counts["dataset"])) if name not in names]
    simulated = [name for name in names if built_in(counts, name)]
    independent = [name for name in simulated if built_in(counts, name) not in FOUND_DEPENDENT]
    return next(iter([*independent, *simulated, *names]), None)


def _is_simulated(tables: Mapping[str, pd.DataFrame], main: str | None) -> bool:
    """Return whether the truth of a data set is known."""
    scores = tables.get("scores")
    known = scores is not None and scores.loc[scores["dataset"] == main, "correlation_to_truth"].notna().any()
    return bool(known or built_in(tables.get("combinations"), main))
