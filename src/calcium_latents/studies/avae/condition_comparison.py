"""Do latents tell two conditions apart, and more so than two cultures of one condition? (Abante et al. 2025, Fig. 6)

The paper compares one control culture with one treated culture, so that condition and culture are confounded: times of
network bursts alone tell any two cultures apart. Here every pair of cultures is compared, those of one condition being
the null, and classifiers are tested on cultures that they were not fitted on.

The classifier is a logistic regression on standardised latents (L2 penalty, C = 1, classes weighted equally). The area
under the ROC curve (AUC) is the chance that a neuron of culture_b scores above one of culture_a; 0.5 is chance.
Latents are those of the reported member; by default only its test neurons take part.

Protocols:
    "neurons": cross-validated over neurons of the two cultures (as published: both cultures are on both sides);
    "held-out cultures": classifier fitted on all other cultures of the two conditions; the model has seen neurons of
        the tested cultures;
    "unseen cultures": the same with a member of the split "culture" that had both cultures
        left out of its training as well.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calcium_latents.errors import UserError
from calcium_latents.metrics.clustering import RESOLUTION
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import TEST
from calcium_latents.seeds import generator
from calcium_latents.statistics.partitions import TIES, outcome
from calcium_latents.studies.avae.neuron_bootstraps import area_with_interval, dispersion_with_interval

NEURONS, HELD_OUT = "neurons", "held-out cultures"
UNSEEN = "unseen cultures"
CONDITIONS, NULL = "conditions", "null: one condition"
DIFFERENCE = "conditions less null"
ALL, IDENTITY = "all", "identity"
BY_CULTURE = "culture"

CONFOUNDED, MORE, LESS = "too few cultures", "more", "less"

RUN = ["dataset", "label", "method", "seed"]
SEPARABILITY_COLUMNS = (
    *RUN, "latents", "protocol", "comparison", "culture_a", "culture_b", "group_a", "group_b", "auc", "lower", "upper",
    "neurons",
)  # fmt: skip
HETEROGENEITY_COLUMNS = (*RUN, "latents", "culture", "group", "dispersion", "lower", "upper", "neurons")
SUMMARY = ["dataset", "label", "method", "latents", "protocol"]

#: (method, seed) -> its Embedding
Embeddings = Mapping[tuple[str, int], xr.Dataset]
Options = Mapping[str, Any] | None
#: neurons "test" or "all"; folds and repeats of the cross-validation; resamples of each bootstrap.
DEFAULTS: dict[str, Any] = {"neurons": "test", "folds": 5, "repeats": 4, "resamples": 1000}


def separability_table(
    recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str, parameters: Options = None, seed: int = 0
) -> pd.DataFrame:
    """Return the AUC of every pair of cultures, by method, latents and protocol: columns `SEPARABILITY_COLUMNS`.

    `lower`, `upper`: 95 % percentile bootstrap over the neurons tested. It holds fixed the model, the classifier and
    the two cultures, so it says nothing of other cultures (`summarise_comparison` does), and it is [1, 1] where every
    pair of neurons is in order. Fewer than two neurons of a culture give NaN.

    Args:
        recording: with `culture` and `group` (neuron).
        embeddings: (method, seed) -> Embedding of the recording.
        dataset, label: its name in the tables, and in print.
        parameters: changes to `DEFAULTS`.
        seed: of folds and bootstrap; all methods share the folds.

    Raises:
        UserError: a variable or a second condition is missing, or an embedding is of other neurons.
    """
    options, culture, groups = _options(parameters), *_cultures(recording)
    pairs = list(combinations(sorted(groups), 2))
    rows = []
    for method, run_seed, embedding, used, name, latents in _runs(recording, embeddings, options):
        for a, b in progress(pairs, f"{method}, {name} latents", unit="pair"):
            found = {NEURONS: within_pair(latents, culture, used, (a, b), options, seed)}
            if groups[a] != groups[b]:
                train = used & _others(culture, groups, (a, b))
                found[HELD_OUT] = _held_out(latents, culture, groups, train, used, (a, b))
                found[UNSEEN] = _unseen(embedding, name, culture, groups, (a, b))
            for protocol, compared in found.items():
                if compared is not None:
                    rng = generator(seed, "auc", protocol, a, b)
                    comparison = CONDITIONS if groups[a] != groups[b] else NULL
                    key = (dataset, label, method, run_seed, name, protocol, comparison, a, b, groups[a], groups[b])
                    auc = area_with_interval(*compared, options["resamples"], rng)
                    rows.append((*key, *auc, sum(compared[0].shape)))
    return pd.DataFrame(rows, columns=list(SEPARABILITY_COLUMNS))


def heterogeneity_table(
    recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str, parameters: Options = None, seed: int = 0
) -> pd.DataFrame:
    """Return how widely the neurons of each culture scatter in the latents: columns `HETEROGENEITY_COLUMNS`.

    The dispersion is the mean squared distance to the culture's centre (over n - 1) of latents standardised over all
    cultures, divided by their number: 1 where a culture scatters as all of them together. It depends on the axes of
    the latents, which differ between methods: compare cultures of one method, not methods. `lower`, `upper`: 95 %
    percentile bootstrap over neurons.

    Args and Raises: as in `separability_table`.
    """
    options, culture, groups = _options(parameters), *_cultures(recording)
    rows = []
    for method, run_seed, _, used, name, latents in _runs(recording, embeddings, options):
        spread = latents[used].std(axis=0)
        scaled = latents / np.where(spread > 0, spread, 1.0)
        for number, group in groups.items():
            points = scaled[used & (culture == number)]
            rng = generator(seed, "dispersion", number)
            found = dispersion_with_interval(points, options["resamples"], rng)
            rows.append((dataset, label, method, run_seed, name, number, group, *found, len(points)))
    return pd.DataFrame(rows, columns=list(HETEROGENEITY_COLUMNS))


def summarise_comparison(separability: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUC over pairs of cultures, with an interval over cultures, and what it says.

    Seeds are averaged first; then pairs within each combination of conditions, then these combinations, so that a
    condition of many cultures does not outweigh the others. For the interval see `over_cultures`; classifiers are not
    fitted again when a culture is left out.

    Returns:
        Columns dataset, label, method, latents, protocol, comparison, auc, lower, upper, pairs, cultures, seeds,
        verdict. For the protocol "neurons" a row "conditions less null" holds the difference. Verdicts: "wins",
        "ties", "loses", where the interval of that difference, or for held-out cultures of the AUC less 0.5, lies above
        0, includes it, or lies below; "too few cultures" without an interval; empty for the other rows.
    """
    rows = []
    for key, group in separability.dropna(subset=["auc"]).groupby(SUMMARY, sort=False):
        pairs = group.groupby(["comparison", "culture_a", "culture_b", "group_a", "group_b"], sort=False)["auc"].mean()
        pairs = pairs.reset_index()
        pairs["cell"] = [tuple(sorted(names)) for names in zip(pairs["group_a"], pairs["group_b"], strict=True)]
        parts = {name: pairs[pairs["comparison"] == name] for name in (CONDITIONS, NULL)}
        if key[-1] == NEURONS:
            parts[DIFFERENCE] = pairs
        for name, part in parts.items():
            if not len(part):
                continue
            mean, lower, upper = over_cultures(part, _above_null if name == DIFFERENCE else _mean_area)
            if name != DIFFERENCE:
                lower, upper = np.clip([lower, upper], 0, 1)
            bound = 0.0 if name == DIFFERENCE else 0.5
            verdict = CONFOUNDED if np.isnan(lower) else outcome(lower - bound, upper - bound, lower_is_better=False)
            if name == NULL or (name == CONDITIONS and key[-1] == NEURONS):
                verdict = ""
            cultures = len(set(part["culture_a"]) | set(part["culture_b"]))
            rows.append((*key, name, mean, lower, upper, len(part), cultures, group["seed"].nunique(), verdict))
    columns = [*SUMMARY, "comparison", "auc", "lower", "upper", "pairs", "cultures", "seeds", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def over_cultures(pairs: pd.DataFrame, statistic: Callable[[pd.DataFrame], float]) -> tuple[float, float, float]:
    """Return a statistic of pairs of cultures with its 95 % interval over cultures.

    Pairs share cultures, so cultures are the unit: each in turn is left out with all its pairs (jackknife, stratified
    by condition), with Student's t and Satterthwaite's degrees of freedom. NaN where a condition has too few cultures:
    two are needed for pairs between conditions, three for pairs within one.

    Args:
        pairs: columns culture_a, culture_b, group_a, group_b, cell (combination of conditions) and auc.
        statistic: of a table of pairs, every cell having some.
    """
    ends = [pairs[[f"culture_{end}", f"group_{end}"]].set_axis(["culture", "group"], axis=1) for end in "ab"]
    variances, freedom = [], []
    for _, cultures in pd.concat(ends).drop_duplicates().groupby("group")["culture"]:
        rest = [pairs[(pairs["culture_a"] != number) & (pairs["culture_b"] != number)] for number in cultures]
        whole = all(part["cell"].nunique() == pairs["cell"].nunique() for part in rest)
        left = np.array([statistic(part) if whole else np.nan for part in rest])
        variances.append((len(left) - 1) * left.var())
        freedom.append(max(len(left) - 1, 1))
    mean, variance = statistic(pairs), float(np.sum(variances))
    if not (variance > 0):
        return (mean, mean, mean) if variance == 0 else (mean, np.nan, np.nan)
    degrees = variance**2 / np.sum(np.square(variances) / freedom)
    half = float(stats.t.ppf(0.975, degrees)) * np.sqrt(variance)
    return mean, mean - half, mean + half


def _mean_area(pairs: pd.DataFrame) -> float:
    return float(pairs.groupby("cell")["auc"].mean().mean())


def _above_null(pairs: pd.DataFrame) -> float:
    """Mean AUC of pairs between conditions less that of pairs within; NaN without the latter."""
    null = pairs["comparison"] == NULL
    return _mean_area(pairs[~null]) - _mean_area(pairs[null])


def compare_heterogeneity(heterogeneity: pd.DataFrame) -> pd.DataFrame:
    """Return each condition's dispersion over that of the reference condition (see `reference_group`).

    The ratio of geometric means over cultures, with Welch's t interval of the difference of logarithms: cultures are
    the unit, seeds are averaged first. It is NaN where a condition has one culture.

    Returns:
        Columns dataset, label, method, latents, reference, group, ratio, lower, upper, cultures, seeds, verdict ("more"
        or "less" heterogeneous, "ties", "too few cultures").
    """
    rows = []
    known = heterogeneity[heterogeneity["dispersion"] > 0].assign(log=lambda table: np.log(table["dispersion"]))
    for key, table in known.groupby(["dataset", "label", "method", "latents"], sort=False):
        means = table.groupby(["group", "culture"], sort=False)["log"].mean()
        reference = reference_group(table["group"])
        first = means[reference].to_numpy()
        for group in dict.fromkeys(table["group"]):
            if group == reference:
                continue
            second = means[group].to_numpy()
            difference, lower, upper = second.mean() - first.mean(), np.nan, np.nan
            if min(len(first), len(second)) > 1:
                interval = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
                lower, upper = float(interval.low), float(interval.high)
            verdict = CONFOUNDED if np.isnan(lower) else MORE if lower > 0 else LESS if upper < 0 else TIES
            numbers = (len(first) + len(second), table["seed"].nunique())
            rows.append((*key, reference, group, *np.exp([difference, lower, upper]), *numbers, verdict))
    columns = ["dataset", "label", "method", "latents", "reference", "group", "ratio", "lower", "upper", "cultures"]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "verdict"])


def reference_group(groups) -> str:
    """Return the condition that others are compared with: "control" if there is one, else the first."""
    names = [str(group) for group in dict.fromkeys(groups)]
    return next((name for name in names if name.lower() == "control"), names[0])


def reported_member(embedding: xr.Dataset) -> int:
    """Return the position of the reported member."""
    return int(np.flatnonzero(embedding["member"].values == embedding.attrs["reported_member"])[0])


def latents_of(embedding: xr.Dataset, member: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ("all", latents [neuron, latent]) of a member by position, and ("identity", the first ones) if it has such.

    Latents that are constant but for rounding become zeros: standardised, rounding could tell cultures apart.
    """
    size = int(embedding["latent_size"].values[member])
    latents = embedding["latents"].values[member, :, :size].astype(float)
    latents[:, latents.std(axis=0) <= RESOLUTION * np.abs(latents).max(axis=0)] = 0.0
    yield ALL, latents
    identity = int(embedding.attrs.get("identity_latents", 0))
    if 0 < identity < size:
        yield IDENTITY, latents[:, :identity]


def within_pair(
    latents: np.ndarray, culture: np.ndarray, used: np.ndarray, pair: tuple[int, int], options: Mapping, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (wins, weights) [neurons of a, neurons of b] of the cross-validated classifier of one pair of cultures.

    Folds are stratified by culture. Only neurons of one fold are compared: scores of two classifiers share no scale.

    Args:
        latents: [neuron, latent].
        culture, used: number of each neuron's culture, and whether it takes part [neuron].
        pair: numbers of cultures a and b.
        options: see `DEFAULTS`.
        seed: of the folds.
    """
    a, b = (np.flatnonzero(used & (culture == number)) for number in pair)
    wins, weights = np.zeros((2, len(a), len(b)))
    folds = min(options["folds"], len(a), len(b))
    if folds < 2:
        return wins, weights
    for repeat in range(options["repeats"]):
        rng = generator(seed, "folds", *pair, repeat)
        fold_a, fold_b = ((rng.permutation(len(n)) + rng.integers(folds)) % folds for n in (a, b))
        for fold in range(folds):
            test_a, test_b = fold_a == fold, fold_b == fold
            train = latents[np.concatenate([a[~test_a], b[~test_b]])]
            model = _fit(train, np.repeat([0, 1], [(~test_a).sum(), (~test_b).sum()]))
            scores = (model.decision_function(latents[part]) for part in (a[test_a], b[test_b]))
            wins[np.ix_(test_a, test_b)] += _above(*scores)
            weights[np.ix_(test_a, test_b)] += 1
    return wins, weights


def _fit(latents: np.ndarray, labels: np.ndarray):
    classifier = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), classifier).fit(latents, labels)


def _above(scores_a: np.ndarray, scores_b: np.ndarray) -> np.ndarray:
    return (scores_b > scores_a[:, None]) + 0.5 * (scores_b == scores_a[:, None])


def _held_out(latents, culture, groups, train, tested, pair) -> tuple[np.ndarray, np.ndarray] | None:
    """Fit on the neurons `train`, test on `tested` ones of the pair; None where a condition has no other culture."""
    a, b = (tested & (culture == number) for number in pair)
    labels = np.array([groups[number] == groups[pair[1]] for number in culture[train]], int)
    if len(set(labels)) < 2:
        return None
    if not (a.any() and b.any()):
        return (np.zeros((a.sum(), b.sum())),) * 2
    model = _fit(latents[train], labels)
    wins = _above(model.decision_function(latents[a]), model.decision_function(latents[b]))
    return wins, np.ones_like(wins)


def _unseen(embedding, name, culture, groups, pair) -> tuple[np.ndarray, np.ndarray] | None:
    """The same with a member of the split "culture", else like the reported one, that left both cultures out."""
    reported = reported_member(embedding)
    same = embedding["split"].values == BY_CULTURE
    for field in ("latent_size", "beta"):
        same = same & (embedding[field].values == embedding[field].values[reported])
    for member in np.flatnonzero(same):
        held = embedding["part"].values[member] == TEST
        if held[np.isin(culture, pair)].all():
            latents = dict(latents_of(embedding, int(member)))[name]
            train = ~held & _others(culture, groups, pair)
            return _held_out(latents, culture, groups, train, held, pair)
    return None


def _others(culture: np.ndarray, groups: Mapping[int, str], pair: tuple[int, int]) -> np.ndarray:
    """Return which neurons belong to other cultures of the two conditions of the pair."""
    conditions = {groups[number] for number in pair}
    numbers = [number for number, group in groups.items() if group in conditions and number not in pair]
    return np.isin(culture, numbers)


def _options(parameters: Options) -> dict[str, Any]:
    unknown = set(parameters or {}) - set(DEFAULTS)
    if unknown:
        raise UserError(f"parameters: expected some of {sorted(DEFAULTS)}, found {sorted(unknown)}.")
    options = DEFAULTS | dict(parameters or {})
    if options["neurons"] not in ("test", "all"):
        raise UserError(f"parameters: neurons: expected 'test' or 'all', found {options['neurons']!r}.")
    for name, least in (("folds", 2), ("repeats", 1), ("resamples", 2)):
        value = options[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"parameters: {name}: expected a whole number of at least {least}, found {value!r}.")
    return options


def _cultures(recording: xr.Dataset) -> tuple[np.ndarray, dict[int, str]]:
    """Return each neuron's culture, and culture -> condition in the order of the cultures."""
    for name in ("culture", "group"):
        if name not in recording:
            raise UserError(
                f"recording: {name}: expected this variable (neuron), found {sorted(map(str, recording.variables))}."
            )
    culture = recording["culture"].values.astype(int)
    known = pd.DataFrame({"culture": culture, "group": recording["group"].values.astype(str)}).drop_duplicates()
    if known["culture"].duplicated().any():
        twice = known.loc[known["culture"].duplicated(), "culture"].iloc[0]
        raise UserError(f"recording: group: expected one condition a culture, found several of culture {twice}.")
    groups = {int(row.culture): str(row.group) for row in known.sort_values("culture").itertuples()}
    if len(set(groups.values())) < 2:
        raise UserError(f"recording: group: expected at least two conditions, found {sorted(set(groups.values()))}.")
    return culture, groups


def _runs(recording: xr.Dataset, embeddings: Embeddings, options: Mapping) -> Iterator[tuple]:
    """Yield (method, seed, embedding, neurons that take part, name of latents, latents) in a fixed order."""
    for (method, seed), embedding in sorted(embeddings.items(), key=lambda item: item[0]):
        if not np.array_equal(recording["neuron"].values, embedding["neuron"].values):
            raise UserError(
                f"embedding of {method}: neuron: expected the {recording.sizes['neuron']} neurons of the recording, "
                f"found {embedding.sizes['neuron']} that differ. Fit it again on this recording."
            )
        member = reported_member(embedding)
        used = (embedding["part"].values[member] == TEST) | (options["neurons"] == "all")
        for name, latents in latents_of(embedding, member):
            yield method, seed, embedding, used, name, latents
