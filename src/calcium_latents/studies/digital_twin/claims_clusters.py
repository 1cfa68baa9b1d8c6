"""Claims of the digital-twin study on clusters: what sets them apart, known types, and stimuli that they share."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import Claim
from calcium_latents.statistics.intervals import bootstrap_interval
from calcium_latents.studies.digital_twin.claims_performance import STUDY, question, reaches
from calcium_latents.studies.digital_twin.tuning.cluster_tests import CLUSTERED, count_significant
from calcium_latents.studies.digital_twin.tuning.neuron_properties import CLUSTER, MODEL, TRUTH


def cluster_claims(tests: pd.DataFrame | None, simulated: bool) -> Iterator[Claim]:
    """Yield claims about clusters that differ from the population; `tests`: cluster_tests.csv of one data set."""
    paper = read_paper(STUDY)
    text = f"A continuum with {paper['modes'].printed} modes; a count by eye on a map, which no test here repeats"
    yield question("modes", "1E", text, paper["modes"].printed).answer(
        reason="no number of ours: modes are not counted"
    )
    text = "All clusters differ from the population on at least one property; ours: share of clusters (reproduced: all)"
    some = question("clusters-differ-on-one", "3", text, paper["clusters_differ_on_one"].printed)
    text = "Some clusters differ on all properties; ours: share of clusters (reproduced: more than of random clusters)"
    every = question("clusters-differ-on-all", "3", text, paper["clusters_differ_on_all"].printed)
    if tests is None or CLUSTERED not in set(tests["assignment"]):
        yield from (some.answer(), every.answer())
        return
    counts, alpha = count_significant(tests), tests["alpha"].iloc[0]
    properties = counts["at_least"].max()
    for asked, at_least in ((some, 1), (every, properties)):
        rows = counts[counts["at_least"] == at_least].set_index("assignment")
        own, random = rows.loc[CLUSTERED], rows.drop(index=CLUSTERED)["value"]
        found, n, most = int(own["value"]), int(own["of"]), random.max() if len(random) else 0
        reason = f"{found} of {n} clusters, {properties} properties, alpha {alpha:g}; random clusters "
        reason += f"{random.min()} to {most} in {len(random)} draws, independent tests {own['expected']:.2g}; "
        reason += f"the paper: {paper['random_clusters_differ'].printed} for random ones; no interval: one partition, "
        reason += "and power grows with the neurons"
        reason += "; simulated: distinct types were built in" if simulated else ""
        yield asked.answer(found / n, reason, found > most and (at_least > 1 or found == n))


def alignment_claims(table: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield whether clusters are the known types, of chosen and of published codes; `table`: alignment.csv."""
    known = None if table is None or table["ari"].isna().all() else table[table["ari"].notna()]
    fewest = None if known is None else known[known["clusters"] == known["clusters"].min()]
    text = "Target of ours: ARI of clusters with known types is at least 0.75 and 0.3 above that without alignment; "
    for name, words in (("chosen", "ours: chosen metric and method"), ("published", "ours: published pipeline")):
        asked = question(f"ari-{name}", "1D", text + words, "no types known")
        row = None if fewest is None else _row(fewest, name)
        if row is None:
            yield asked.answer()
            continue
        same = fewest[fewest["metric"] == row["metric"]]
        raw = same.loc[same["method"] == "none", "ari"]
        reason = f"{row['clusters']} clusters, {_setting(row)}; without alignment "
        reason += f"{raw.iloc[0]:.3g}" if len(raw) else "unknown"
        if name == "chosen":
            # the same method with the other metric, and the published pipeline
            alike = (fewest["method"] == row["method"]) & (fewest["metric"] != row["metric"])
            others = fewest[(alike & np.isclose(fewest["temperature"], row["temperature"])) | _is_published(fewest)]
            reason += "".join(f"; {_setting(other)}: {other['ari']:.3g}" for _, other in others.iterrows())
            reason += "; the metric was chosen after seeing the fit of seed 1, T on other seeds"
        good = bool(row["ari"] >= 0.75 and row["ari"] >= raw.iloc[0] + 0.3) if len(raw) else None
        reason += "; interval over neurons"
        yield asked.answer((row["ari"], row["ari_lower"], row["ari_upper"]), reason, good)
    text = "Target of ours: with twice as many clusters as types, clusters are of one type: homogeneity at least 0.95"
    asked = question("homogeneity", "1D", text + "; ours: chosen metric and method", "no types known")
    rows = None if known is None else known[(known["clusters"] > known["clusters"].min()) & (known["chosen"] == 1)]
    if rows is None or rows.empty:
        yield asked.answer()
        return
    row = rows.iloc[0]
    reason = f"{row['clusters']} clusters, {_setting(row)}; no interval"
    yield asked.answer(row["homogeneity"], reason, bool(row["homogeneity"] >= 0.95))


def _row(fewest: pd.DataFrame, name: str) -> pd.Series | None:
    rows = fewest[_is_published(fewest) if name == "published" else fewest["chosen"] == 1]
    return rows.iloc[0] if len(rows) else None


def _is_published(table: pd.DataFrame) -> pd.Series:
    return (table["method"] == "gradient (published)") & (table["metric"] == "weights")


def _setting(row: pd.Series) -> str:
    temperature = f" at T {row['temperature']:.3g}" if np.isfinite(row["temperature"]) else ""
    return f"{row['metric']}, {row['method']}{temperature}"


def mei_claims(meis: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield claims about MEIs of clusters; `meis`: cluster_meis.csv of one data set."""
    paper = read_paper(STUDY)["cluster_mei"]
    text = f"Cluster MEIs drive neurons to {paper.printed} of their own MEI; ours: mean over neurons (reproduced: "
    asked = question("cluster-mei", "1G", f"{text}interval reaches {paper.value:g} or lies above)", paper.printed)
    if meis is None or meis["fraction_of_own"].isna().all():
        yield asked.answer()
    else:
        rows = meis.dropna(subset=["fraction_of_own"])
        weighted = rows[["fraction_of_own", "neurons"]].to_numpy(float)
        ours = bootstrap_interval(weighted, lambda x: np.average(x[:, 0], weights=x[:, 1]), repeats=1000)
        null = np.average(rows["null"], weights=rows["neurons"]) if "null" in rows else np.nan
        reason = (
            f"{len(rows)} clusters, weighted by neurons; interval over clusters; random groups of neurons {null:.3g}"
        )
        good = reaches(ours, paper.value)
        if good and null >= paper.value:
            good, reason = None, f"{reason}: they reach {paper.value:g} as well, so that it tests nothing here"
        yield asked.answer(ours, reason, good)
    text = "Target of ours: cluster MEIs drive neurons more than MEIs of random groups; ours: mean difference"
    asked = question("cluster-mei-over-null", "1G", text + " (reproduced: interval above 0)")
    if meis is None or "null" not in meis:
        yield asked.answer()
        return
    rows = meis.dropna(subset=["fraction_of_own", "null"])
    if rows.empty:
        yield asked.answer()
        return
    gain = np.stack([rows["fraction_of_own"] - rows["null"], rows["neurons"]], axis=1).astype(float)
    ours = bootstrap_interval(gain, lambda x: np.average(x[:, 0], weights=x[:, 1]), repeats=1000)
    yield asked.answer(ours, f"{len(rows)} clusters, interval over clusters", bool(ours[1] > 0))


def gabor_claims(gabors: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield the claim about Gabors of clusters; `gabors`: optimal_gabors.csv of one data set."""
    paper = read_paper(STUDY)["cluster_gabor"]
    text = (
        f"Cluster-optimal Gabors drive neurons to {paper.printed} of their own optimal Gabor; ours: mean over neurons "
        "(reproduced: "
    )
    asked = question("cluster-gabor", "2", f"{text}interval reaches {paper.value:g} or lies above)", paper.printed)
    rows = None if gabors is None else gabors[(gabors["source"] == MODEL) & (gabors["stimulus"] == CLUSTER)]
    values = np.array([]) if rows is None else rows["fraction_of_own"].dropna().to_numpy()
    if not len(values):
        yield asked.answer()
        return
    ours = bootstrap_interval(values, repeats=1000)
    reason = f"{len(values)} neurons, median {np.median(values):.3g}"
    if (gabors["source"] == TRUTH).any():
        reason += "; simulated: Gabor cells were built alike in size and frequency, which makes it easy"
    yield asked.answer(ours, reason, reaches(ours, paper.value))
