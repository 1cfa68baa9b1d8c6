"""One sentence for what a comparison says: a model wins, ties, loses, and where nothing helps."""

import itertools

import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.studies.recordings.verdict import verdict


def comparison(bits, half=0.02, described=None):
    """Return the table of methods whose gains over nothing are `bits`, all intervals of the same half width."""
    rows = [
        {
            "likelihood": likelihood,
            "model": model,
            "reference": reference,
            "bits_per_event": sign * (bits[model] - bits[reference]),
        }
        for (likelihood, sign) in (("bernoulli", 1), ("zero_inflated_gamma", -1))
        for model, reference in itertools.product(bits, bits)
        if reference != "radical"
    ]
    table = pd.DataFrame(rows)
    width = half * (table["model"] != table["reference"])
    table = table.assign(lower_bits=table["bits_per_event"] - width, upper_bits=table["bits_per_event"] + width)
    return table.assign(description=table["model"].map(described)) if described else table


BITS = {"constant": 0.0, "smoothed own": 0.1, "pca": 0.3}
CALLED = {"constant": "constant rate", "smoothed own": "own", "pca": "PCA (8 components)", "radical": "RADICaL"}


@pytest.mark.parametrize(
    ("radical", "outcome", "best", "sentence"),
    [
        (
            0.35,
            "wins",
            "radical",
            "RADICaL predicts hidden samples better than the best baseline, PCA (8 components):"
            " +0.050 [+0.030, +0.070] bits an event; use the rates of RADICaL in best/event_rates.nwb.",
        ),
        (
            0.31,
            "ties",
            "pca",
            "RADICaL predicts hidden samples neither better nor worse than PCA (8 components), which is simpler:"
            " +0.010 [-0.010, +0.030] bits an event; use the rates of PCA (8 components) in best/event_rates.nwb.",
        ),
        (
            0.25,
            "loses",
            "pca",
            "RADICaL predicts hidden samples worse than PCA (8 components): -0.050 [-0.070, -0.030] bits an event;"
            " use the rates of PCA (8 components) in best/event_rates.nwb.",
        ),
    ],
)
def test_a_model_wins_ties_or_loses(radical, outcome, best, sentence):
    found = verdict(comparison(BITS | {"radical": radical}, described=CALLED))
    assert (found.outcome, found.best, found.baseline, found.model) == (outcome, best, "pca", "radical")
    assert found.sentence() == sentence
    assert found.over_constant[0] == pytest.approx(max(radical, 0.3) if outcome == "wins" else 0.3)


def test_the_best_of_several_seeds_counts_and_names_are_those_of_legends():
    found = verdict(comparison(BITS | {"radical, seed 1": 0.1, "radical, seed 2": 0.4}))
    assert found.best == "radical, seed 2" and "principal components" in found.sentence()


def test_baselines_alone_have_a_best():
    found = verdict(comparison(BITS, described=CALLED))
    assert (found.outcome, found.best) == ("", "pca")
    assert found.sentence().startswith("PCA (8 components) predicts hidden samples best, of baselines alone; use")


@pytest.mark.parametrize("pca", [0.01, -0.5])
def test_where_nothing_beats_a_constant_rate_it_is_said(pca):
    bits = {"constant": 0.0, "smoothed own": -0.1, "pca": pca, "radical": -0.3}
    found = verdict(comparison(bits, described=CALLED))
    assert found.sentence().endswith("do not interpret its changes.") and found.outcome == "loses"


def test_without_baselines_there_is_no_verdict():
    table = comparison(BITS | {"radical": 0.1})
    with pytest.raises(UserError, match="baselines constant"):
        verdict(table[table["model"] == "radical"])
