"""Scales differ in numbers, sizes, seeds and in what is run: never in mechanisms, which have names of their own."""

from functools import cache
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from calcium_latents.configuration import load_configuration
from calcium_latents.configuration.loading import declaration
from calcium_latents.parameter_section import ParameterSection

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"data_directory": None}
#: what is run, seen or named at a scale; models' files and overrides are compared as Hydra composes them
SELECTIONS = {"run", "seeds", "figures", "training", "overrides"}
#: sizes of which null means all, or as many as there is room for
UNLIMITED = {
    *("whole_maps", "reach_px", "neurons_per_cluster", "most_members", "clustered", "published_samples", "surrogates"),
    *("neurons", "target_candidates", "members_at_once", "check.contrasts"),
}


def full(value):
    """Return plain values of a section, with all defaults."""
    if isinstance(value, ParameterSection):
        return {name: full(item) for name, item in value}
    if isinstance(value, dict):
        return {name: full(item) for name, item in value.items()}
    return [full(item) for item in value] if isinstance(value, list | tuple) else value


def is_size(value):
    if isinstance(value, dict):
        return all(map(is_size, value.values()))
    if isinstance(value, list):
        return all(map(is_size, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(one, other, path=""):
    """Yield where two configurations differ in anything but sizes; what one leaves out must be a size, too."""
    name = path.rpartition(".")[2]
    unlimited = None in (one, other) and any(path.endswith(f".{known}") for known in UNLIMITED)
    if one == other or (is_size(one) and is_size(other)) or (unlimited and (is_size(one) or is_size(other))):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if key in one and key in other:
                yield from differences(one[key], other[key], f"{path}.{key}")
            elif not is_size(one.get(key, other.get(key))):
                yield f"{path}.{key}: {one.get(key)!r}, {other.get(key)!r}"
    elif isinstance(one, list) and isinstance(other, list) and all(isinstance(item, dict) for item in one + other):
        # groups of cultures have labels, and which ones there are is a selection; blocks of training have an order
        by_label = [{item.get("label", number): item for number, item in enumerate(items)} for items in (one, other)]
        if "label" not in one[0] and len(one) != len(other):
            yield f"{path}: {len(one)}, {len(other)} parts"
        for label in set(by_label[0]) & set(by_label[1]):
            yield from differences(*(labelled[label] for labelled in by_label), f"{path}.{label}")
    else:
        yield f"{path} ({name}): {one!r}, {other!r}"


def without_selections(value):
    if isinstance(value, dict):
        return {
            name: without_selections(item)
            for name, item in value.items()
            if name not in SELECTIONS and not (name == "datasets" and not isinstance(item, dict))
        }
    return value


def settings(scale):
    return load_configuration(CONFIG | {"scale": scale}, ROOT)


@pytest.mark.parametrize("scale", ["quick", "smoke"])
@pytest.mark.parametrize("study", CONFIG["studies"])
def test_sections_differ_in_sizes_and_selections_alone(scale, study):
    paper, other = (
        without_selections(full(declaration(study).from_mapping(settings(name)[study]))) for name in ("paper", scale)
    )
    assert list(differences(paper, other, study)) == []


def composed(model, choice, dataset_overrides):
    words = [f"model={model}", *(f"{group}={choice[group]}" for group in ("data", "training", "search"))]
    return train_config(*words, *choice["overrides"], *dataset_overrides, "recording=events.nc", "seed=1", "threads=1")


@cache  # scales share most of their runs
def train_config(*words):
    return OmegaConf.to_container(compose("train", list(words)))


@pytest.mark.parametrize("scale", ["quick", "smoke"])
@pytest.mark.parametrize("study", [name for name in CONFIG["studies"] if "models" in settings("paper")[name]])
def test_models_differ_in_sizes_alone(scale, study):
    sections = [settings(name)[study] for name in ("paper", scale)]
    assert list(sections[0]["models"]) == list(sections[1]["models"])
    asked = {((), ())}  # overrides of a dataset, or of the user's recordings
    for group in ("datasets", "recordings"):
        one, other = (section.get(group, {}) for section in sections)
        parts = [(one, other)] if group == "recordings" else [(one[name], other[name]) for name in one]
        asked |= {tuple(tuple(part.get("overrides", ())) for part in pair) for pair in parts}
    found = set()
    with initialize_config_dir(str(ROOT / "config"), version_base=None):
        for model in sections[0]["models"]:
            choices = [section["models"][model] for section in sections]
            for words in asked:
                runs = [composed(model, choice, list(own)) for choice, own in zip(choices, words, strict=True)]
                found |= set(differences(*runs, model))
    assert sorted(found) == []


def test_a_mechanism_that_differs_is_found():
    paper = {"training": {"optimiser": "adam", "steps": 10, "masks": "signed"}, "model": {"sizes": [1, 2]}}
    other = {
        "training": {"optimiser": "adam", "steps": 20, "masks": "nonnegative"},
        "model": {"sizes": [1], "deep": True},
    }
    found = sorted(differences(paper, other, "twin"))
    assert found == ["twin.model.deep: None, True", "twin.training.masks (masks): 'signed', 'nonnegative'"]
    assert list(differences({"clusters": 50}, {"clusters": None}, "bar_codes"))
    assert not list(differences({"whole_maps": 50}, {"whole_maps": None}, "experiments"))


def test_the_published_twin_stands_beside_ours_at_every_scale():
    for scale in ("paper", "quick", "smoke"):
        models = settings(scale)["digital_twin"]["models"]
        assert (models["digital_twin"]["training"], models["digital_twin_published"]["training"]) == (
            *("digital_twin", "digital_twin_published"),
        )
    assert "datasets" not in settings("paper")["digital_twin"]["models"]["digital_twin_published"]
