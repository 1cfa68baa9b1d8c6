"""Claims of the digital-twin study on indices: two of one neuron, and those in silico against the true neurons'.

The second are targets of ours, for simulated neurons: true neurons and model saw the same stimuli.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import Claim
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap_interval
from calcium_latents.studies.digital_twin.claims_performance import STUDY, question
from calcium_latents.studies.digital_twin.tuning.neuron_properties import CLUSTER, MODEL, TRUTH
from calcium_latents.studies.digital_twin.tuning.property_independence import Settings, correlation_test
from calcium_latents.studies.digital_twin.tuning.tuning_indices import orientation_difference

SETTINGS = Settings(permutations=200, bootstraps=1000)
#: index -> least correlation with the true neurons' index.
RECOVERED = {"phase_selectivity": 0.95, "suppression": 0.8, "cross_orientation_inhibition": 0.65}
LEAST_EFFECT = 0.5  # size of an effect in silico, relative to the true one
SELECTIVE = 0.2  # F2/F0 from which on a neuron has a preferred orientation


def recovery_claims(indices: pd.DataFrame | None) -> Iterator[Claim]:
    """Yield claims about indices of one neuron, and about indices in silico against those of the true neurons.

    `indices` has the columns of indices.csv, of one data set, or is None.
    """
    wide = None
    if indices is not None:
        rows = indices[indices["stimulus"] == CLUSTER].drop_duplicates(["source", "neuron"]).set_index("neuron")
        wide = {source: rows[rows["source"] == source] for source in (MODEL, TRUTH)}
    text = (
        "Suppression and contrast index are highly correlated; ours: r over neurons in silico (reproduced: 0.9 or more)"
    )
    asked = question("suppression-and-contrast", "Methods", text, read_paper(STUDY)["suppression_and_contrast"].printed)
    if wide is None or wide[MODEL].empty:
        yield asked.answer()
    else:
        found = {
            source: _correlate(table["suppression"], table["contrast_suppression"]) for source, table in wide.items()
        }
        reason = f"{len(wide[MODEL])} neurons; true neurons {found[TRUTH][0]:.2g}"
        good = bool(found[MODEL][0] >= 0.9)
        if len(wide[TRUTH]) and np.isnan(found[TRUTH][0]):
            good, reason = None, f"{len(wide[MODEL])} neurons; simulated: no true neuron has any contrast suppression"
        yield asked.answer(found[MODEL], reason, good)
    if wide is not None and wide[TRUTH].empty:
        wide = None
    both = None if wide is None else wide[MODEL].merge(wide[TRUTH], on="neuron", suffixes=("_model", "_truth"))
    for name, least in RECOVERED.items():
        what = name.replace("_", " ")
        text = f"Target of ours: {what} in silico follows that of the true neurons; ours: r over neurons (reproduced: "
        r = question(f"recovered-{name}", "-", f"{text}at least {least:g})", "no truth")
        text = f"Target of ours: {what} in silico has the size of that of the true neurons; ours: difference between "
        text += f"neurons of high and low true index, over the true difference (reproduced: at least {LEAST_EFFECT:g})"
        size = question(f"effect-size-{name}", "-", text, "no truth")
        if both is None:
            yield from (r.answer(), size.answer())
            continue
        pair = both[[f"{name}_model", f"{name}_truth"]].dropna()
        found = _correlate(*(pair[column] for column in pair))
        yield r.answer(found, f"{len(pair)} neurons, of all types", bool(found[0] >= least))
        ours = bootstrap_interval(pair.to_numpy(), _effect, repeats=1000)
        means = ", ".join(f"{column} {pair[column].mean():.2g}" for column in pair)
        yield size.answer(ours, f"high, low: by the mean true index; means {means}", bool(ours[0] >= LEAST_EFFECT))
    text = (
        "Target of ours: preferred orientation in silico is that of the true neurons; ours: median error, degrees, of "
    )
    text += f"neurons with true F2/F0 above {SELECTIVE:g} (reproduced: below 3)"
    asked = question("orientation-error", "-", text, "no truth")
    if both is None:
        yield asked.answer()
        return
    part = both[both["orientation_selectivity_truth"] > SELECTIVE]
    angles = part[[f"preferred_orientation_rad_{source}" for source in (MODEL, TRUTH)]].dropna().to_numpy()
    error = np.degrees(orientation_difference(*angles.T))
    if not len(error):
        yield asked.answer(reason="no neuron has a preferred orientation")
        return
    ours = bootstrap_interval(error, np.median, repeats=1000)
    yield asked.answer(ours, f"{len(error)} neurons; 90 % below {np.quantile(error, 0.9):.2g}", bool(ours[0] < 3))


def _correlate(first: pd.Series, second: pd.Series) -> tuple[float, float, float]:
    found = correlation_test(
        first.to_numpy(float), second.to_numpy(float), SETTINGS, generator(0, "claims_digital_twin")
    )
    return found["r"], found["lower"], found["upper"]


def _effect(pair: np.ndarray) -> float:
    """Return the difference in the first column over that in the second, between high and low in the second."""
    high = pair[:, 1] > pair[:, 1].mean()
    if high.all() or not high.any():
        return np.nan
    ours, true = pair[high].mean(axis=0) - pair[~high].mean(axis=0)
    return ours / true
