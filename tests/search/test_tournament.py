"""The tournament and the end of a search: properties that hold whatever the scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.search.outcome import MOST_KEPT, conclude, start, thinned
from calcium_latents.search.search_space import SearchedHyperparameter
from calcium_latents.search.settings import SearchSettings
from calcium_latents.search.tournament import first_generation, next_generation, reason_to_stop

SPACE = {
    "learning_rate": SearchedHyperparameter("learning_rate", "log_uniform", 1e-5, 5e-3, 0.3, limited=True),
    "generator_l2": SearchedHyperparameter("generator_l2", "log_uniform", 1e-5, 1e-1, 0.8),
}
SCORES = st.lists(st.one_of(st.floats(-5, 5), st.just(math.nan), st.just(math.inf)), min_size=2, max_size=12)


def drawn(count):
    return first_generation(SPACE, count, 1)


@given(SCORES.filter(lambda scores: np.isfinite(scores).any()), st.integers(0, 100), st.integers(1, 50))
def test_who_copies_whom(scores, seed, generation):
    before = drawn(len(scores))
    parents, after = next_generation(scores, before, SPACE, seed, generation)
    again = next_generation(scores, before, SPACE, seed, generation)
    np.testing.assert_array_equal(parents, again[0])
    for member, parent in enumerate(parents):
        if parent != member:
            assert math.isfinite(scores[parent])
            assert not math.isfinite(scores[member]) or scores[parent] < scores[member]
        else:
            assert math.isfinite(scores[member])
        for name, entry in SPACE.items():
            np.testing.assert_array_equal(after[name], again[1][name])
            if parent == member:
                assert after[name][member] == before[name][member]
            else:
                # of the value of the parent before it changed itself
                factor = after[name][member] / before[name][parent]
                assert abs(factor - 1) <= entry.perturbation * (1 + 1e-9)
                assert factor != 1 or after[name][member] in (entry.low, entry.high)
            if entry.limited:
                assert entry.low <= after[name][member] <= entry.high


def test_a_tournament_is_binary():
    """The best never copies; the second best does with probability 1 / (M - 1), the worst always."""
    scores, before = np.arange(5.0), drawn(5)
    copied = np.mean(
        [next_generation(scores, before, SPACE, seed, 1)[0] != np.arange(5) for seed in range(2000)], axis=0
    )
    np.testing.assert_allclose(copied, np.arange(5) / 4, atol=0.04)


def test_all_diverged_is_explained():
    with pytest.raises(UserError, match="all diverged. Lower the learning rates"):
        next_generation([math.nan, math.inf], drawn(2), SPACE, 1, 3)


def test_a_members_draw_does_not_depend_on_others():
    few, many = drawn(2), drawn(5)
    only = first_generation({"generator_l2": SPACE["generator_l2"]}, 5, 1)
    for name in SPACE:
        np.testing.assert_array_equal(few[name], many[name][:2])
    np.testing.assert_array_equal(only["generator_l2"], many["generator_l2"])


def test_dropout_rates_have_the_random_numbers_of_the_kept_fractions():
    """Those under which the reference results were drawn and perturbed."""
    rate = SearchedHyperparameter("dropout_rate", "uniform", 0.0, 0.7, 0.3, limited=True, perturbed="complement")
    kept = SearchedHyperparameter("keep", "uniform", 0.3, 1.0, 0.3, limited=True)
    spaces = [{entry.name: entry} for entry in (rate, kept)]
    first = [first_generation(space, 6, 1) for space in spaces]
    second = [next_generation(range(6), *pair, 1, 3)[1] for pair in zip(first, spaces, strict=True)]
    for rates, fractions in (first, second):
        np.testing.assert_allclose(rates["dropout_rate"], 1 - fractions["keep"], atol=1e-12)
    assert not np.allclose(first[0]["dropout_rate"], second[0]["dropout_rate"])


def test_reasons_to_stop():
    assert reason_to_stop([1.0] * 5, 10, 5, 5e-4) is None  # five generations cannot tell about five without improvement
    assert reason_to_stop([1.0] * 6, 10, 5, 5e-4) == "no improvement in 5 generations"
    assert reason_to_stop([-1.0, *[-1.0004] * 5], 10, 5, 5e-4) == "no improvement in 5 generations"
    assert reason_to_stop([-1.0, *[-1.0006] * 5], 10, 5, 5e-4) is None
    assert reason_to_stop([1.0] * 9, 10, None, 5e-4) is None
    assert reason_to_stop([1.0] * 10, 10, None, 5e-4) == "10 generations are done"


def outcomes(bests, **changes):
    """What each generation of a search of two led to, until it ends; the second member is always the worse."""
    fixed = {"kind": "pbt", "population": 2, "generation_epochs": 1, "first_generation_epochs": 0, "generations": 9}
    fixed |= {"finish_generations": 2, "patience": 3, "minimum_improvement": 0.0, "metric": "speckled_holdout_nll"}
    fixed |= {"smoothing": 1.0, "validate_last_epochs": 1, "hyperparameters": SPACE}
    settings = SearchSettings(**fixed | changes)
    led, outcome = [], start(settings, 1)
    for best in bests:
        rows = [{"member": m, "epoch": 1, "step": 1, "score": best + m, "diverged": False} for m in (0, 1)]
        outcome = conclude(settings, 1, outcome, rows, 1.0)
        led.append(outcome)
        if outcome["stopped"] is not None:
            break
    return led


def test_a_finish_follows_what_would_have_been_the_end():
    limit = outcomes(np.arange(20.0, 0.0, -1))
    assert [outcome["finish_after"] for outcome in limit] == [None] * 6 + [7, 7, 7]
    assert limit[-1]["stopped"] == "9 generations are done, the last 2 with falling learning rates"
    patience = outcomes([3.0] * 20)
    assert [outcome["finish_after"] for outcome in patience] == [None] * 3 + [4, 4, 4]
    assert patience[-1]["stopped"].startswith("6 generations are done")
    none = outcomes([3.0] * 20, finish_generations=0)
    assert [outcome["finish_after"] for outcome in none] == [None] * 4
    assert none[-1]["stopped"] == "no improvement in 3 generations"


def test_copies_of_the_finish_are_not_perturbed():
    for outcome in outcomes(np.arange(20.0, 0.0, -1))[:-1]:
        assert outcome["parents"] == [0, 0]
        values = outcome["hyperparameters"]["generator_l2"]
        assert (values[0] == values[1]) == (outcome["finish_after"] is not None)


@given(st.integers(1, 400))
def test_thinning_never_asks_for_what_was_left_out(count):
    generations = list(range(3, 3 + count))
    kept = thinned(generations)
    assert len(kept) <= MOST_KEPT and {generations[0], generations[-1]} <= set(kept)
    longer = thinned([*generations, 1000])
    assert {number for number in longer if number != 1000} <= set(kept)
