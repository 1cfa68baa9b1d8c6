"""Claims of Abante et al. 2025 (AVAE): latents of single neurons from calcium traces, against principal components.

The paper prints no errors and no ARIs: nearly all claims are comparisons. "As published" holds out random neurons of
cultures that the model has seen, whose bursts they share; "held-out cultures" holds out whole cultures. Intervals over
partitions are widened because their training sets overlap (Nadeau & Bengio; `statistics.partitions`).

Tables (any may be absent; several data sets in one, told apart by the column `dataset`):
    reconstruction, clustering, separation, correlations: see `trace_embedding_scores`
    separability, heterogeneity: see `condition_comparison`; statistics: a row a simulated culture

Claims about firing types rest on simulated data sets (finite noise_level) that compare no conditions. The orientation
of the weight matrix is `separation`'s column `orientation` if it has one, else "presynaptic" where the name of the data
set says so, else "published".
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import Claim
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.statistics.partition_contrasts import CELL, NEURON, contrast
from calcium_latents.studies.avae import claims_questions as common
from calcium_latents.studies.avae import condition_comparison as cc
from calcium_latents.studies.avae.claims_clusters import cluster_claims
from calcium_latents.studies.avae.study import BASELINE, OURS, PUBLISHED
from calcium_latents.studies.avae.study import SHORT as NAMES

#: table -> pattern of its files
TABLES = {
    "reconstruction": "{simulated}/reconstruction.csv",
    "clustering": "{simulated}/clustering.csv",
    "separation": "{simulated}/separation.csv",
    "correlations": "{simulated}/correlations.csv",
    "separability": "{compared_simulated}/separability.csv",
    "heterogeneity": "{compared_simulated}/heterogeneity.csv",
    "statistics": "sets/{sets}.csv",
}

AS_WRITTEN, TRANSPOSED = "published", "presynaptic"
ORIENTATIONS = {
    AS_WRITTEN: "weights as the authors' code applies them: inhibitory neurons receive inhibition only",
    TRANSPOSED: "weights as the paper describes them: inhibitory neurons inhibit others",
}
NEAR = {"links": 0.05, "rate": 0.2, "share": 0.5}  # relative differences that are accepted
FROM_START = {  # rates are compared over 30 s from the initial state, as the reference's are
    "rate": ", from the initial state, whose burst the recordings leave out",
    "share": ", from the initial state; few inhibitory neurons fire after it, and cultures differ",
}


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Return every claim of the study."""
    tables = {name: table.infer_objects() for name, table in tables.items() if len(table)}
    reconstruction = _of_types(tables, "reconstruction")
    yield from _reconstruction(reconstruction)
    yield _best_of_test_set(reconstruction)
    yield _noise(reconstruction)
    yield from cluster_claims(_of_types(tables, "clustering"))
    yield from _groups(tables)
    yield from _parameters(_of_types(tables, "correlations"))
    yield from _conditions(tables)
    yield from _cultures(tables.get("statistics"))


def _of_types(tables: Mapping[str, pd.DataFrame], name: str, orientation: str = AS_WRITTEN) -> pd.DataFrame | None:
    """Return the rows of one table that are about simulated firing types, of one orientation; None without any."""
    rows, separation = tables.get(name), tables.get("separation")
    if rows is None:
        return None
    known = {}
    if separation is not None and "orientation" in separation:
        known = dict(zip(separation["dataset"], separation["orientation"], strict=True))
    told = [known.get(dataset, TRANSPOSED if TRANSPOSED in dataset else AS_WRITTEN) for dataset in rows["dataset"]]
    rows = rows[(np.array(told) == orientation) & rows["noise_level"].notna()]
    compared = set(tables["separability"]["dataset"]) if "separability" in tables else set()
    others = rows[~rows["dataset"].isin(compared)]
    rows = others if len(others) else rows
    return rows if len(rows) else None


def _reconstruction(rows: pd.DataFrame | None) -> Iterator[Claim]:
    for split, method in ((split, method) for split in common.SPLITS for method in (PUBLISHED, OURS)):
        text = f"{NAMES[method]} reconstructs noiseless traces better than PCA of equal latent size; ours: its mean "
        text += f"squared error over PCA's, {common.SPLITS[split]}"
        asked, reason = common.question(f"{method}-better-than-pca-{split}", "3B", text, side="below", bound=1.0), ""
        if rows is not None:
            mine = rows[rows["split"] == split]
            share = (mine["error"] / mine["null_error"]).groupby(mine["method"]).mean().dropna()
            reason = f"; errors over that of the mean training trace: {common.by_method(share)}"
            sampled = rows.assign(error=rows["error_sampled"].fillna(rows["error"]))
            sampled = contrast(sampled, "error", split, "method", (method, BASELINE), logarithm=True)
            if method == PUBLISHED and sampled is not None:
                reason += f"; {sampled.interval[0]:.3g} with sampled latents, as in the authors' script"
            if method == PUBLISHED:
                reason += "; trained as the authors' code does, with its stopping rule: longer training is not tested"
        yield common.against_pca(asked, rows, "error", split, method, True, reason)


def _best_of_test_set(rows: pd.DataFrame | None) -> Claim:
    text = "The AVAE of lowest test error is better than the PCA of lowest test error; ours: share of noise levels and "
    text += "latent sizes where it is (as published: fits chosen by their test error; reproduced: all)"
    asked = common.question("best-on-the-test-set", "3B", text, side="")
    if rows is None:
        return asked.answer()
    fits = rows[rows["split"] == NEURON].groupby([*CELL, "method"])["error"].agg(["min", "count"]).unstack("method")
    # pyrefly: ignore[unexpected-keyword]  # unstack of two statistics gives a table, no series
    fits = fits.reindex(columns=pd.MultiIndex.from_product([["min", "count"], [PUBLISHED, BASELINE]])).dropna()
    if fits.empty:
        return asked.answer()
    share = (fits["min", PUBLISHED] < fits["min", BASELINE]).mean()
    counts = fits["count"].max().astype(int)
    reason = f"{len(fits)} combinations; lowest of up to {counts[PUBLISHED]} fits (partitions, betas, seeds) against "
    reason += f"{counts[BASELINE]}: choosing on the test set favours the method with more fits"
    return asked.answer(share, reason, good=bool(share == 1))


def _noise(rows: pd.DataFrame | None) -> Claim:
    text = "Reconstructions by all models deteriorate as noise increases; ours: error at the highest noise over that "
    text += "at the lowest, the smaller of AVAE and PCA"
    asked = common.question("error-grows-with-noise", "3B", text, bound=1.0)
    levels = np.sort(rows["noise_level"].unique()) if rows is not None else []
    if len(levels) < 2:
        return asked.answer()
    ends, cells = (levels[-1], levels[0]), ("latent_size", "beta")
    found = {
        method: contrast(rows[rows["method"] == method], "error", NEURON, "noise_level", ends, cells, logarithm=True)
        for method in NAMES
    }
    if found[PUBLISHED] is None or found[BASELINE] is None:
        return asked.answer()
    least = min((found[PUBLISHED], found[BASELINE]), key=lambda pair: pair.interval[0])
    means = common.by_method({method: pair.interval[0] for method, pair in found.items() if pair is not None})
    reason = f"{least.words}; s.d. of the noise {ends[0]:g} against {ends[1]:g}: {means}"
    return common.decided(asked, least.interval, reason)


def _groups(tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Firing types, and inhibitory neurons, lie apart in the latents: linear readout of test neurons."""
    texts = {"group": "Neurons group by firing type whatever the phase shift", "inhibitory": "Inhibitory neurons group"}
    tests = [("types", "4A", "group", split, AS_WRITTEN, split, where) for split, where in common.SPLITS.items()]
    tests += [("inhibitory", "4B", "inhibitory", NEURON, name, name, where) for name, where in ORIENTATIONS.items()]
    for what, figure, target, split, orientation, suffix, where in tests:
        rows, reason = _of_types(tables, "separation", orientation), ""
        if rows is not None:
            rows = rows[(rows["target"] == target) & (rows["latents"] == cc.ALL)]
            means = rows[rows["split"] == split].groupby("method")["score"].mean()
            reason = f"; accuracy {common.by_method(means)}; chance {rows['chance'].mean():.2g}"
            rows = rows.assign(gain=rows["score"] - rows["chance"])
            if target == "group" and split == NEURON:
                reason += "; a culture has one type, so telling cultures apart by their bursts is enough here"
            reason += common.SCOPE
        text = f"{texts[target]}; ours: balanced accuracy of a linear readout of AVAE's latents less chance, {where}"
        asked = common.question(f"{what}-apart-{suffix}", figure, text)
        yield common.answered(asked, contrast(rows, "gain", split, "method", (PUBLISHED,)), reason)


def _parameters(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Correlations of latents with the parameters of the neurons, at the noise level nearest to the paper's."""
    paper = read_paper("avae")
    first_seven = paper["correlated_latents"]
    if rows is not None:
        distance = (rows["noise_level"] - paper["noise_level"].value).abs()
        rows = rows[rows["dataset"] == rows.loc[distance.idxmin(), "dataset"]]
    tests = {
        "v0-du-correlate": (
            "v0 and du correlate with latents, antagonistically; ours: share of the AVAE's latents beyond shuffled "
            "neurons for both, with opposite signs (reproduced: at least 7/8; by type, v0 and du oppose each other)",
            first_seven.printed, _antagonists, lambda share, _: share >= first_seven.value,
        ),
        "a-b-do-not-correlate": (
            "a and b correlate with no latent; ours: largest |r| (reproduced: not above that of shuffled neurons)",
            "no number", lambda fit: fit.loc[["a", "b"], "r"].abs().max(), lambda r, null: r <= null,
        ),
        "v0-du-within-types": (
            "Test of ours: latents tell v0 and du beyond the type; ours: largest |r| within types, the smaller of v0 "
            "and du (reproduced: above that of shuffled neurons)",
            "no number", lambda fit: fit.loc[["v0", "du"], "within_r"].abs().groupby(level=0).max().min(), np.greater,
        ),
    }  # fmt: skip
    for name, (text, printed, statistic, good) in tests.items():
        asked = common.question(name, "5B", text, printed, side="")
        if rows is None or PUBLISHED not in set(rows["method"]):
            yield asked.answer()
            continue
        fits = {key: statistic(fit.set_index("parameter")) for key, fit in rows.groupby(["method", "seed"])}
        values, null = pd.Series(fits, dtype=float), rows.loc[rows["method"] == PUBLISHED, "null_upper"].mean()
        ours, means = mean_interval(values.xs(PUBLISHED).to_numpy()), common.by_method(values.groupby(level=0).mean())
        seeds = len(values.xs(PUBLISHED))
        reason = f"{means}; shuffled neurons: largest |r| below {null:.2g} in 95 %; one reported fit a seed, all its "
        reason += f"neurons; {'interval over ' if seeds > 1 else 'no interval: '}{seeds} seed{'s' * (seeds > 1)}"
        yield asked.answer(ours, reason, good=bool(good(ours[0], null)))


def _antagonists(fit: pd.DataFrame) -> float:
    """Return the share of latents beyond the null for v0 and for du, with opposite signs."""
    v0, du = (fit.loc[[name]].set_index("latent") for name in ("v0", "du"))
    beyond = (v0["r"].abs() > v0["null_upper"]) & (du["r"].abs() > du["null_upper"])
    return float((beyond & (v0["r"] * du["r"] < 0)).mean())


def _conditions(tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Figure 6: conditions against cultures, in the first data set that compares conditions."""
    separability, heterogeneity = (tables.get(name) for name in ("separability", "heterogeneity"))
    every = None if separability is None else cc.summarise_comparison(separability)
    areas = None if separability is None else cc.summarise_comparison(common.own_latents(separability))
    ratios = None if heterogeneity is None else cc.compare_heterogeneity(common.own_latents(heterogeneity))
    tests = (
        ("separate", PUBLISHED, (cc.NEURONS, cc.CONDITIONS), 0.5,
         "Latents separate control from treated neurons; ours: AUC between two cultures, as published over neurons"),
        ("beyond-cultures", PUBLISHED, (cc.NEURONS, cc.DIFFERENCE), 0.0,
         "Control of ours: more than they separate two cultures of one condition; ours: difference in AUC"),
        ("carry-over", PUBLISHED, (cc.HELD_OUT, cc.CONDITIONS), 0.5,
         "Control of ours: also in cultures that the classifier has not seen; ours: AUC"),
        ("carry-over-unseen", PUBLISHED, (cc.UNSEEN, cc.CONDITIONS), 0.5,
         "Control of ours: also in cultures that neither the model nor the classifier has seen; ours: AUC"),
        ("carry-over-unseen-avae-plus", OURS, (cc.UNSEEN, cc.CONDITIONS), 0.5,
         "The same with AVAE+, its identity latents; ours: AUC"),
        ("heterogeneity", PUBLISHED, None, 1.0,
         "Treated neurons are more heterogeneous; ours: dispersion in the AVAE's latents over that of control"),
    )  # fmt: skip
    for name, method, place, bound, text in tests:
        rows, value = (areas, "auc") if place else (ratios, "ratio")
        if rows is not None and place:
            rows = rows[(rows["protocol"] == place[0]) & (rows["comparison"] == place[1])]
        asked = common.question(f"conditions-{name}", "6B", text, bound=bound)
        mine = None if rows is None else rows[(rows["method"] == method) & rows[value].notna()]
        if mine is None or mine.empty:
            yield asked.answer()
            continue
        row = mine.iloc[0]
        peers = common.by_method(rows[rows["dataset"] == row["dataset"]].groupby("method")[value].first())
        identity = " (AVAE+: identity latents)" if cc.IDENTITY in set(rows["latents"]) else ""
        reason = f"{_origin(tables, row['dataset'])}: {peers}{identity}; interval over {row['cultures']} cultures"
        if row["latents"] == cc.IDENTITY:
            whole = every[(every["method"] == method) & (every["latents"] == cc.ALL)]
            for one in whole[(whole["protocol"] == place[0]) & (whole["comparison"] == place[1])].head(1).itertuples():
                reason += f"; with all its latents {one.auc:.3g} [{one.lower:.3g}, {one.upper:.3g}]"
        yield common.decided(asked, (row[value], row["lower"], row["upper"]), reason)


def _origin(tables: Mapping[str, pd.DataFrame], dataset: str) -> str:
    scores = [table for table in tables.values() if "noise_level" in table]
    simulated = any(table.loc[table["dataset"] == dataset, "noise_level"].notna().any() for table in scores)
    return f"{dataset} ({'simulated: the recordings are not public' if simulated else 'not of the paper'})"


def _cultures(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Whole cultures of the published size, beside one culture of the authors' code."""
    paper = read_paper("avae")
    neurons, links = (paper[f"culture_{name}"] for name in ("neurons", "links"))
    if rows is not None:
        full = (rows["neurons"] - neurons.value).abs() <= 0.01 * neurons.value
        rows = rows[(rows["orientation"] == AS_WRITTEN) & (rows["group"] == rows["neuron_type"]) & full]
        rates = rows["excitatory_rate_from_start_hz"]
        rows = rows.assign(rate=rates, share=rows["inhibitory_rate_from_start_hz"] / rates)
    says = f"{links.value} in {links.where}"
    tests = [("links", "all", links.value, says, "Links of a culture; ours: mean")]
    for kind in ("RS", "IB", "CH"):
        stated = paper[f"culture_rates_hz_{kind.lower()}"]
        excitatory, inhibitory = stated.value
        for value, number, text in (
            ("rate", excitatory, f"Rate (Hz) of excitatory neurons of {kind} cultures; ours: mean"),
            ("share", inhibitory / excitatory, f"Inhibitory neurons of {kind} cultures receive inhibition only; ours: "
             "rate over excitatory rate"),
        ):  # fmt: skip
            tests.append((value, kind, number, f"{number:.3g} by {stated.where}", text))
    for value, kind, number, says, text in tests:
        text += f" (accepted within {NEAR[value]:.0%})"
        asked = common.question(f"culture-{value}-{kind.lower()}", "2.1", text, says, side="")
        part = None if rows is None else rows if kind == "all" else rows[rows["group"] == kind]
        if part is None or part.empty:
            yield asked.answer(reason="no such culture of the full size at this scale")
            continue
        ours = mean_interval(part[value].to_numpy())
        reason = f"{len(part)} simulated culture(s), weights as in the authors' code{FROM_START.get(value, '')}"
        yield asked.answer(ours, reason, good=bool(abs(ours[0] / number - 1) <= NEAR[value]))
