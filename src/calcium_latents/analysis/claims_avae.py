"""Claims of Abante et al. 2025 (AVAE): latents of single neurons from calcium traces, against principal components.

The paper prints no errors and no ARIs: nearly all claims are comparisons. "As published" holds out random neurons of
cultures that the model has seen, whose bursts they share; "held-out cultures" holds out whole cultures. Intervals over
partitions are widened because their training sets overlap (Nadeau & Bengio; `analysis.partitions`).

Tables (any may be absent; several data sets in one, told apart by the column `dataset`):
    reconstruction, clustering, separation, correlations: see `analysis.trace_embedding_scores`
    separability, heterogeneity: see `analysis.condition_comparison`; statistics: a row a simulated culture

Claims about firing types rest on simulated data sets (finite noise_level) that compare no conditions. The orientation
of the weight matrix is `separation`'s column `orientation` if it has one, else "presynaptic" where the name of the data
set says so, else "published".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from calcium_latents.analysis import condition_comparison as cc
from calcium_latents.analysis.claims import BEATEN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, Claim
from calcium_latents.analysis.partitions import TEST_TO_TRAINING, corrected_interval
from calcium_latents.analysis.statistics import mean_interval

PUBLISHED, BASELINE, OURS = "avae", "pca", "avae_plus"
NAMES = {PUBLISHED: "AVAE", BASELINE: "PCA", OURS: "AVAE+"}
NEURON = "neuron"
SPLITS = {NEURON: "as published: random neurons held out", "culture": "held-out cultures"}
AS_WRITTEN, TRANSPOSED = "published", "presynaptic"
ORIENTATIONS = {
    AS_WRITTEN: "weights as the authors' code applies them: inhibitory neurons receive inhibition only",
    TRANSPOSED: "weights as the paper describes them: inhibitory neurons inhibit others",
}
CELL = ("dataset", "latent_size")
#: What the authors' code gives for one culture: links, and rates (Hz) of excitatory and inhibitory neurons in 30 s.
NEURONS, LINKS = 2250, 37_910
RATES_HZ = {"RS": (0.75, 0.07), "IB": (1.29, 0.05), "CH": (2.57, 0.08)}
NEAR = {"links": 0.05, "rate": 0.2, "share": 0.5}  # relative differences that are accepted


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
        return {"above": lower > self.bound, "below": upper < self.bound, "not below": upper >= self.bound}[self.side]

    def answer(self, interval=None, reason="not run at this scale", good: bool | None = None, best=False) -> Claim:
        """Return the claim; `good` overrides the interval, `best` makes what holds beaten, no interval: not tested."""
        rule = f" (reproduced: interval {self.side} {self.bound:g})" if self.side else ""
        numbers = (np.nan,) * 3 if interval is None else interval
        good = self.holds(*numbers) if good is None and np.isfinite(numbers[1]) else good
        status = NOT_TESTED if good is None else NOT_REPRODUCED if not good else BEATEN if best else REPRODUCED
        reason = f"no interval; {reason}" if good is None and interval is not None else reason
        head = (f"avae-{self.name}".replace("_", "-"), "avae", self.figure, self.text + rule, self.paper)
        return Claim(*head, *map(float, numbers), status, reason)


class Contrast(NamedTuple):
    """Mean difference over combinations of settings, its interval over partitions, and what single ones say."""

    interval: tuple[float, float, float]
    words: str


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Return every claim of the study."""
    tables = {name: table.infer_objects() for name, table in tables.items() if len(table)}
    reconstruction = _of_types(tables, "reconstruction")
    yield from _reconstruction(reconstruction)
    yield _best_of_test_set(reconstruction)
    yield _noise(reconstruction)
    yield from _clusters(_of_types(tables, "clustering"))
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


def _ratio(rows: pd.DataFrame, split: str) -> float:
    """Return test neurons over all others in a split, from the numbers of test neurons in both splits."""
    tests = rows.groupby("split")["test_neurons"].mean()
    whole = tests.get(NEURON, 0.0) * (1 + 1 / TEST_TO_TRAINING)
    return float(tests[split] / (whole - tests[split])) if tests[split] < whole else TEST_TO_TRAINING


def _contrast(
    rows: pd.DataFrame | None, value: str, split: str, key: str, ends: tuple, cells=CELL, logarithm: bool = False
) -> Contrast | None:
    """Compare `value` where `key` is the first of `ends` with where it is the second (with one end: with zero).

    Whatever else differs (seeds, betas) is averaged within each of `cells` and partition. Returns the difference, with
    `logarithm` the ratio of geometric means, of errors; None where no cell has both ends.
    """
    if rows is None:
        return None
    part = rows[(rows["split"] == split) & rows[key].isin(ends)].dropna(subset=[value])
    means = part.groupby([*cells, "partition", key])[value].mean().unstack(key).reindex(columns=list(ends)).dropna()
    if means.empty:
        return None
    means = np.log(means) if logarithm else means
    table = (means[ends[0]] - (means[ends[1]] if len(ends) > 1 else 0)).unstack("partition")
    # Means over different cells cannot be compared: keep partitions that have all, or cells that all partitions have.
    whole = max((table.dropna(axis=1), table.dropna(axis=0)), key=lambda kept: kept.size)
    whole = whole if whole.size else table
    ratio = _ratio(rows, split)
    words = f"mean over {len(whole)} combination(s) of settings, {whole.shape[1]} partition(s)"
    _, low, high = np.array([corrected_interval(row, ratio) for row in table.to_numpy()]).T
    if len(low) > 1:
        words += f"; of {len(low)} single ones {(high < 0).sum()} lie below {logarithm:d}, {(low > 0).sum()} above"
    interval = corrected_interval(whole.mean(axis=0).to_numpy(), ratio)
    return Contrast(tuple(np.exp(interval)) if logarithm else interval, words)


def _by_method(values: Mapping[str, float]) -> str:
    return ", ".join(f"{NAMES[name]} {values[name]:.3g}" for name in NAMES if name in values)


def _answered(question: Question, found: Contrast | None, reason: str = "", best: bool = False) -> Claim:
    return question.answer() if found is None else question.answer(found.interval, found.words + reason, best=best)


def _against_pca(question: Question, rows, value, split, method, logarithm=False, reason: str = "") -> Claim:
    """Compare a method with principal components. Ours is beaten where the published one does not do as much."""
    found = _contrast(rows, value, split, "method", (method, BASELINE), logarithm=logarithm)
    theirs = _contrast(rows, value, split, "method", (PUBLISHED, BASELINE), logarithm=logarithm)
    if method == PUBLISHED or theirs is None or found is None:
        return _answered(question, found, reason)
    between = _contrast(rows, value, split, "method", (OURS, PUBLISHED), logarithm=logarithm)
    best = not question.holds(*theirs.interval) or (between is not None and question.holds(*between.interval))
    words = f"; {'beyond' if best else 'not beyond'} the published AVAE, {theirs.interval[0]:.3g}{reason}"
    return _answered(question, found, words, best)


def _reconstruction(rows: pd.DataFrame | None) -> Iterator[Claim]:
    for split, method in ((split, method) for split in SPLITS for method in (PUBLISHED, OURS)):
        text = f"{NAMES[method]} reconstructs noiseless traces better than PCA of equal latent size; ours: its mean "
        text += f"squared error over PCA's, {SPLITS[split]}"
        question, reason = Question(f"{method}-better-than-pca-{split}", "3B", text, "below", 1.0), ""
        if rows is not None:
            mine = rows[rows["split"] == split]
            share = (mine["error"] / mine["null_error"]).groupby(mine["method"]).mean().dropna()
            reason = f"; errors over that of the mean training trace: {_by_method(share)}"
            sampled = rows.assign(error=rows["error_sampled"].fillna(rows["error"]))
            sampled = _contrast(sampled, "error", split, "method", (method, BASELINE), logarithm=True)
            if method == PUBLISHED and sampled is not None:
                reason += f"; {sampled.interval[0]:.3g} with sampled latents, as in the authors' script"
        yield _against_pca(question, rows, "error", split, method, True, reason)


def _best_of_test_set(rows: pd.DataFrame | None) -> Claim:
    text = "The AVAE of lowest test error is better than the PCA of lowest test error; ours: share of noise levels and "
    text += "latent sizes where it is (as published: fits chosen by their test error; reproduced: all)"
    question = Question("best-on-the-test-set", "3B", text, "")
    if rows is None:
        return question.answer()
    fits = rows[rows["split"] == NEURON].groupby([*CELL, "method"])["error"].agg(["min", "count"]).unstack("method")
    fits = fits.reindex(columns=pd.MultiIndex.from_product([["min", "count"], [PUBLISHED, BASELINE]])).dropna()
    if fits.empty:
        return question.answer()
    share = (fits["min", PUBLISHED] < fits["min", BASELINE]).mean()
    counts = fits["count"].max().astype(int)
    reason = f"{len(fits)} combinations; lowest of up to {counts[PUBLISHED]} fits (partitions, betas, seeds) against "
    reason += f"{counts[BASELINE]}: choosing on the test set favours the method with more fits"
    return question.answer((share, np.nan, np.nan), reason, good=bool(share == 1))


def _noise(rows: pd.DataFrame | None) -> Claim:
    text = "Reconstructions by all models deteriorate as noise increases; ours: error at the highest noise over that "
    text += "at the lowest, the smaller of AVAE and PCA"
    question = Question("error-grows-with-noise", "3B", text, "above", 1.0)
    levels = np.sort(rows["noise_level"].unique()) if rows is not None else []
    if len(levels) < 2:
        return question.answer()
    ends, cells = (levels[-1], levels[0]), ("latent_size", "beta")
    found = {
        method: _contrast(rows[rows["method"] == method], "error", NEURON, "noise_level", ends, cells, logarithm=True)
        for method in NAMES
    }
    if found[PUBLISHED] is None or found[BASELINE] is None:
        return question.answer()
    least = min((found[PUBLISHED], found[BASELINE]), key=lambda contrast: contrast.interval[1])
    means = _by_method({method: contrast.interval[0] for method, contrast in found.items() if contrast is not None})
    reason = f"{least.words}; s.d. of the noise {ends[0]:g} against {ends[1]:g}: {means}"
    return question.answer(least.interval, reason)


def _clusters(rows: pd.DataFrame | None) -> Iterator[Claim]:
    from calcium_latents.analysis.clustering import HEADLINE
    from calcium_latents.analysis.clustering import PUBLISHED as AUTHORS

    told = {AUTHORS: "authors' protocol, DBSCAN tuned on the test labels", HEADLINE: f"our protocol, {HEADLINE}"}
    names = {AUTHORS: "published", HEADLINE: "headline"}
    tests = [(PUBLISHED, AUTHORS, NEURON), *((m, HEADLINE, s) for m in (PUBLISHED, OURS) for s in SPLITS)]
    for method, protocol, split in tests:
        text = f"Clusters of latents match firing types better with {NAMES[method]} than with PCA; ours: difference in "
        text += f"ARI{' (its identity latents)' * (method == OURS)}, {told[protocol]}, {SPLITS[split]}"
        part, reason = _of_protocol(rows, protocol, method == OURS), ""
        if part is not None:
            mine = part[part["split"] == split]
            reason = f"; ARI {_by_method(mine.groupby('method')['ari'].mean())}, shuffled labels 97.5 % below "
            reason += f"{mine['null_upper'].mean():.2g}"
        question = Question(f"ari-{method}-{names[protocol]}-{split}", "5A", text)
        yield _against_pca(question, part, "ari", split, method, reason=reason)
    authors, ours = (_of_protocol(rows, protocol) for protocol in (AUTHORS, HEADLINE))
    yield _gain(authors)
    trends = (
        ("ari-rises-with-beta", PUBLISHED, "beta", "The AVAE's ARI generally increases with beta", "above"),
        ("ari-pca-falls-with-size", BASELINE, "latent_size", "PCA's ARI falls as the latent size increases", "below"),
        ("ari-avae-keeps-with-size", PUBLISHED, "latent_size", "The AVAE's ARI does not fall with size", "not below"),
    )
    for name, method, key, text, side in trends:
        found, headline = (_ends(part, method, key) for part in (authors, ours))
        text += f"; ours: ARI at the largest less that at the smallest {key.replace('_', ' ')}, {told[AUTHORS]}"
        reason = "" if headline is None else f"; {headline.interval[0]:+.2f} with our protocol"
        if side == "not below" and found is not None:
            reason += f"; a fall by {max(0.0, -found.interval[1]):.2f} is not ruled out"
        yield _answered(Question(name, "5A", text, side), found, reason)


def _of_protocol(rows: pd.DataFrame | None, protocol: str, identity: bool = False) -> pd.DataFrame | None:
    """Return the rows of a protocol, on all latents, or on the identity latents of methods that have such."""
    if rows is None:
        return None
    rows = _own_latents(rows) if identity else rows[rows["latents"] == cc.ALL]
    rows = rows[rows["protocol"] == protocol]
    return rows if len(rows) else None


def _own_latents(rows: pd.DataFrame) -> pd.DataFrame:
    own = rows["latents"] == cc.IDENTITY
    return rows[own | ~rows["method"].isin(rows.loc[own, "method"])]


def _gain(rows: pd.DataFrame | None) -> Claim:
    text = "In some cases the best AVAE's ARI is more than 0.2 above PCA's; ours: the largest mean difference of any "
    text += "noise level, latent size and beta, authors' protocol"
    found = []
    for beta in sorted(rows.loc[rows["method"] == PUBLISHED, "beta"].unique()) if rows is not None else ():
        cells = rows[(rows["method"] == BASELINE) | (rows["beta"] == beta)].groupby(list(CELL))
        found += [_contrast(cell, "ari", NEURON, "method", (PUBLISHED, BASELINE)) for _, cell in cells]
    best = max(filter(None, found), key=lambda contrast: contrast.interval[0], default=None)
    question = Question("ari-gain", "5A", text, "above", 0.2, "> 0.2")
    return _answered(question, best, "; as the largest of many, too high on average")


def _ends(rows: pd.DataFrame | None, method: str, key: str) -> Contrast | None:
    """Compare the ARI of one method between the largest and the smallest value of `key`."""
    mine = None if rows is None else rows[rows["method"] == method]
    ends = () if mine is None else tuple(mine[key].agg(["max", "min"]))
    cells = ("dataset", "latent_size" if key == "beta" else "beta")
    return _contrast(mine, "ari", NEURON, key, ends, cells) if len(set(ends)) > 1 else None


def _groups(tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Firing types, and inhibitory neurons, lie apart in the latents: linear readout of test neurons."""
    texts = {"group": "Neurons group by firing type whatever the phase shift", "inhibitory": "Inhibitory neurons group"}
    tests = [("types", "4A", "group", split, AS_WRITTEN, split, where) for split, where in SPLITS.items()]
    tests += [("inhibitory", "4B", "inhibitory", NEURON, name, name, where) for name, where in ORIENTATIONS.items()]
    for what, figure, target, split, orientation, suffix, where in tests:
        rows, reason = _of_types(tables, "separation", orientation), ""
        if rows is not None:
            rows = rows[(rows["target"] == target) & (rows["latents"] == cc.ALL)]
            means = rows[rows["split"] == split].groupby("method")["score"].mean()
            reason = f"; accuracy {_by_method(means)}; chance {rows['chance'].mean():.2g}"
            rows = rows.assign(gain=rows["score"] - rows["chance"])
        text = f"{texts[target]}; ours: balanced accuracy of a linear readout of AVAE's latents less chance, {where}"
        question = Question(f"{what}-apart-{suffix}", figure, text)
        yield _answered(question, _contrast(rows, "gain", split, "method", (PUBLISHED,)), reason)


def _parameters(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Correlations of latents with the parameters of the neurons, at the noise level nearest to 1 (the paper's)."""
    if rows is not None:
        rows = rows[rows["dataset"] == rows.loc[(rows["noise_level"] - 1).abs().idxmin(), "dataset"]]
    tests = {
        "v0-du-correlate": (
            "v0 and du correlate with latents, antagonistically; ours: share of the AVAE's latents beyond shuffled "
            "neurons for both, with opposite signs (reproduced: at least 7/8; by type, v0 and du oppose each other)",
            "first seven of eight", _antagonists, lambda share, _: share >= 7 / 8,
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
    for name, (text, paper, statistic, good) in tests.items():
        question = Question(name, "5B", text, "", paper=paper)
        if rows is None or PUBLISHED not in set(rows["method"]):
            yield question.answer()
            continue
        fits = {key: statistic(fit.set_index("parameter")) for key, fit in rows.groupby(["method", "seed"])}
        values, null = pd.Series(fits, dtype=float), rows.loc[rows["method"] == PUBLISHED, "null_upper"].mean()
        ours, means = mean_interval(values[PUBLISHED].to_numpy()), _by_method(values.groupby(level=0).mean())
        reason = f"{means}; shuffled neurons: largest |r| below {null:.2g} in 95 %; reported fits, interval over seeds"
        yield question.answer(ours, reason, good=bool(good(ours[0], null)))


def _antagonists(fit: pd.DataFrame) -> float:
    """Return the share of latents beyond the null for v0 and for du, with opposite signs."""
    v0, du = (fit.loc[[name]].set_index("latent") for name in ("v0", "du"))
    beyond = (v0["r"].abs() > v0["null_upper"]) & (du["r"].abs() > du["null_upper"])
    return float((beyond & (v0["r"] * du["r"] < 0)).mean())


def _conditions(tables: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """Figure 6: conditions against cultures, in the first data set that compares conditions."""
    separability, heterogeneity = (tables.get(name) for name in ("separability", "heterogeneity"))
    areas = None if separability is None else cc.summarise_comparison(_own_latents(separability))
    ratios = None if heterogeneity is None else cc.compare_heterogeneity(_own_latents(heterogeneity))
    tests = (
        ("separate", PUBLISHED, (cc.NEURONS, cc.CONDITIONS), 0.5,
         "Latents separate control from treated neurons; ours: AUC between two cultures, as published over neurons"),
        ("beyond-cultures", PUBLISHED, (cc.NEURONS, cc.DIFFERENCE), 0.0,
         "Control of ours: more than they separate two cultures of one condition; ours: difference in AUC"),
        ("carry-over", PUBLISHED, (cc.HELD_OUT, cc.CONDITIONS), 0.5,
         "Control of ours: also in cultures that the classifier has not seen; ours: AUC"),
        ("carry-over-unseen", PUBLISHED, (cc.UNSEEN, cc.CONDITIONS), 0.5,
         "Control of ours: also in cultures that neither the model nor the classifier has seen; ours: AUC"),
        ("carry-over-unseen-avae-plus", OURS, (cc.UNSEEN, cc.CONDITIONS), 0.5, "The same with AVAE+; ours: AUC"),
        ("heterogeneity", PUBLISHED, None, 1.0,
         "Treated neurons are more heterogeneous; ours: dispersion in the AVAE's latents over that of control"),
    )  # fmt: skip
    for name, method, place, bound, text in tests:
        rows, value = (areas, "auc") if place else (ratios, "ratio")
        if rows is not None and place:
            rows = rows[(rows["protocol"] == place[0]) & (rows["comparison"] == place[1])]
        question = Question(f"conditions-{name}", "6B", text, "above", bound)
        mine = None if rows is None else rows[(rows["method"] == method) & rows[value].notna()]
        if mine is None or mine.empty:
            yield question.answer()
            continue
        row = mine.iloc[0]
        peers = _by_method(rows[rows["dataset"] == row["dataset"]].groupby("method")[value].first())
        reason = f"{_origin(tables, row['dataset'])}: {peers}; interval over {row['cultures']} cultures"
        yield question.answer((row[value], row["lower"], row["upper"]), reason)


def _origin(tables: Mapping[str, pd.DataFrame], dataset: str) -> str:
    scores = [table for table in tables.values() if "noise_level" in table]
    simulated = any(table.loc[table["dataset"] == dataset, "noise_level"].notna().any() for table in scores)
    return f"{dataset} ({'simulated: the recordings are not public' if simulated else 'not of the paper'})"


def _cultures(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Whole cultures of the published size, beside one culture of the authors' code."""
    if rows is not None:
        full = (rows["neurons"] - NEURONS).abs() <= 0.01 * NEURONS
        rows = rows[(rows["orientation"] == AS_WRITTEN) & (rows["group"] == rows["neuron_type"]) & full]
        share = rows["inhibitory_rate_hz"] / rows["excitatory_rate_hz"]
        rows = rows.assign(rate=rows["excitatory_rate_hz"], share=share)
    tests = [("links", "all", LINKS, "Links of a culture; ours: mean")]
    for kind, (excitatory, inhibitory) in RATES_HZ.items():
        tests.append(("rate", kind, excitatory, f"Rate (Hz) of excitatory neurons of {kind} cultures; ours: mean"))
        text = f"Inhibitory neurons of {kind} cultures receive inhibition only; ours: rate over excitatory rate"
        tests.append(("share", kind, inhibitory / excitatory, text))
    for value, kind, paper, text in tests:
        text += f" (accepted within {NEAR[value]:.0%})"
        paper_says = f"{paper:.5g} in the authors' code (one culture, 30 s)"
        question = Question(f"culture-{value}-{kind.lower()}", "2.1", text, "", paper=paper_says)
        part = None if rows is None else rows if kind == "all" else rows[rows["group"] == kind]
        if part is None or part.empty:
            yield question.answer(reason="no such culture of the full size at this scale")
            continue
        ours = mean_interval(part[value].to_numpy())
        good = bool(abs(ours[0] / paper - 1) <= NEAR[value])
        yield question.answer(ours, f"{len(part)} simulated culture(s), weights as in the authors' code", good=good)
