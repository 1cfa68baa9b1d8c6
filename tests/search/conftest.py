"""A small recording, and the training command with a search of four members on it."""

import sys
from pathlib import Path

import pytest

from calcium_latents.hydra_words import quoted

SIZES = {"encoder": 4, "controller": 4, "generator": 6, "initial_condition": 4, "factors": 4}
SEARCH = {
    "population": 4,
    "generation_epochs": 2,
    "first_generation_epochs": 1,
    "generations": 3,
    "finish_generations": 0,
    "validate_last_epochs": 2,
}
#: small, and with an average of weights: the state of a member has all its parts
WORDS = [
    *(f"model.sizes.{name}={value}" for name, value in SIZES.items()),
    *(f"search.{name}={value}" for name, value in SEARCH.items()),
    "training=smoke",
]


@pytest.fixture(scope="session")
def composed(events_path):
    """Return a function: Hydra's words -> the training command's configuration."""
    from hydra import compose, initialize_config_dir

    from calcium_latents.commands.train import CONFIG

    def make(*words):
        with initialize_config_dir(str(CONFIG), version_base=None):
            return compose("train", ["search=pbt", *WORDS, f"recording={events_path}", *words])

    return make


@pytest.fixture
def search(composed):
    """Return a function: run the training command in a directory, and return the directory."""
    from calcium_latents.commands.train import train

    def run(directory: Path, *words):
        directory.mkdir(exist_ok=True)
        train(composed(*words), directory)
        return directory

    return run


@pytest.fixture
def command(events_path):
    """Return a function: the words that start the training command, or another, as a process of its own."""

    def words(directory: Path, *more, module="train", python=sys.executable):
        start = [python, "-m", f"calcium_latents.commands.{module}", "search=pbt", *WORDS]
        return [*start, f"recording={quoted(str(events_path))}", f"hydra.run.dir={quoted(str(directory))}", *more]

    return words
