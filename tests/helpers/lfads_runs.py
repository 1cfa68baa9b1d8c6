"""The training command on a small model, and how it is killed."""

from pathlib import Path


def run_training(recording: Path, directory: Path, *overrides: str) -> Path:
    """Train for a few steps in `directory`, with more words for Hydra; return it."""
    from hydra import compose, initialize_config_dir

    from calcium_latents.commands.train import CONFIG, train

    sizes = {"encoder": 4, "controller": 4, "generator": 6, "initial_condition": 4, "factors": 4}
    with initialize_config_dir(str(CONFIG), version_base=None):
        words = [f"model.sizes.{name}={value}" for name, value in sizes.items()]
        config = compose("train", [*words, f"recording={recording}", "training=smoke", *overrides])
    directory.mkdir(exist_ok=True)
    train(config, directory)
    return directory


class Killed(BaseException):
    """Stands for a signal: nothing in training may catch it and write results."""
