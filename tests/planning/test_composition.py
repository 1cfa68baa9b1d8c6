"""A run's configuration is Hydra's own, wrong words are named at planning, digests follow what a run uses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from calcium_latents.configuration import load_configuration
from calcium_latents.errors import UserError
from calcium_latents.planning import composition
from calcium_latents.planning.composition import compose_run

ROOT = Path(__file__).resolve().parents[2]
SCALES = sorted(path.parent.name for path in (ROOT / "config/scale").glob("*/scale.yaml"))
RADICAL = ["model=radical", "data=subframe", "training=quick", "search=none", "model/sizes=half"]
ENCODER = ["model=cross_encoder", "data=pairs", "training=cross_encoder", "search=restarts"]


def words_of(scale):
    """Words of everything that a scale can train, on each dataset that adds some of its own."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    settings = load_configuration(config | {"data_directory": None, "scale": scale}, ROOT)
    for study in settings["studies"]:
        own = [entry.get("overrides", []) for entry in settings[study].get("datasets", {}).values()]
        own.append(settings[study].get("recordings", {}).get("overrides", []))
        for model, choice in settings[study].get("models", {}).items():
            groups = [f"{group}={choice[group]}" for group in ("data", "training", "search")]
            for more in {json.dumps(words) for words in [[], *own]}:
                yield [f"model={model}", *groups, *choice["overrides"], *json.loads(more)]


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_is_composed_as_the_training_command_does(scale):
    ours = [(words, compose_run(ROOT, words).config) for words in words_of(scale)]
    with initialize_config_dir(str(ROOT / "config"), version_base=None):
        for words, config in ours:
            assert config == OmegaConf.to_container(compose("train", words), resolve=True)
            assert config["model"]["name"] == words[0].partition("=")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [*RADICAL, "training.stepz=3"],
            "'training.stepz=3': unknown field 'stepz' of 'training'; did you mean 'steps'?",
        ),
        ([*RADICAL, "+training.stepz=3"], "unknown field 'stepz'"),
        ([*RADICAL, "++training.stepz=3"], "unknown field 'stepz'"),
        ([*RADICAL, "~training.steps"], "only fields of search.hyperparameters are removed"),
        ([*RADICAL, "trainin.steps=3"], "unknown field 'trainin'; did you mean 'training'?"),
        ([*RADICAL, "modle=radical"], "unknown field 'modle'; did you mean 'model'?"),
        ([*RADICAL, "model.hyperparameters.keep=0.8"], "unknown field 'keep' of 'model.hyperparameters'; known: "),
        ([*RADICAL, "model/sizez=half"], "unknown group 'model/sizez'; did you mean 'model/sizes'?"),
        ([*RADICAL, "model/sizes=hlf"], "no file config/model/sizes/hlf.yaml; did you mean 'half'?"),
        (["model=radicl", *RADICAL[1:]], "no file config/model/radicl.yaml; did you mean 'radical"),
        ([*RADICAL, "training.steps"], "expected FIELD=VALUE"),
        ([*RADICAL, "training.steps=1,2"], "expected one value, found several"),
        ([*RADICAL, "training.steps=abc"], "'training.steps=abc': expected a whole number of at least 1, found 'abc'"),
        ([*RADICAL, "training.steps=-5"], "expected a whole number of at least 1"),
        ([*RADICAL, "training.steps=0"], "expected a whole number of at least 1"),
        ([*RADICAL, "training.steps=2.5"], "expected a whole number of at least 1"),
        ([*RADICAL, "training.steps=null"], "expected a whole number of at least 1"),
        ([*RADICAL, "training.gradient_clip=much"], "expected a number above 0, or .inf, found 'much'"),
        ([*RADICAL, "training.gradient_clip=-1"], "expected a number above 0, or .inf, found -1"),
        ([*RADICAL, "training.keep_distribution=1"], "expected true or false, found 1"),
        ([*RADICAL, "training.learning_rate=0.1"], "'training.learning_rate=0.1': expected named fields"),
        ([*RADICAL, "training.learning_rate={warmup: 3}"], "did you mean 'warmup_steps'?"),
        ([*RADICAL, "training.learning_rate={warmup_steps: x}"], "expected a whole number of at least 0, found 'x'"),
        ([*RADICAL, "training.adam_betas=0.9"], "expected 2 items, each a number of at least 0 and below 1, found 0.9"),
        ([*RADICAL, "data.time_base=3"], "expected one of subframe, frame, found 3"),
        (
            [*RADICAL, "training.select=blind_nll"],
            "'training.select=blind_nll': expected one of last, reconstruction_nll",
        ),
        ([*RADICAL, "seed=-1"], "expected a whole number from 0 to 9223372036854775807, found -1"),
        ([*RADICAL, f"seed={2**63}"], "expected a whole number from 0 to 9223372036854775807"),
        ([*ENCODER, "training.blocks.1.steps=3"], "unknown field '1' of 'training.blocks'; known: 0"),
        ([*ENCODER, "training.blocks.0.steps=-3"], "expected a whole number of at least 1"),
        ([*ENCODER, "model.latent_sizes=[1,two]"], "expected a list, each a whole number of at least 1"),
        ([*RADICAL, "model.hyperparameters.dropout_rate=5"], "expected a number of at least 0 and below 1, found 5"),
        ([*RADICAL, "model.hyperparameters.dropout_rate={}"], "expected a number of at least 0 and below 1"),
        ([*RADICAL, "model.sizes.factors=0"], "expected a whole number of at least 1"),
        ([*ENCODER, "search.population=0"], "expected a whole number of at least 1"),
        ([*ENCODER[:3], "search=pbt"], "expected a model of the LFADS family under search=pbt"),
        ([*RADICAL, "search=pbt", "search.jobs=many"], "search.jobs: expected a whole number of at least 0"),
        ([*RADICAL, "search=pbt", "search.generations=10"], "expected fewer than search.generations (10), found 30"),
        (["model=radical", "data=traces", *RADICAL[2:]], "data: unknown field 'normalisation'"),
        ([*RADICAL[:2], "training=avae", *RADICAL[3:]], "training: unknown field 'epochs'"),
        (["model=pca", "data=traces", "training=avae", "search=none"], "training: expected closed_form"),
        ([*RADICAL, "model._target_=os.system"], "expected a choice of files, model=NAME or search=NAME"),
        ([*RADICAL, "training.steps=${threadz}"], "Interpolation key 'threadz' not found"),
        ([*RADICAL, "training.steps=.inf"], "expected a whole number of at least 1"),
        ([*RADICAL, "model.sizes.encoder=0.5", "training.batch_size=-1"], "'training.batch_size=-1': expected a whole"),
        ([*RADICAL, "search=pbt", "+search.hyperparameters.momentum={low: 1}"], "found 'momentum'"),
    ],
)
def test_wrong_words_are_explained(words, said):
    with pytest.raises(UserError) as raised:
        compose_run(ROOT, words, "field 'radical.models.radical'")
    assert str(raised.value).startswith("field 'radical.models.radical': ")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        [*ENCODER, "data.sources=0.4", "data.target_candidates=null", "model.hidden=[8]"],
        ["model=avae", "data=traces", "training=avae", "search=none", "data.partitions={neuron: 5, culture: 10}"],
        ["model=poisson_glm", "data=images", "training=closed_form", "search=none", "++training.steps=100"],
        [*RADICAL, "search=pbt", "~search.hyperparameters.dropout_rate", "search.workers=2"],
    ],
)
def test_other_kinds_that_the_code_understands_pass(words):
    compose_run(ROOT, words)


def test_where_a_workflow_is_planned_pytorch_is_not_imported():
    code = "import sys, calcium_latents.planning.composition; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def copied(tmp_path):
    """A copy of the repository's configuration and code; called, it edits a file and returns digests of two runs."""
    for folder in ("config", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def digests(file=None, old="", new=""):
        if file is not None:
            text = (tmp_path / file).read_text()
            assert old in text
            (tmp_path / file).write_text(text.replace(old, new, 1))
        composition._compose.cache_clear()
        composition._base.cache_clear()
        composition._state.cache_clear()
        return [compose_run(tmp_path, words) for words in (RADICAL, ENCODER)]

    return digests


def test_digests_follow_the_files_and_the_code_of_a_run_and_no_others(copied):
    radical, encoder = copied()
    after, other = copied("config/model/sizes/paper.yaml", "inferred_inputs: 2", "inferred_inputs: 3")  # half's default
    assert after.config_digest != radical.config_digest and after.code_digest == radical.code_digest
    assert other == encoder
    radical = after
    family = "src/calcium_latents/models/lfads/family.py"
    after, other = copied(family, "mul_(options.readout_gain)", "mul_(2 * options.readout_gain)")
    assert after.code_digest != radical.code_digest and after.config_digest == radical.config_digest
    assert other == encoder
    radical = after
    for file, old, new in (
        ("config/model/sizes/paper.yaml", "factors: 100", "factors: 101"),  # half has its own
        ("config/training/published.yaml", "# Optimisation", "# Training"),
        ("src/calcium_latents/models/avae/family.py", "class AvaeFamily", "class AnotherFamily"),
    ):
        assert copied(file, old, new) == [radical, encoder]


def test_a_target_that_is_not_there_is_explained(copied):
    with pytest.raises(
        UserError, match="_target_: expected the class of a family .* 'calcium_latents.models.lfad.family"
    ):
        copied("config/model/radical_published.yaml", "models.lfads.family", "models.lfad.family")
