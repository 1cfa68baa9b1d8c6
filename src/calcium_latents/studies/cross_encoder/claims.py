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
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.question import Question
from calcium_latents.claims.table import Claim
from calcium_latents.metrics import explained_variance as ev
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.studies.cross_encoder import running_speed as rs
from calcium_latents.studies.cross_encoder.power_law import largest_gap

#: table -> pattern of its files
TABLES = {
    "checks": "solvable_network/checks.csv",
    "scores": "{encoded}/scores.csv",
    "normalised": "{encoded}/normalised.csv",
    "running_speed": "{encoded}/running_speed.csv",
}

FACTOR = 2.0  # reduced-rank regression needs at least this many times the true latent size (ours: the paper has none)
SIGNIFICANT = 0.05
NOUNS = {"gratings": "Activity during gratings", "spontaneous": "Spontaneous activity"}
LOW_DIMENSIONAL = tuple(NOUNS)
FEW_SEEDS = "one seed gives no interval"
SIMULATED = "in simulated populations whose neurons have the form of the cross-encoder's decoder"
_question = partial(Question, "cross_encoder")


@dataclass(frozen=True)
class Theory:
    """A claim that rests on checks of the theory.

    Attributes:
        figure: of the paper, or equation.
        statement: what the paper says, and after "ours:" what our number is.
        pattern: of the identities that the claim rests on; all must hold.
        shown: the identities whose largest error is our number.
        note: what in the paper's print does not hold.
    """

    figure: str
    statement: str
    pattern: str
    shown: str
    note: str = ""


CHECKS = {
    "ring_dynamics": Theory(
        "1, Eq. 5",
        "A ring network has two latents with a limit cycle; ours: largest |radius - 1| of simulated finite networks",
        r"closed_form|(network_)?radius|period_.*",
        "network_radius",
    ),
    "correlations": Theory(
        "1, Eq. 6",
        "Two neurons of the ring correlate by their angular distance alone; ours: largest error of a correlation in "
        "simulated networks",
        r"correlation.*",
        "correlation",
        "Eq. 18, on the way to it, lacks a factor 1 / (2 pi)",
    ),
    "ring_eigenvalues": Theory(
        "1",
        "The ring's activity has a power-law spectrum although it has two latents; ours: largest relative error of the "
        "ten largest eigenvalues of simulated networks",
        r"eigenvalue.*|.*participation_ratio|components.*",
        "eigenvalues_infinite",
    ),
    "power_law": Theory(
        "2",
        "Activity that reads d latents through [x]^p has a power-law spectrum n^-alpha; ours: largest |slope - alpha| "
        "of the exact spectrum at high ranks",
        r"alpha_.*|slope_.*|spectrum_.*|trace",
        "alpha_per_degree",
    ),
    "low_rank": Theory(
        "App. C",
        "Low-rank networks with other activation functions have latent dynamics in closed form; ours: largest relative "
        "rms error of the path of a simulated network",
        r"gain_.*|low_rank_.*",
        "low_rank_(step|relu|gaussian_cdf)",
        "for a ReLU without bias the text that we have reads -k + M k, where Prop. 1 gives -k + M k / 2",
    ),
    "gaussian_process": Theory(
        "App. E",
        "Random readouts of the ring become draws of a periodic Gaussian process; ours: largest error of the "
        "covariance (pi - |distance|) / (2 pi) over simulated readouts",
        r"covariance.*|variance|antisymmetry|kurtosis",
        "covariance",
        "the printed covariance is 2 pi times too large; with the factor 1 / (2 pi) the statement holds",
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


def _checks(checks: pd.DataFrame | None) -> Iterator[Claim]:
    paper = read_paper("cross_encoder")
    for name, theory in CHECKS.items():
        question = _question(name, theory.figure, theory.statement, paper[name].printed)
        rows = None if checks is None else checks[checks["identity"].astype(str).str.fullmatch(theory.pattern)]
        demanded = None if rows is None else rows.dropna(subset=["tolerance", "holds"])
        shown = None if demanded is None else demanded[demanded["identity"].str.fullmatch(theory.shown)]
        if shown is None or shown.empty:
            yield question.answer()
            continue
        failed = demanded[demanded["holds"] != 1]
        error = (shown["value"] - shown["exact"]).abs()
        row = shown.loc[error.idxmax()]
        held = len(demanded) - len(failed)
        reason = f"at {row['setting']} (accepted up to {row['tolerance']:.2g}); {held} of {len(demanded)} "
        reason += "checks of value against closed form hold"
        if len(failed):
            reason += f"; failed: {', '.join(dict.fromkeys(failed['identity']))}"
        if theory.note:
            reason += f"; {theory.note}"
        yield question.answer(error.max(), reason + _fitted(rows), good=failed.empty)


def _fitted(rows: pd.DataFrame) -> str:
    """Say how far slopes fitted over ranks that data reach are from alpha."""
    exact, simulated = (largest_gap(rows, identity) for identity in ("alpha_by_regression", "slope_simulated"))
    if not np.isfinite([exact, simulated]).all():
        return ""
    return (
        f"; a line fitted over the ranks that data reach misses alpha by up to {exact:.2f} on the exact spectrum, and "
        f"simulated activity is off that slope by up to {simulated:.2f}"
    )


def _of_kind(kind: str, kinds: Mapping[str, str]) -> list[str]:
    return [name for name, found in kinds.items() if found == kind]


def _true_size(scores: pd.DataFrame, dataset: str) -> float:
    return float(scores.loc[scores["dataset"] == dataset, "true_latent_size"].iloc[0])


def _worst(entries: list[tuple[str, tuple[float, float, float]]], least: bool = True):
    """Return the dataset and interval with the smallest (or largest) mean, and all of them in words."""
    chosen = (min if least else max)(entries, key=lambda entry: entry[1][0])
    words = "; ".join(f"{name} {mean:.3g}" for name, (mean, _, _) in entries)
    return chosen, words


def _judged(entries: list[tuple[str, tuple[float, float, float]]], bound: float, least: bool = True):
    """Return whether all intervals agree (None: too few seeds), and a remark where it is not plain from the mean.

    Each interval must lie on the right side of `bound`: at or above it (`least`), or below.
    """
    if not all(np.isfinite(ours[1]) for _, ours in entries):
        return None, f"{FEW_SEEDS}; "
    if all(lower >= bound if least else upper < bound for _, (_, lower, upper) in entries):
        return True, ""
    close = all((mean >= bound) == least for _, (mean, _, _) in entries)
    return False, "an interval holds the bound; " if close else ""


def _reaches(kind, kinds, scores, normalised) -> Claim:
    """95 % of the joint best at the true latent size, in the dataset where it is furthest from it."""
    what = ev.CONDITIONS[kind]
    question = _question(
        f"95-percent-{kind}",
        "3",
        f"{NOUNS[kind]} reduces to few latents; ours: test R2 of the cross-encoder with as many latents as there are, "
        f"over the best of any model and size ({what}; reproduced: at least {ev.LEVEL:g})",
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
        return question.answer()
    (_, ours), words = _worst(entries)
    good, remark = _judged(entries, ev.LEVEL)
    reached = "; ".join(sizes)
    reason = f"{remark}the lowest of {words}; smallest sizes that reach 95 %: {reached}; over seeds, {SIMULATED}"
    return question.answer(ours, reason, good)


def _regression_needs_more(kind, kinds, scores, normalised) -> Claim:
    """Size for 95 % of its own best over the true size: at least that, from the largest size that falls short."""
    question = _question(
        f"regression-needs-more-{kind}",
        "3",
        f"Reduced-rank regression needs more latents than there are; ours: how many times as many, at least, for 95 % "
        f"of its own best test R2 ({ev.CONDITIONS[kind]}; reproduced: at least {FACTOR:g})",
    )
    entries = []
    for dataset in _of_kind(kind, kinds) if normalised is not None else ():
        mine = normalised[(normalised["dataset"] == dataset) & (normalised["model"] == ev.BASELINE)]
        needed = ev.sizes_needed(mine[mine["normaliser"] == ev.OWN]).dropna(subset=["size_needed"])
        if len(needed):
            times = (needed["largest_below"] + 1) / _true_size(scores, dataset)
            entries.append((dataset, times.min(), times.max()))
    if not entries:
        return question.answer()
    least = min(low for _, low, _ in entries)
    reason = (
        f"the lowest seed of {'; '.join(f'{name} {low:.3g} to {high:.3g}' for name, low, high in entries)} (range over "
        "seeds; sizes are steps, so no t interval); the joint best would ask for more"
    )
    return question.answer(least, reason, good=least >= FACTOR)


def _better(kind, kinds, scores) -> Claim:
    """Difference in test R2 at the true latent size."""
    question = _question(
        f"better-than-regression-{kind}",
        "3",
        f"The cross-encoder predicts better than reduced-rank regression; ours: difference in test R2 with as many "
        f"latents as there are ({ev.CONDITIONS[kind]}; reproduced: interval above 0)",
    )
    entries = [(dataset, _difference(scores, dataset)) for dataset in _of_kind(kind, kinds)]
    entries = [(dataset, ours) for dataset, ours in entries if np.isfinite(ours[0])]
    if not entries:
        return question.answer()
    (dataset, ours), words = _worst(entries)
    if not np.isfinite(ours[1]):
        return question.answer(ours, f"{FEW_SEEDS}; {words}")
    good = all(entry[1][1] > 0 for entry in entries)
    best = "; ".join(
        f"{row.dataset} {row.mean:+.3g}"
        for row in ev.compare_best(scores[scores["dataset"].isin([name for name, _ in entries])]).itertuples()
    )
    reason = f"the lowest of {words}; each model at the size that validation chooses: {best}; over seeds, {SIMULATED}"
    return question.answer(ours, reason, good)


def _difference(scores: pd.DataFrame, dataset: str) -> tuple[float, float, float]:
    table = ev.paired_difference(scores[scores["dataset"] == dataset])
    row = table[table["latent_size"] == _true_size(scores, dataset)]
    return tuple(row[["mean", "lower", "upper"]].iloc[0]) if len(row) else (np.nan, np.nan, np.nan)


def _images(kinds, scores, normalised) -> Claim:
    """The cross-encoder does not reach 95 % with few latents where the stimuli have many."""
    few = ev.LOW_DIMENSIONAL
    question = _question(
        "images-are-high-dimensional",
        "3",
        f"Responses to natural images do not reduce to few latents; ours: test R2 of the cross-encoder with at most "
        f"{few} latents, over the best of any model and size ({ev.CONDITIONS['images']}; reproduced: below "
        f"{ev.LEVEL:g})",
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
        return question.answer()
    (dataset, ours), words = _worst(entries, least=False)
    good, remark = _judged(entries, ev.LEVEL, least=False)
    reason = (
        f"{remark}the highest of {words}; best test R2 of any model, and the ceiling: {'; '.join(levels)}: where the "
        "first is far below, a lack of data explains it as well as high dimension"
    )
    return question.answer(ours, reason, good)


def _null(kinds, scores) -> Claim:
    question = _question(
        "does-not-win-on-linear",
        "control",
        "Control of ours, not in the paper: where responses are linear, the cross-encoder does not predict better than "
        "reduced-rank regression; ours: largest difference in test R2 (reproduced: no interval above 0)",
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
        return question.answer()
    (_, ours), words = _worst(entries, least=False)
    if not np.isfinite(ours[1]):
        return question.answer(ours, f"{FEW_SEEDS}; {words}")
    wins = [name for name, (_, lower, _) in entries if lower > 0]
    outcome = f"wins: {', '.join(wins)}" if wins else "no win"
    reason = f"the highest of {words}; {outcome}; over seeds of one population"
    return question.answer(ours, reason, good=not wins)


def _running_speed(kinds, table: pd.DataFrame | None, real: bool) -> Iterator[Claim]:
    """Multiple R2 of speed on the latents against its shifted null; and the paper's correlations of single latents."""
    suffix = "recordings" if real else "simulated"
    where = "real recordings" if real else "simulated sessions"
    related = _question(
        f"running-speed-{suffix}",
        "4",
        f"Latents of spontaneous activity are related to running speed; ours: cross-validated R2 of speed on all "
        f"latents ({where}; reproduced: every fit beyond shifted speed, p < {SIGNIFICANT:g})",
    )
    said = read_paper("cross_encoder")["running_speed_most_latents"]
    most = _question(
        f"running-speed-most-latents-{suffix}",
        "4",
        f"Most latents correlate with running speed; ours: share of latents beyond shifted speed, p < {SIGNIFICANT:g} "
        f"each ({where}; reproduced: more than half)",
        said.printed,
    )
    names = [name for name, kind in kinds.items() if (kind == "recording") == real]
    mine = None if table is None else table[(table["model"] == ev.MODEL) & table["dataset"].isin(names)]
    if mine is None or mine.dropna(subset=["p"]).empty:
        nothing = {"reason": "no real recording with running speed"} if real else {}
        yield related.answer(**nothing)
        yield most.answer(**nothing)
        return
    # joined with header-only tables of other sessions, columns of numbers become columns of objects
    numbers = {name: pd.to_numeric(mine[name]) for name in ("r2", "p", "correlation")}
    latent, mine = mine["latent"].astype(str), mine.assign(**numbers)
    whole, single = mine[latent == rs.ALL].dropna(subset=["p"]), mine[latent != rs.ALL].dropna(subset=["p"])
    r2 = whole.groupby("dataset")["r2"].mean()
    over = "sessions" if len(r2) > 1 else "seeds"
    ours = mean_interval((r2 if len(r2) > 1 else whole["r2"]).to_numpy())
    reason = f"largest p {whole['p'].max():.2g} of {len(whole)} fits in {len(r2)} session(s), interval over {over}"
    baseline = table[(table["model"] == rs.COMPONENTS) & table["dataset"].isin(r2.index)]
    baseline = pd.to_numeric(baseline.loc[baseline["latent"].astype(str) == rs.ALL, "r2"]).mean()
    if np.isfinite(baseline):
        relation = "do no worse" if baseline >= ours[0] else "do worse"
        reason += f"; as many principal components of the source neurons {relation}: {baseline:.3g}"
    built = "" if real else "; speed depends on the true latents by construction: this tests the method, not brains"
    yield related.answer(ours, reason + built, good=(whole["p"] < SIGNIFICANT).all())
    share = float((single["p"] < SIGNIFICANT).mean())
    middle = single["correlation"].abs().median()
    reason = (
        f"{len(single)} latents of {len(whole)} fits, median |r| {middle:.2f}; the correlation of a single latent "
        "depends on the choice of coordinates"
    )
    yield most.answer(share, reason + built, good=share > said.value)
