"""The search space: ranges, perturbation, and what is wrong in a configuration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.search.search_space import SMALLEST_CHANGE, SearchedHyperparameter, read_search_space
from calcium_latents.search.settings import SearchSettings

RATE = {"distribution": "log_uniform", "low": 1e-5, "high": 5e-3, "initial": 1e-3, "perturbation": 0.3, "limited": True}


@st.composite
def entries(draw):
    distribution = draw(st.sampled_from(["uniform", "log_uniform"]))
    low = draw(st.floats(1e-8, 1.0))
    high = low * draw(st.floats(1.01, 1e4))
    limited, symmetric = draw(st.booleans()), draw(st.booleans())
    return SearchedHyperparameter(
        "learning_rate", distribution, low, high, draw(st.floats(0.01, 0.99)), None, limited, symmetric
    )


@given(entries(), st.integers(0, 2**32))
def test_draws_lie_in_the_range(entry, seed):
    assert entry.low <= entry.draw(np.random.default_rng(seed)) <= entry.high


@given(entries(), st.floats(0, 1), st.integers(0, 2**32))
def test_a_perturbation_is_a_factor_near_but_not_too_near_one(entry, place, seed):
    value = entry.low + place * (entry.high - entry.low)
    changed = entry.perturb(value, np.random.default_rng(seed))
    if entry.limited:
        assert entry.low <= changed <= entry.high
    else:
        factor = changed / value
        change = max(factor, 1 / factor) - 1 if entry.symmetric else abs(factor - 1)
        assert SMALLEST_CHANGE * entry.perturbation * (1 - 1e-9) <= change <= entry.perturbation * (1 + 1e-9)


def test_draws_follow_the_distribution():
    rng = np.random.default_rng(0)
    uniform = SearchedHyperparameter("sigmoid_scale_prior", "uniform", 0.3, 1.0, 0.3)
    values = [uniform.draw(rng) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(0.65, abs=0.01)
    log_uniform = SearchedHyperparameter("generator_l2", "log_uniform", 1e-5, 1e-1, 0.8)
    values = [log_uniform.draw(rng) for _ in range(4000)]
    assert np.median(np.log10(values)) == pytest.approx(-3, abs=0.1)
    factors = [log_uniform.perturb(1.0, rng) for _ in range(4000)]
    assert np.mean(factors) == pytest.approx(1, abs=0.03) and max(factors) > 1.7 and min(factors) < 0.3


def test_symmetric_perturbations_do_not_drift():
    rng = np.random.default_rng(0)
    drift = {}
    for symmetric in (False, True):
        entry = SearchedHyperparameter("generator_l2", "log_uniform", 1e-5, 1e-1, 0.8, symmetric=symmetric)
        drift[symmetric] = np.mean(np.log([entry.perturb(1.0, rng) for _ in range(8000)]))
    # the integral of log(1 + x) over (-0.8, 0.8), over its length
    assert drift[False] == pytest.approx((1.8 * np.log(1.8) - 0.2 * np.log(0.2)) / 1.6 - 1, abs=0.03)
    assert drift[True] == pytest.approx(0, abs=0.02)


@given(st.floats(0, 1), st.booleans(), st.integers(0, 2**32))
def test_of_a_dropout_rate_the_kept_fraction_is_drawn_and_perturbed(place, symmetric, seed):
    """The same numbers as a search over the kept fraction, which is what was published."""
    options = {"perturbation": 0.3, "limited": True, "symmetric": symmetric}
    rate = SearchedHyperparameter("dropout_rate", "uniform", 0.0, 0.7, perturbed="complement", **options)
    kept = SearchedHyperparameter("kept_fraction", "uniform", 0.3, 1.0, **options)
    value = 0.7 * place

    def generators():
        return np.random.default_rng(seed), np.random.default_rng(seed)

    ours, theirs = generators()
    assert rate.draw(ours) == pytest.approx(1 - kept.draw(theirs), abs=1e-12)
    ours, theirs = generators()
    assert rate.perturb(value, ours) == pytest.approx(1 - kept.perturb(1 - value, theirs), abs=1e-12)
    assert 0 <= rate.perturb(value, ours) <= 0.7


def test_an_initial_value_is_not_drawn():
    assert SearchedHyperparameter.from_mapping("learning_rate", RATE).draw(np.random.default_rng(0)) == 1e-3


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("learning_rate", {"distribution": "normal"}, "distribution: expected uniform or log_uniform, found 'normal'"),
        ("learning_rate", {"low": 0.1}, "low: expected 0 or more and below high"),
        ("learning_rate", {"low": 0}, "low: expected a number above 0"),
        ("learning_rate", {"high": "much"}, "high: expected a finite number, found 'much'"),
        ("learning_rate", {"perturbation": 1.0}, "perturbation: expected a number between 0 and 1"),
        ("learning_rate", {"limited": 1}, "limited: expected true or false"),
        ("learning_rate", {"symmetric": None}, "symmetric: expected true or false"),
        ("learning_rate", {"initial": 1.0}, "initial: expected a value in the range"),
        ("generator_l2", {"initial": 0.0, "limited": False}, "initial: expected a number above 0"),
        ("dropout_rate", {"distribution": "uniform", "limited": False}, "expected a range from 0 to below 1, limited"),
        ("dropout_rate", {"high": 1.0}, "expected a range from 0 to below 1, limited"),
        ("learning_rate", {"perturbed": "complement"}, "expected uniform, since the complement is perturbed"),
        ("learning_rate", {"perturbed": "rate"}, "perturbed: expected value or complement, found 'rate'"),
        ("learning_rate", {"lo": 1}, "expected the fields distribution, low, high, perturbation"),
        ("momentum", {}, "expected names among learning_rate, dropout_rate, .* found 'momentum'"),
    ],
)
def test_wrong_entries_are_explained(name, change, said):
    with pytest.raises(UserError, match=said):
        read_search_space({name: RATE | change}, ["learning_rate", "dropout_rate", "generator_l2"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"population": 1}, "search.population: expected a whole number of at least 2, found 1"),
        ({"patience": 0}, "search.patience: expected a whole number of at least 1 or null"),
        ({"kind": "grid"}, "search.kind: expected one of random, pbt, found 'grid'"),
        ({"smoothing": 0}, "search.smoothing"),
        ({"kind": "random", "finish_generations": 1}, "search.finish_generations: expected 0 for search.kind=random"),
        (
            {"finish_generations": 3},
            r"search.finish_generations: expected fewer than search.generations \(3\), found 3",
        ),
        ({"metric": "blind"}, "search.metric: expected one of reconstruction_nll, .* found 'blind'"),
        ({"metrics": "speckled_holdout_nll"}, "search: expected fields among .* found metrics"),
        ({"metric": ...}, "search: expected the fields metric too"),
        ({"hyperparameters": {}}, "search.hyperparameters: expected at least one of learning_rate"),
    ],
)
def test_wrong_settings_are_explained(composed, change, said):
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(composed(), resolve=True)
    config["search"] = {name: value for name, value in (config["search"] | change).items() if value is not ...}
    with pytest.raises(UserError, match=said):
        SearchSettings.from_config(config)


@pytest.mark.parametrize("name", ["pbt", "pbt_published", "random"])
def test_what_is_shipped_is_valid(composed, name):
    from omegaconf import OmegaConf

    settings = SearchSettings.from_config(OmegaConf.to_container(composed(f"search={name}"), resolve=True))
    assert settings.kind == name.partition("_")[0]
    assert [len(group) for group in settings.groups("cpu")] == [1] * 4
    assert [list(group) for group in settings.groups("gpu")] == [[0, 1, 2, 3]]
    assert [settings.epochs_after(g) for g in range(3)] == [0, 3, 5]
    published = name == "pbt_published"
    assert {entry.symmetric for entry in settings.hyperparameters.values()} == {not published}
    drawn = {name for name, entry in settings.hyperparameters.items() if entry.initial is None}
    assert ("learning_rate" in drawn) == (name == "random") and {"generator_l2", "inferred_inputs_kl"} <= drawn
