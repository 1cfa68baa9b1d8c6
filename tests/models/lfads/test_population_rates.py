"""Members that a random search kept, and their scores against the true latents."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.population_rates import member_rates
from calcium_latents.recordings import make_recording, read_recording, write_recording
from calcium_latents.studies.radical.commands.score_population import main

SIZES = {"encoder": 4, "controller": 4, "generator": 6, "initial_condition": 4, "factors": 4}
SEARCH = {"population": 3, "generations": 1, "generation_epochs": 1, "first_generation_epochs": 0}
PROVENANCE = {"seed": 0, "config_digest": "0", "code_digest": "0", "versions": "{}"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return (recording, run directory) of a random search of three members."""
    from hydra import compose, initialize_config_dir

    from calcium_latents.commands.train import CONFIG, train

    rng = np.random.default_rng(0)
    trials, bins, neurons = 20, 12, 6
    latents = np.sin(np.arange(bins) / 2 + rng.uniform(0, 6, trials)[:, None])[..., None]
    rate = 0.3 * np.exp(latents * rng.standard_normal(neurons))
    events = np.where(rng.random(rate.shape) < rate, rng.gamma(2, 0.2, rate.shape) + 0.1, 0.0)
    parameters = {"noise_multiplier": 2.0}
    attributes = {"event_minimum": 0.0999, "deconvolution": "none", "simulation_parameters": parameters}
    recording = make_recording(
        time=np.arange(bins) * 0.01,
        bin_width_s=0.01,
        imaging_rate_hz=100.0,
        source="test",
        events=events.astype(np.float32),
        latents=latents.astype(np.float32),
        latent_names=["X"],
        trial_start=np.arange(trials) * bins * 0.01,
        attributes=attributes,
    )
    folder = tmp_path_factory.mktemp("search")
    write_recording(recording, folder / "events.nc", PROVENANCE)
    directory = folder / "radical_random/seed-1"
    directory.mkdir(parents=True)
    with initialize_config_dir(str(CONFIG), version_base=None):
        words = [f"model.sizes.{name}={value}" for name, value in SIZES.items()]
        words += [f"search.{name}={value}" for name, value in SEARCH.items()]
        choices = ["model=radical_random", "training=smoke", "search=random", f"recording={folder / 'events.nc'}"]
        train(compose("train", [*choices, *words]), directory)
    checkpoint = torch.load(directory / "checkpoint.pt", weights_only=False)
    for weights in checkpoint["members"][2].values():  # as if it had diverged
        if weights.is_floating_point():
            weights.fill_(torch.nan)
    torch.save(checkpoint, directory / "checkpoint.pt")
    return folder / "events.nc", directory


def test_members_have_rates_of_their_own(run):
    recording, directory = run
    members = dict(member_rates(directory, read_recording(recording), _data(directory)))
    assert list(members) == [0, 1, 2] and members[2] is None
    assert members[0]["event_rate"].shape == (20, 12, 6)
    assert not np.allclose(members[0]["event_rate"], members[1]["event_rate"])


def test_the_command_writes_a_row_a_member(run, tmp_path):
    recording, directory = run
    output = tmp_path / "recovery.csv"
    words = ["--recording", str(recording), "--checkpoints", str(directory / "checkpoint.pt"), "--dataset", "d"]
    main([*words, "--parameters", json.dumps({"lag_s": 0.0}), "--output", str(output)])
    table = pd.read_csv(output)
    leading = ["dataset", "noise_multiplier", "model", "seed", "member"]
    assert list(table.columns[:5]) == leading and table["member"].tolist() == [0, 1, 2]
    assert (table["noise_multiplier"] == 2).all() and (table["model"] == "radical_random").all()
    assert {"speckled_holdout_nll", "learning_rate", "dropout_rate", "r2_X", "r2", "r2_validation"} <= set(table)
    assert table["learning_rate"].nunique() == 3
    assert table["r2"].notna().tolist() == [True, True, False]


def test_a_run_without_members_is_refused(run, tmp_path):
    recording, directory = run
    checkpoint = torch.load(directory / "checkpoint.pt", weights_only=False)
    del checkpoint["members"]
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="Train the model with search=random"):
        next(member_rates(tmp_path, read_recording(recording), _data(directory)))


def _data(directory):
    import yaml

    return yaml.safe_load((directory / "config.yaml").read_text())["data"]
