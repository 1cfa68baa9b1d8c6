"""Claims of the AVAE study about clusters of latents: adjusted Rand index with firing types (Figure 5A)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import Claim
from calcium_latents.metrics.clustering import FROM_TRAINING, HEADLINE, RELATIVE
from calcium_latents.metrics.clustering import PUBLISHED as AUTHORS
from calcium_latents.statistics.partition_contrasts import CELL, NEURON, Contrast, contrast
from calcium_latents.studies.avae import claims_questions as common
from calcium_latents.studies.avae.condition_comparison import ALL
from calcium_latents.studies.avae.study import BASELINE, OURS, PUBLISHED
from calcium_latents.studies.avae.study import SHORT as NAMES

TARGET = 0.1  # by which the median ARI is to be higher


def cluster_claims(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Return the claims of Figure 5A; `rows` is a clustering table of simulated firing types."""
    told = {AUTHORS: "authors' protocol, DBSCAN tuned on the test labels", HEADLINE: f"our protocol, {HEADLINE}"}
    names = {AUTHORS: "published", HEADLINE: "headline"}
    tests = [(PUBLISHED, AUTHORS, NEURON), *((m, HEADLINE, s) for m in (PUBLISHED, OURS) for s in common.SPLITS)]
    for method, protocol, split in tests:
        text = f"Clusters of latents match firing types better with {NAMES[method]} than with PCA; ours: difference in "
        text += f"ARI{' (its identity latents)' * (method == OURS)}, {told[protocol]}, {common.SPLITS[split]}"
        part, reason = _of_protocol(rows, protocol, method == OURS), ""
        if part is not None:
            shuffled = part.loc[part["split"] == split, "null_upper"].mean()
            reason = f"{_medians(part, split, method)}, shuffled labels 97.5 % below {shuffled:.2g}"
            reason += _grid(rows, split, method) if protocol == AUTHORS else ""
        asked = common.question(f"ari-{method}-{names[protocol]}-{split}", "5A", text)
        yield common.against_pca(asked, part, "ari", split, method, reason=reason)
    authors, ours = (_of_protocol(rows, protocol) for protocol in (AUTHORS, HEADLINE))
    yield from (_target(rows, split) for split in common.SPLITS)
    yield _gain(authors, "" if authors is None else _grid(rows, NEURON, PUBLISHED))
    trends = (
        ("ari-rises-with-beta", PUBLISHED, "beta", "The AVAE's ARI generally increases with beta", "above"),
        ("ari-pca-falls-with-size", BASELINE, "latent_size", "PCA's ARI falls as the latent size increases", "below"),
        ("ari-avae-keeps-with-size", PUBLISHED, "latent_size", "The AVAE's ARI does not fall with size", "above"),
    )
    for name, method, key, text, side in trends:
        bound = -TARGET if name == "ari-avae-keeps-with-size" else 0.0  # little data must not pass for no fall
        found, headline = (_ends(part, method, key) for part in (authors, ours))
        text += f"; ours: ARI at the largest less that at the smallest {key.replace('_', ' ')}, {told[AUTHORS]}"
        reason = "" if headline is None else f"; {headline.interval[0]:+.2f} with our protocol"
        yield common.answered(common.question(name, "5A", text, side=side, bound=bound), found, reason + common.SCOPE)


def _of_protocol(rows: pd.DataFrame | None, protocol: str, identity: bool = False) -> pd.DataFrame | None:
    """Return the rows of a protocol, on all latents, or on the identity latents of methods that have such."""
    if rows is None:
        return None
    rows = common.own_latents(rows) if identity else rows[rows["latents"] == ALL]
    rows = rows[rows["protocol"] == protocol]
    return rows if len(rows) else None


def _medians(part: pd.DataFrame, split: str, method: str) -> str:
    """Say the median ARI over partitions of every method, and by how much that of `method` differs from PCA's."""
    found = {name: contrast(part, "ari", split, "method", (name, BASELINE)) for name in NAMES}
    medians = {name: pair.medians for name, pair in found.items() if pair is not None}
    values = {name: of_pair[name] for name, of_pair in medians.items()}
    if method not in values:
        return ""
    pair = medians[method]
    values[BASELINE] = pair[BASELINE]
    return f"; median ARI {common.by_method(values)}: difference to PCA {pair[method] - pair[BASELINE]:+.2f}"


def _grid(rows: pd.DataFrame, split: str, method: str) -> str:
    """Say what the published grid of eps decides: fits without any cluster, and the difference with a common grid."""
    mine = rows[(rows["protocol"] == AUTHORS) & (rows["latents"] == ALL) & (rows["split"] == split)]
    alone = (mine["clusters"] == 1).groupby(mine["method"]).mean()
    words = ", ".join(f"{NAMES[name]} {alone[name]:.0%}" for name in NAMES if name in alone)
    words = f"; fits in which the authors' grid of eps finds no two clusters: {words}"
    found = contrast(_of_protocol(rows, RELATIVE), "ari", split, "method", (method, BASELINE))
    if found is None:
        return words
    mean, lower, upper = found.interval
    return f"{words}; with eps relative to distances, as much tuned on labels: {mean:+.2f} [{lower:.2f}, {upper:.2f}]"


def _target(rows: pd.DataFrame | None, split: str) -> Claim:
    """Our own target, for all latents of AVAE+; what the other protocols that see no labels say is in the reason."""
    text = f"Target of ours: without labels, AVAE+'s median ARI is at least {TARGET:g} above PCA's; ours: mean "
    text += (
        f"difference, all latents, {HEADLINE}, {common.SPLITS[split]} (reproduced: medians differ so, interval above 0)"
    )
    asked = common.question(f"ari-avae-plus-target-{split}", "5A", text, side="")
    found = contrast(_of_protocol(rows, HEADLINE), "ari", split, "method", (OURS, BASELINE))
    if found is None:
        return asked.answer()
    medians = found.medians
    reached = medians[OURS] - medians[BASELINE] >= TARGET and found.interval[1] > 0
    blind = rows[(rows["peeks"] == 0) & (rows["protocol"] != FROM_TRAINING)]
    words = []
    for protocol in dict.fromkeys(blind["protocol"]):
        pairs = [_of_protocol(blind, protocol, identity) for identity in (False, True)]
        pairs = [contrast(part, "ari", split, "method", (OURS, BASELINE)) for part in pairs]
        words.append(f"{protocol}: " + " / ".join(_difference(pair) for pair in pairs if pair is not None))
    reason = f"{found.words}{_medians(_of_protocol(rows, HEADLINE), split, OURS)}; differences of medians, no labels, "
    reason += f"all / identity latents (*: the interval of the mean leaves out 0): {'; '.join(words)}{common.SCOPE}"
    return common.decided(asked, found.interval, reason, good=bool(reached))


def _difference(pair: Contrast) -> str:
    sure = bool(pair.interval[1] > 0 or pair.interval[2] < 0)
    return f"{pair.medians[OURS] - pair.medians[BASELINE]:+.2f}{'*' * sure}"


def _gain(rows: pd.DataFrame | None, reason: str) -> Claim:
    gain = read_paper("avae")["ari_gain"]
    text = f"In some cases the best AVAE's ARI is more than {gain.value:g} above PCA's; ours: the largest mean "
    text += "difference of any noise level, latent size and beta, authors' protocol"
    found = []
    for beta in sorted(rows.loc[rows["method"] == PUBLISHED, "beta"].unique()) if rows is not None else ():
        cells = rows[(rows["method"] == BASELINE) | (rows["beta"] == beta)].groupby(list(CELL))
        found += [contrast(cell, "ari", NEURON, "method", (PUBLISHED, BASELINE)) for _, cell in cells]
    best = max(filter(None, found), key=lambda one: (np.isfinite(one.interval[1]), one.interval[0]), default=None)
    asked = common.question("ari-gain", "5A", text, gain.printed, bound=gain.value)
    return common.answered(asked, best, f"; as the largest of many, too high on average{reason}{common.SCOPE}")


def _ends(rows: pd.DataFrame | None, method: str, key: str) -> Contrast | None:
    """Compare the ARI of one method between the largest and the smallest value of `key`."""
    mine = None if rows is None else rows[rows["method"] == method]
    ends = () if mine is None else tuple(mine[key].agg(["max", "min"]))
    cells = ("dataset", "latent_size" if key == "beta" else "beta")
    return contrast(mine, "ari", NEURON, key, ends, cells) if len(set(ends)) > 1 else None
