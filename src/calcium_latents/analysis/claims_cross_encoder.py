"""Claims of the solvable ring network and of the neural cross-encoder: theory, latent sizes, running speed.

The paper's recordings are not public in a form that this workflow reads. Its claims about gratings, natural images and
spontaneous activity are asked of simulated populations, whose latent size is known, beside a linear population as null.

Tables (any may be absent):
    scores: `explained_variance.SCORE_COLUMNS`
    normalised: `explained_variance.NORMALISED_COLUMNS`
    running_speed: `running_speed.SPEED_COLUMNS`
    checks: identity, setting, value, exact, tolerance, holds (1, 0, or NaN where nothing is demanded) - numbers of the
        theory beside their closed forms (see `solvable_checks.checks_table`)
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from calcium_latents.analysis import explained_variance as ev
from calcium_latents.analysis import running_speed as rs
from calcium_latents.analysis.claims import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, Claim
from calcium_latents.analysis.statistics import mean_interval

FACTOR = 2.0  # reduced-rank regression needs at least this many times the true latent size
SIGNIFICANT = 0.05
LOW_DIMENSIONAL = ("gratings", "spontaneous")
FEW_SEEDS = "one seed gives no interval"
#: claim -> (figure, statement, pattern of the identities that it rests on)
CHECKS = {
    "ring-dynamics": (
        "Eq. 5",
        "A ring network has two latents with a limit cycle, in closed form",
        r"closed_form|(network_)?radius|period_.*",
    ),
    "correlations": ("Eq. 6", "Two neurons of the ring correlate by (2 / pi) (pi - distance) - 1", r"correlation.*"),
    "ring-eigenvalues": (
        "2",
        "Eigenvalues of the ring's activity are 4 / (pi m)^2, twice for each odd m: a power law n^-2 from two latents",
        r"eigenvalue.*|.*participation_ratio|components.*",
    ),
    "power-law": (
        "2",
        "Activity that reads d latents through [x]^p has a spectrum n^-alpha, alpha = 1 + (2 p + 1) / (d - 1)",
        r"alpha_.*|slope_.*|spectrum_.*|trace",
    ),
    "low-rank": (
        "App. C",
        "Other activation functions and Gaussian loadings leave latent dynamics of the same form",
        r"gain_.*|low_rank_.*",
    ),
    "gaussian-process": (
        "App. E",
        "Random readouts of the ring are draws of a periodic Gaussian process",
        r"covariance.*|variance|antisymmetry|kurtosis",
    ),
}


def claims(tables: Mapping[str, pd.DataFrame]) -> Iterable[Claim]:
    """Return every claim of the study."""
    yield from _checks(tables.get("checks"))
    scores, normalised = tables.get("scores"), tables.get("normalised")
    kinds = {} if scores is None else {name: ev.condition(rows) for name, rows in scores.groupby("dataset")}
    for kind in LOW_DIMENSIONAL:
        yield _reaches(kind, kinds, scores, normalised)
        yield _regression_needs_more(kind, kinds, scores, normalised)
        yield _better(kind, kinds, scores)
    yield _images(kinds, scores, normalised)
    yield _null(kinds, scores)
    for real in (False, True):
        yield from _running_speed(kinds, tables.get("running_speed"), real)


def _claim(name, figure, statement, paper, ours=np.nan, status=NOT_TESTED, reason="not run at this scale") -> Claim:
    numbers = ours if isinstance(ours, tuple) else (ours, np.nan, np.nan)
    return Claim(
        f"cross-encoder-{name}", "cross_encoder", figure, statement, paper, *map(float, numbers), status, reason
    )


def _checks(checks: pd.DataFrame | None) -> Iterator[Claim]:
    for name, (figure, statement, pattern) in CHECKS.items():
        head = (name, figure, statement, "exact")
        rows = None if checks is None else checks[checks["identity"].astype(str).str.fullmatch(pattern)]
        demanded = None if rows is None else rows.dropna(subset=["tolerance", "holds"])
        if demanded is None or demanded.empty:
            yield _claim(*head)
            continue
        failed = demanded[demanded["holds"] != 1]
        error = (demanded["value"] - demanded["exact"]).abs()
        # by how much of its tolerance a number is off; a tolerance of zero is met exactly or not at all
        share = (error / demanded["tolerance"]).where(demanded["tolerance"] > 0, np.where(error > 0, np.inf, 0.0))
        row = demanded.loc[share.idxmax()]
        reason = (
            f"{len(demanded) - len(failed)} of {len(demanded)} checks hold; ours: the one nearest to its tolerance, "
            f"{row['identity']} ({row['setting']}): {row['value']:.4g}, exact {row['exact']:.4g}, "
            f"tolerance {row['tolerance']:.2g}"
        )
        if len(failed):
            reason += f"; failed: {', '.join(dict.fromkeys(failed['identity']))}"
        fitted = rows[rows["identity"] == "alpha_by_regression"]
        if len(fitted):
            over = (fitted["value"] - fitted["exact"]).max()
            reason += f"; a straight line through the ranks of the exact spectrum is off by up to {over:+.2f}"
        yield _claim(*head, float(row["value"]), NOT_REPRODUCED if len(failed) else REPRODUCED, reason)


def _of_kind(kind: str, kinds: Mapping[str, str]) -> list[str]:
    return [name for name, found in kinds.items() if found == kind]


def _true_size(scores: pd.DataFrame, dataset: str) -> float:
    return float(scores.loc[scores["dataset"] == dataset, "true_latent_size"].iloc[0])


def _worst(entries: list[tuple[str, tuple[float, float, float]]], least: bool = True):
    """Return the dataset and interval with the smallest (or largest) mean, and all of them in words."""
    chosen = (min if least else max)(entries, key=lambda entry: entry[1][0])
    words = "; ".join(f"{name} {mean:.3g}" for name, (mean, _, _) in entries)
    return chosen, words


def _reaches(kind, kinds, scores, normalised) -> Claim:
    """95 % of the joint best at the true latent size, in the dataset where it is furthest from it."""
    what = ev.CONDITIONS[kind]
    head = (
        f"95-percent-{kind}",
        "3",
        f"The cross-encoder explains 95 % of the best explained variance with few latents; ours: with as many as the "
        f"population has ({what})",
        ">= 0.95",
    )
    entries, sizes = [], []
    for dataset in _of_kind(kind, kinds) if normalised is not None else ():
        mine = normalised[(normalised["dataset"] == dataset) & (normalised["model"] == ev.MODEL)]
        joint = mine[mine["normaliser"] == ev.JOINT]
        at = joint.loc[joint["latent_size"] == _true_size(scores, dataset), "normalised_r2"].to_numpy()
        if np.isfinite(at).any():
            entries.append((dataset, mean_interval(at)))
            sizes.append(f"{dataset} {ev.size_text(ev.sizes_needed(joint)['size_needed'])}")
    if not entries:
        return _claim(*head)
    (dataset, ours), words = _worst(entries)
    reason = f"the lowest of {words} (of the joint best, mean over seeds); sizes that reach 95 %: {'; '.join(sizes)}"
    return _claim(*head, ours, REPRODUCED if ours[0] >= ev.LEVEL else NOT_REPRODUCED, reason)


def _regression_needs_more(kind, kinds, scores, normalised) -> Claim:
    """Size for 95 % of its own best over the true size: at least that, from the largest size that falls short."""
    head = (
        f"regression-needs-more-{kind}",
        "3",
        f"Reduced-rank regression needs several times as many latents as there are ({ev.CONDITIONS[kind]})",
        f">= {FACTOR:g} times",
    )
    entries = []
    for dataset in _of_kind(kind, kinds) if normalised is not None else ():
        mine = normalised[(normalised["dataset"] == dataset) & (normalised["model"] == ev.BASELINE)]
        needed = ev.sizes_needed(mine[mine["normaliser"] == ev.OWN]).dropna(subset=["size_needed"])
        if len(needed):
            entries.append((dataset, mean_interval((needed["largest_below"] + 1) / _true_size(scores, dataset))))
    if not entries:
        return _claim(*head)
    (dataset, ours), words = _worst(entries)
    reason = (
        f"the lowest of {words}: 95 % of its own best (the joint best asks for more), at least, since sizes between "
        "those fitted are not known; in units of the true latent size"
    )
    return _claim(*head, ours, REPRODUCED if ours[0] >= FACTOR else NOT_REPRODUCED, reason)


def _better(kind, kinds, scores) -> Claim:
    """Difference in test R2 at the true latent size."""
    head = (
        f"better-than-regression-{kind}",
        "3",
        f"At the size of the latent state the cross-encoder predicts better than reduced-rank regression "
        f"({ev.CONDITIONS[kind]})",
        "> 0",
    )
    entries = [(dataset, _difference(scores, dataset)) for dataset in _of_kind(kind, kinds)]
    entries = [(dataset, ours) for dataset, ours in entries if np.isfinite(ours[0])]
    if not entries:
        return _claim(*head)
    (dataset, ours), words = _worst(entries)
    if not np.isfinite(ours[1]):
        return _claim(*head, ours, NOT_TESTED, f"{FEW_SEEDS}; difference in test R2: {words}")
    status = REPRODUCED if all(entry[1][1] > 0 for entry in entries) else NOT_REPRODUCED
    return _claim(*head, ours, status, f"difference in test R2 at the true size, the lowest of {words}; over seeds")


def _difference(scores: pd.DataFrame, dataset: str) -> tuple[float, float, float]:
    table = ev.paired_difference(scores[scores["dataset"] == dataset])
    row = table[table["latent_size"] == _true_size(scores, dataset)]
    return tuple(row[["mean", "lower", "upper"]].iloc[0]) if len(row) else (np.nan, np.nan, np.nan)


def _images(kinds, scores, normalised) -> Claim:
    """The cross-encoder does not reach 95 % with few latents where the stimuli have many."""
    few = ev.LOW_DIMENSIONAL
    head = (
        "images-are-high-dimensional",
        "3",
        f"Responses to natural images do not reduce to few latents; ours: normalised explained variance of the "
        f"cross-encoder at up to {few} latents ({ev.CONDITIONS['images']})",
        "< 0.95",
    )
    entries, levels = [], []
    for dataset in _of_kind("images", kinds) if normalised is not None else ():
        of = (normalised["dataset"] == dataset) & (normalised["model"] == ev.MODEL)
        mine = normalised[of & (normalised["normaliser"] == ev.JOINT) & (normalised["latent_size"] <= few)]
        best = mine.groupby("seed")["normalised_r2"].max().dropna()
        larger = normalised.loc[of, "latent_size"].max() > few
        if len(best) and larger:
            entries.append((dataset, mean_interval(best)))
            rows = scores[(scores["dataset"] == dataset) & (scores["chosen"] == 1)]
            top = rows.groupby("seed")["test_r2"].max().mean()
            levels.append(f"{dataset} {top:.2f} of {rows['ceiling_r2'].mean():.2f}")
    if not entries:
        return _claim(*head)
    (dataset, ours), words = _worst(entries, least=False)
    reason = (
        f"the highest of {words}; best test R2 of any model, and the ceiling: {'; '.join(levels)} - where the "
        "first is low, it shows a lack of data as much as high dimension"
    )
    return _claim(*head, ours, REPRODUCED if ours[0] < ev.LEVEL else NOT_REPRODUCED, reason)


def _null(kinds, scores) -> Claim:
    head = (
        "does-not-win-on-linear",
        "control",
        "Where activity is linear in the latents, the cross-encoder does not predict better than regression",
        "control of ours: <= 0",
    )
    entries = []
    for dataset in _of_kind("linear", kinds):
        rows = scores[scores["dataset"] == dataset]
        for row in ev.compare_best(rows).itertuples():
            entries.append((f"{dataset} at the best sizes", (row.mean, row.lower, row.upper)))
        at_true = _difference(scores, dataset)
        if np.isfinite(at_true[0]):
            entries.append((f"{dataset} at the true size", at_true))
    if not entries:
        return _claim(*head)
    (_, ours), words = _worst(entries, least=False)
    if not np.isfinite(ours[1]):
        return _claim(*head, ours, NOT_TESTED, f"{FEW_SEEDS}; difference in test R2: {words}")
    wins = [name for name, (_, lower, _) in entries if lower > 0]
    reason = f"difference in test R2, the highest of {words}; " + (f"wins: {', '.join(wins)}" if wins else "no win")
    return _claim(*head, ours, NOT_REPRODUCED if wins else REPRODUCED, reason)


def _running_speed(kinds, table: pd.DataFrame | None, real: bool) -> Iterator[Claim]:
    """Multiple R2 of speed on the latents against its shifted null; and the paper's correlations of single latents."""
    suffix = "recordings" if real else "simulated"
    where = "real recordings" if real else "simulated sessions, whose speed depends on the latents by construction"
    related = (
        f"running-speed-{suffix}",
        "4",
        f"Latents of spontaneous activity are related to running speed; ours: cross-validated multiple R2 ({where})",
        "no number",
    )
    most = (
        f"running-speed-most-latents-{suffix}",
        "4",
        f"Most latents correlate with running speed; ours: share of the latents beyond shifted speed ({where})",
        "> 0.5",
    )
    names = [name for name, kind in kinds.items() if (kind == "recording") == real]
    mine = None if table is None else table[(table["model"] == ev.MODEL) & table["dataset"].isin(names)]
    if mine is None or mine.dropna(subset=["p"]).empty:
        nothing = {"reason": "no real recording with running speed"} if real else {}
        yield _claim(*related, **nothing)
        yield _claim(*most, **nothing)
        return
    # joined with header-only tables of other sessions, columns of numbers become columns of objects
    numbers = {name: pd.to_numeric(mine[name]) for name in ("r2", "p", "correlation")}
    latent, mine = mine["latent"].astype(str), mine.assign(**numbers)
    whole, single = mine[latent == rs.ALL].dropna(subset=["p"]), mine[latent != rs.ALL].dropna(subset=["p"])
    r2 = whole.groupby("dataset")["r2"].mean()
    reason = f"largest p {whole['p'].max():.2g} of {len(whole)} fits in {len(r2)} session(s)"
    baseline = table[(table["model"] == rs.COMPONENTS) & table["dataset"].isin(r2.index)]
    baseline = pd.to_numeric(baseline.loc[baseline["latent"].astype(str) == rs.ALL, "r2"]).mean()
    if np.isfinite(baseline):
        reason += f"; as many principal components of the source neurons: {baseline:.3g}"
    good = (whole["p"] < SIGNIFICANT).all()
    yield _claim(*related, float(r2.mean()), REPRODUCED if good else NOT_REPRODUCED, reason)
    share = float((single["p"] < SIGNIFICANT).mean())
    middle = single["correlation"].abs().median()
    reason = f"{len(single)} latents, median |r| {middle:.2f}; single correlations depend on the gauge of the latents"
    yield _claim(*most, share, REPRODUCED if share > 0.5 else NOT_REPRODUCED, reason)
