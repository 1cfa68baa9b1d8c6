"""Claims of the digital-twin study on how tuning properties go together: correlations, combinations, independence."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import Claim
from calcium_latents.studies.digital_twin.claims_performance import STUDY, question
from calcium_latents.studies.digital_twin.tuning.neuron_properties import (
    ALL,
    DESIGN,
    GABOR,
    GABOR_LIKE,
    MODEL,
    TRUTH,
)
from calcium_latents.studies.digital_twin.tuning.property_independence import (
    CLUSTERS,
    DEPENDENT,
    INDEPENDENT,
    NEURONS,
    UNDECIDED,
    WEAK,
)

FOUND_DEPENDENT = (DEPENDENT, WEAK)
NONLINEAR = ("phase_invariance", "suppression", "cross_orientation_inhibition")
SHORT = ("phase invariance", "surround suppression", "cross-orientation inhibition")
NONE = 0.2  # an interval of r within this of 0 shows that there is none


def built_in(counts: pd.DataFrame | None, dataset: str) -> str:
    """Return the decision on the properties that a simulation built in, "" where nothing is known of it."""
    row = decided(counts, dataset, DESIGN, (GABOR,))
    return "" if row is None else row["decision"]


def decided(counts, dataset: str, source: str, subsets: Iterable[str], unit: str = NEURONS) -> pd.Series | None:
    """Return the row of `counts` (combinations.csv) of a data set, source, unit and the first subset there is."""
    if counts is None:
        return None
    rows = counts[(counts["dataset"] == dataset) & (counts["source"] == source) & (counts["unit"] == unit)]
    for subset in subsets:
        if (rows["subset"] == subset).any():
            return rows[rows["subset"] == subset].iloc[0]
    return None


def _pair(rows: pd.DataFrame | None, first: str, second: str, source: str, subset: str = ALL) -> pd.Series | None:
    if rows is None:
        return None
    pair = (rows[["property_a", "property_b"]].isin([first, second])).all(axis=1)
    found = rows[pair & (rows["source"] == source) & (rows["subset"] == subset) & (rows["unit"] == NEURONS)]
    return found.iloc[0] if len(found) and np.isfinite(found["r"].iloc[0]) else None


def correlation_claims(rows: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield Figure 4A in words, over all neurons; `rows`: independence.csv. Truth and Gabor cells in the reason."""
    names = dict(zip(NONLINEAR, SHORT, strict=True))
    names |= {"nonlinearity": "non-linearity", "orientation_selectivity": "orientation selectivity"}
    pairs = [("nonlinearity", name, "above") for name in NONLINEAR]
    pairs += [("nonlinearity", "orientation_selectivity", "none")]
    pairs += [("orientation_selectivity", name, "any") for name in (NONLINEAR[0], NONLINEAR[2])]
    pairs += [(*pair, "none") for pair in ((NONLINEAR[0], NONLINEAR[1]), (NONLINEAR[0], NONLINEAR[2]), NONLINEAR[1:])]
    rules = {
        "above": ("is correlated with", "interval above 0"),
        "any": ("is correlated with", "interval leaves out 0"),
        "none": ("is not correlated with", f"interval within {NONE:g} of 0"),
    }
    for first, second, rule in pairs:
        verb, told = rules[rule]
        text = f"{names[first].capitalize()} {verb} {names[second]}; ours: r in silico (reproduced: {told})"
        asked = question(f"r-{first}-{second}".replace("orientation_selectivity", "orientation"), "4A", text)
        row = _pair(rows, first, second, MODEL)
        if row is None:
            yield asked.answer()
            continue
        sure = row["lower"] > 0 or row["upper"] < 0
        close = max(abs(row["lower"]), abs(row["upper"])) < NONE
        # an interval that holds 0 and is wide shows neither
        good = {"above": row["lower"] > 0, "any": sure, "none": close or (False if sure else None)}[rule]
        unsure = "; too few neurons to tell" if good is None else ""
        built = _pair(rows, first, second, TRUTH) is not None
        good = None if built else good
        reason = "simulated: set by what was built in, and says nothing of mice; " if built else ""
        reason += f"{row['neurons']} neurons; |r| below {row['null_upper']:.2g} in 95 % of permutations"
        for source, subset, said in (
            (TRUTH, ALL, "true neurons"),
            (MODEL, GABOR, "Gabor cells in silico"),
            (TRUTH, GABOR, "true"),
        ):
            other = _pair(rows, first, second, source, subset)
            reason += f"; {said} {other['r']:.2f}" if other is not None else ""
        reason += unsure
        yield asked.answer((row["r"], row["lower"], row["upper"]), reason, None if good is None else bool(good))
    text = (
        "Target of ours: properties of Gabor cells correlate in silico as those of the true neurons do; ours: largest "
    )
    text += f"difference of r over {len(pairs)} pairs (reproduced: at most {NONE:g})"
    asked, apart = question("r-as-true", "4A", text, "no truth"), {}
    for first, second, _ in pairs:
        ours, true = (_pair(rows, first, second, source, GABOR) for source in (MODEL, TRUTH))
        if ours is not None and true is not None:
            apart[f"{names[first]} and {names[second]} {ours['r']:.2f}, true {true['r']:.2f}"] = abs(
                ours["r"] - true["r"]
            )
    if not apart:
        yield asked.answer(reason="no truth known")
        return
    most = max(apart, key=lambda pair: apart[pair])
    reason = f"{most}; median difference {np.median(list(apart.values())):.2g}; no interval"
    yield asked.answer(apart[most], reason, bool(apart[most] <= NONE))


def combination_claims(counts: pd.DataFrame | None, main: str | None) -> Iterator[Claim]:
    """Yield Figure 4C: combinations among clusters of the data set `main`, and independence in each."""
    paper = read_paper(STUDY)["combinations"]
    decent = (GABOR_LIKE, ALL)
    text = (
        "Clusters express every combination of the three properties; ours: combinations found among clusters (of those "
    )
    asked = question(
        "combinations", "4C", f"{text}with Gabor/MEI above average; reproduced: {paper.value})", paper.printed
    )
    row = decided(counts, main, MODEL, decent, CLUSTERS)
    if row is None:
        yield asked.answer()
    else:
        same = counts[(counts["dataset"] == main) & (counts["subset"] == row["subset"])]
        seen = same[same["count"] > 0].groupby(["source", "unit"]).size()
        mine = same[(same["source"] == MODEL) & (same["unit"] == CLUSTERS)]["count"]
        others = ", ".join(f"{source} {unit} {number}" for (source, unit), number in seen.items())
        reason = f"{main}: {int(mine.sum())} clusters, {row['subset']}; found of 8: {others}; no interval"
        built = bool(built_in(counts, main))
        reason += "; simulated: which combinations there are was built in, and says nothing of mice" if built else ""
        yield asked.answer((mine > 0).sum(), reason, None if built else (mine > 0).sum() == paper.value)
    for dataset in dict.fromkeys(counts["dataset"]) if counts is not None else ("none",):
        built = built_in(counts, dataset)
        dependent = built in FOUND_DEPENDENT
        text = "Phase invariance, surround suppression and cross-orientation inhibition are independent"
        if built:
            how = "dependent" if dependent else "independent"
            text = f"Control of ours: properties built in as {how} are found so among Gabor cells"
        text += "; ours: multi-information (bits) in silico, less that of permutations"
        asked = question(f"independent-{dataset}", "4C", text)
        row = decided(counts, dataset, MODEL, (GABOR, *decent))
        if row is None:
            yield asked.answer()
            continue
        good = row["decision"] in FOUND_DEPENDENT if dependent else row["decision"] == INDEPENDENT
        words = [f"{row['subset']}: {row['decision']}"]
        for source, subset in ((MODEL, GABOR_LIKE), (MODEL, ALL), (TRUTH, row["subset"]), (DESIGN, row["subset"])):
            other = decided(counts, dataset, source, (subset,))
            if other is not None and not (source == MODEL and subset == row["subset"]):
                words.append(f"{source}, {subset}: {other['decision']}, {other['corrected_bits']:.2g} bits")
        numbers = tuple(row[name] for name in ("corrected_bits", "lower_bits", "upper_bits"))
        yield asked.answer(numbers, "; ".join(words), None if row["decision"] == UNDECIDED else bool(good))
