"""What is wrong in a configuration is named with file, field, expected and found; every run composes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from calcium_latents.configuration import load_configuration, merge, read_scale
from calcium_latents.configuration.loading import read_recordings, rule_names
from calcium_latents.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCALES = sorted(path.parent.name for path in (ROOT / "config/scale").glob("*/scale.yaml"))
TAKERS = ["avae", "cross_encoder", "recordings"]  # studies that take recordings
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"data_directory": None}


@pytest.mark.parametrize("scale", SCALES)
def test_scales_are_valid(scale):
    settings = load_configuration(CONFIG | {"scale": scale}, ROOT)
    assert settings["scale"] == scale
    assert set(settings["radical"]["run"]) <= set(settings["radical"]["datasets"])


@pytest.mark.parametrize("scale", SCALES)
def test_scales_change_numbers_not_code_paths(scale):
    paper, other = read_scale(ROOT, "paper"), read_scale(ROOT, scale)
    assert set(paper) == set(other)
    for study in CONFIG["studies"]:
        assert set(paper[study]) == set(other[study])


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"scale": "huge"}, "scale", "expected one of demo, paper, quick, searches, smoke, found 'huge'"),
        ({"studies": ["radical", "avee"]}, "studies", "unknown study 'avee'; did you mean 'avae'?"),
        ({"sede": 1}, "top level", "did you mean 'seed'?"),
        ({"seed": -1}, "seed", "expected a whole number from 0 to 9223372036854775807, found -1"),
        ({"radical": {"seeds": [2**63]}}, "radical.seeds", "9223372036854775807"),
        ({"data_directory": "/nowhere/at/all"}, "data_directory", "expected an existing folder"),
        ({"radical": {"simulation": {"neuron": 3}}}, "radical.simulation", "did you mean 'neurons'?"),
        (
            {"radical": {"simulation": {"neurons": "many"}}},
            "radical.simulation.neurons",
            "expected a whole number of at least 1, found 'many'",
        ),
        (
            {"radical": {"simulation": {"integrator": "rk4"}}},
            "simulation.integrator",
            "one of euler, runge_kutta",
        ),
        ({"radical": {"seeds": []}}, "radical.seeds", "at least 1 item(s)"),
        ({"radical": {"run": ["lorenz-8hz"]}}, "radical.run", "found 'lorenz-8hz'"),
        ({"radical": {"figures": {"activity": "lorenz-1hz"}}}, "figures.activity", "found 'lorenz-1hz'"),
        ({"radical": {"convergence": {"models": ["lfads"]}}}, "convergence.models", "found 'lfads'"),
        ({"recordings": {"held_out_fraction": 1}}, "recordings.held_out_fraction", "below 1, found 1"),
        ({"recordings": {"held_out_run_s": 0}}, "recordings.held_out_run_s", "above 0, found 0"),
        ({"avae": {"run": ["noise-3"]}}, "avae.run", "found 'noise-3'"),
        ({"avae": {"figures": {"examples": "noise-3"}}}, "avae.figures.examples", "found 'noise-3'"),
        ({"avae": {"datasets": {"mine": {"label": "mine"}}}}, "datasets.mine", "either set and noise or recordings"),
        ({"digital_twin": {"run": ["indepent"]}}, "digital_twin.run", "found 'indepent'"),
        ({"digital_twin": {"datasets": {"mine": {"label": "m"}}}}, "datasets.mine", "parameters"),
        ({"avae": {"scores": {"permutation": 20}}}, "avae.scores", "did you mean 'permutations'?"),
        ({"resources": {"train": {"memory": 3}}}, "resources.train", "unknown field 'memory'"),
        ({"resources": {"trian": {"gpu": 1}}}, "resources", "unknown field 'trian'; did you mean 'train'?"),
        (
            {"radical": {"datasets": {"lorenz-7hz": {"parameters": {"neuron": 3}}}}},
            "radical.datasets.lorenz-7hz.parameters",
            "did you mean 'neurons'?",
        ),
        (
            {"digital_twin": {"meis": {"images": {"steps": 0}}}},
            "digital_twin.meis.images.steps",
            "expected a whole number of at least 1, found 0",
        ),
        (
            {"digital_twin": {"datasets": {"dependent": {"parameters": {"neurons": {"neurons": 1}}}}}},
            "digital_twin.datasets.dependent.parameters.animals",
            "at most one an animal",
        ),
        (
            {"cross_encoder": {"datasets": {"images": {"parameters": {"manifold": "ball"}}}}},
            "cross_encoder.datasets.images.parameters.manifold",
            "one of ring, sphere, gaussian",
        ),
        (
            {"avae": {"sets": {"cultures": {"groups": [{"label": "RS", "parameters": {"noise": -1}}]}}}},
            "avae.sets.cultures.groups.RS.parameters.noise",
            "of at least 0, found -1",
        ),
    ],
)
def test_wrong_values_are_explained(change, field, said):
    with pytest.raises(UserError) as raised:
        load_configuration(merge(CONFIG, {"scale": "smoke"}) | change, ROOT)
    assert "config/" in str(raised.value)
    assert field in str(raised.value)
    assert said in str(raised.value)


def test_resources_are_granted_to_rules_of_studies_that_are_not_run():
    names = rule_names(ROOT)
    assert {"train", "figure", "score_avae", "find_meis"} <= names
    assert not {"trian", "search_worker"} & names  # the latter takes what is granted to train
    settings = load_configuration(CONFIG | {"scale": "smoke", "studies": ["radical"]}, ROOT)
    assert set(settings["resources"]) <= {"default", *names} and "find_meis" in settings["resources"]


def test_planning_needs_no_heavy_package():
    """What configuration imports is read when the workflow is only planned."""
    program = (
        "import sys, yaml; from pathlib import Path; from calcium_latents.configuration import load_configuration;"
        f"root = Path({str(ROOT)!r}); config = yaml.safe_load((root / 'config/config.yaml').read_text());"
        "load_configuration(config, root); print(*{name.split('.')[0] for name in sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "matplotlib", "xarray", "pandas", "numpy", "scipy", "sklearn", "hydra", "omegaconf"} & {*found}


def test_all_faults_are_named_at_once():
    change = {"radical": {"seeds": [], "simulation": {"neurons": 0, "rho": "x"}}}
    with pytest.raises(UserError) as raised:
        load_configuration(CONFIG | {"scale": "smoke"} | change, ROOT)
    assert len(str(raised.value).splitlines()) == 3


def test_a_section_of_the_config_overrides_single_fields():
    settings = load_configuration(CONFIG | {"scale": "smoke", "radical": {"simulation": {"neurons": 7}}}, ROOT)
    before = load_configuration(CONFIG | {"scale": "smoke"}, ROOT)
    assert settings["radical"]["simulation"] == before["radical"]["simulation"] | {"neurons": 7}


@pytest.mark.parametrize("name", ["broken/radical.yaml", "loop/scale.yaml"])
def test_broken_scale_files_are_explained(tmp_path, name):
    for file, text in {"broken/radical.yaml": "run: [1, 2\nseeds: {", "loop/scale.yaml": "base: loop\n"}.items():
        path = tmp_path / "config/scale" / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "config/scale/broken/scale.yaml").write_text("base: null\n")
    with pytest.raises(UserError, match=name):
        read_scale(tmp_path, Path(name).parent.name)


def test_the_dataset_of_recordings_that_is_shown_is_valid():
    """The commented example of the scale paper, as a user would uncomment it, alone in a run."""
    (line,) = re.findall(r"^ +# (my-cultures: .*)$", (ROOT / "config/scale/paper/avae.yaml").read_text(), re.MULTILINE)
    change = {"run": ["my-cultures"], "datasets": yaml.safe_load(line)}
    settings = load_configuration(CONFIG | {"scale": "paper", "avae": change}, ROOT)
    assert settings["avae"]["datasets"]["my-cultures"]["conditions"] is True


def test_recording_entries_that_are_shown_are_valid(tmp_path):
    text = (ROOT / "config/recordings.yaml").read_text()
    path = tmp_path / "recordings.yaml"
    path.write_text(re.sub(r"^  # ", "  ", text, flags=re.MULTILINE))  # prose has ##
    entries = read_recordings(path, "recordings.yaml")
    assert len(entries) == 10
    assert entries["my-session"] == {"file": "/data/session.nwb", "studies": TAKERS, "optional": False}
    for entry, said in {
        "{file: x, sampling_rate: 3}": "recordings.a: unknown field 'sampling_rate'; did you mean 'sampling_rate_hz'",
        "{key: x}": "recordings.a': expected the field.s. file, found only key",
        "{file: x, neuropil: {coefficient: -1}}": "recordings.a.neuropil.coefficient': expected a number from 0 to 2",
        "{file: x, trials: {starts_s: [1, x]}}": "recordings.a.trials.starts_s': expected a list, each a number or",
        "{file: x, studies: [avea]}": "recordings.a.studies': expected studies that take recordings .*, found 'avea'",
        "{file: x, format: hdf5}": "recordings.a.format': expected one of auto, arrays",
        "{file: x, key: null}": "recordings.a.key': expected text, found None",
    }.items():
        path.write_text(f"recordings: {{a: {entry}}}")
        with pytest.raises(UserError, match=said.replace("recordings.a:", "recordings.a':")):
            read_recordings(path, "recordings.yaml")
    path.write_text("recordings: {a b: {file: x}}")
    with pytest.raises(
        UserError, match="field 'recordings': expected names .* of letters, digits, - and _, found 'a b'"
    ):
        read_recordings(path, "recordings.yaml")


def test_nested_overrides_of_the_command_line_get_their_types():
    """Snakemake hands over nested values of --config as strings."""
    from snakemake.cli import parse_config

    given = parse_config(['radical={"seeds": [1, 2, 3], "evaluation": {"lag_sweep": false, "lag_s": 0.02}}'])
    settings = load_configuration(CONFIG | given, ROOT)
    assert settings["radical"]["seeds"] == [1, 2, 3]
    assert settings["radical"]["evaluation"] == {"lag_s": 0.02, "lag_sweep": False}
    assert settings["radical"]["deconvolution"]["method"] == "oasis"
