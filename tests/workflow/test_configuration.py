"""What is wrong in a configuration is named with file, field, expected and found."""

import copy
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from calcium_latents.configuration import check, load_configuration, merge, read_scale
from calcium_latents.errors import UserError
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters

ROOT = Path(__file__).resolve().parents[2]
SCALES = sorted(path.parent.name for path in (ROOT / "config/scale").glob("*/scale.yaml"))
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
        ({"scale": "huge"}, "scale", "expected one of paper, quick, smoke, found 'huge'"),
        ({"studies": ["radical", "avee"]}, "studies", "unknown field 'avee'"),
        ({"sede": 1}, "top level", "did you mean 'seed'?"),
        ({"seed": -1}, "seed", "expected a number of at least 0, found -1"),
        ({"radical": {"seeds": [2**64]}}, "radical.seeds.0", "expected a number of at most 18446744073709551615"),
        ({"data_directory": "/nowhere/at/all"}, "data_directory", "expected an existing folder"),
        ({"radical": {"simulation": {"neuron": 3}}}, "radical.simulation", "did you mean 'neurons'?"),
        (
            {"radical": {"simulation": {"neurons": "many"}}},
            "radical.simulation.neurons",
            'expected integer, found "many"',
        ),
        (
            {"radical": {"simulation": {"integrator": "rk4"}}},
            "simulation.integrator",
            "one of euler, runge_kutta",
        ),
        ({"radical": {"seeds": []}}, "radical.seeds", "expected at least 1 item(s)"),
        ({"radical": {"run": ["lorenz-8hz"]}}, "radical.run", "found 'lorenz-8hz'"),
        ({"radical": {"figures": {"activity": "lorenz-1hz"}}}, "figures.activity", "found 'lorenz-1hz'"),
        ({"radical": {"convergence": {"models": ["lfads"]}}}, "convergence.models", "found 'lfads'"),
        ({"recordings": {"held_out_fraction": 1}}, "recordings.held_out_fraction", "below 1, found 1"),
        ({"avae": {"run": ["noise-3"]}}, "avae.run", "found 'noise-3'"),
        ({"avae": {"figures": {"examples": "noise-3"}}}, "avae.figures.examples", "found 'noise-3'"),
        ({"avae": {"datasets": {"mine": {"label": "mine"}}}}, "datasets.mine", "either set and noise or recordings"),
        ({"digital_twin": {"run": ["indepent"]}}, "digital_twin.run", "found 'indepent'"),
        ({"digital_twin": {"datasets": {"mine": {"label": "m"}}}}, "datasets.mine", "parameters"),
        ({"avae": {"scores": {"permutation": 20}}}, "avae.scores", "did you mean 'permutations'?"),
        ({"resources": {"train": {"memory": 3}}}, "resources.train", "unknown field 'memory'"),
    ],
)
def test_wrong_values_are_explained(change, field, said):
    with pytest.raises(UserError) as raised:
        load_configuration(merge(CONFIG, {"scale": "smoke"}) | change, ROOT)
    assert "config/" in str(raised.value)
    assert field in str(raised.value)
    assert said in str(raised.value)


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


def test_the_schema_knows_every_parameter_of_the_simulation():
    schema = yaml.safe_load((ROOT / "workflow/schemas/radical.schema.yaml").read_text())
    known = set(schema["properties"]["simulation"]["properties"])
    assert known == {field.name for field in fields(LorenzRecordingParameters)}


def test_schemas_know_every_parameter_of_the_other_studies():
    from calcium_latents.metrics.clustering import Settings
    from calcium_latents.simulation.culture.culture_parameters import CultureGroup, CultureSet
    from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters
    from calcium_latents.studies.avae.commands import score_avae
    from calcium_latents.studies.cross_encoder.solvable_network import SolvableNetworkParameters
    from calcium_latents.studies.latent_contributions import contribution_run, roles_benchmark

    def properties(study):
        return yaml.safe_load((ROOT / f"workflow/schemas/{study}.schema.yaml").read_text())["properties"]

    encoder, contributions = properties("cross_encoder"), properties("latent_contributions")
    application = contributions["applications"]["additionalProperties"]["properties"]
    assert set(encoder["population"]["properties"]) == {field.name for field in fields(LatentPopulationParameters)}
    known = set(encoder["solvable_network"]["properties"])
    assert known == {field.name for field in fields(SolvableNetworkParameters)}
    assert set(contributions["roles_benchmark"]["properties"]) == set(roles_benchmark.DEFAULTS)
    assert set(application["parameters"]["properties"]) == set(contribution_run.DEFAULTS)
    cultures = properties("avae")["sets"]["additionalProperties"]["properties"]
    assert set(cultures) == {field.name for field in fields(CultureSet)}
    assert set(cultures["groups"]["items"]["properties"]) == {field.name for field in fields(CultureGroup)}
    known = {field.name for field in fields(Settings)} | {*score_avae.OF_TABLE} - {"map"}  # the workflow's own
    assert set(properties("avae")["scores"]["properties"]) == known


@pytest.mark.parametrize("scale", ["smoke", "quick", "paper"])
def test_every_population_and_network_of_a_scale_is_valid(scale):
    from calcium_latents.simulation.culture.culture_parameters import CultureSet
    from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters
    from calcium_latents.studies.cross_encoder.solvable_network import SolvableNetworkParameters
    from calcium_latents.studies.latent_contributions import roles_benchmark

    section = read_scale(ROOT, scale)["cross_encoder"]
    for dataset in section["datasets"].values():
        LatentPopulationParameters.from_mapping({**section["population"], **dataset["parameters"]})
    SolvableNetworkParameters.from_mapping(section["solvable_network"])
    for cultures in read_scale(ROOT, scale)["avae"]["sets"].values():
        CultureSet.from_mapping(cultures)
    roles_benchmark.settings(read_scale(ROOT, scale)["latent_contributions"]["roles_benchmark"])


@pytest.mark.parametrize("scale", ["smoke", "quick", "paper"])
def test_every_parameter_of_the_digital_twin_is_valid(scale):
    """The schema leaves the commands' parameters open: the commands' own classes know them."""
    from calcium_latents.configuration import merge
    from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import VisualCortexExperiment
    from calcium_latents.studies.digital_twin.commands.align_bar_codes import study_options
    from calcium_latents.studies.digital_twin.optimal_stimuli import gabor_study
    from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_clusters import ClusterSettings
    from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import SearchSettings
    from calcium_latents.studies.digital_twin.optimal_stimuli.mei_study import MeiStudyParameters
    from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid
    from calcium_latents.studies.digital_twin.second_scan.gabor_selection import ScanParameters
    from calcium_latents.studies.digital_twin.tuning.tuning_experiments import ExperimentSettings

    section = read_scale(ROOT, scale)["digital_twin"]
    for dataset in section["datasets"].values():
        if "parameters" in dataset:
            VisualCortexExperiment.from_mapping(merge(section["simulated"], dataset["parameters"]))
    study_options(section["bar_codes"])
    stimuli = {"gabors": GaborGrid, "differences": DifferenceGrid, "search": SearchSettings}
    stimuli |= {"clusters": ClusterSettings, "check": gabor_study.CheckSettings}
    assert set(section["optimal_stimuli"]) <= {*stimuli, "seed", "share_places", "precision"}
    for name, known in stimuli.items():
        known.from_mapping(section["optimal_stimuli"].get(name, {}))
    ExperimentSettings.from_mapping(section["experiments"])
    MeiStudyParameters.from_mapping(section["meis"])
    ScanParameters.from_mapping(section["gabor_selection"])


def test_the_dataset_of_recordings_that_is_shown_is_valid():
    """The commented example of the scale paper, as a user would uncomment it, alone in a run."""
    (line,) = re.findall(r"^ +# (my-cultures: .*)$", (ROOT / "config/scale/paper/avae.yaml").read_text(), re.MULTILINE)
    change = {"run": ["my-cultures"], "datasets": yaml.safe_load(line)}
    settings = load_configuration(CONFIG | {"scale": "paper", "avae": change}, ROOT)
    assert settings["avae"]["datasets"]["my-cultures"]["conditions"] is True


def test_every_parameter_of_the_paper_is_valid_for_the_simulation():
    section = read_scale(ROOT, "paper")["radical"]
    for dataset in section["datasets"].values():
        LorenzRecordingParameters.from_mapping({**section["simulation"], **dataset["parameters"]})


def test_recording_entries_that_are_shown_are_valid():
    text = (ROOT / "config/recordings.yaml").read_text()
    entries = yaml.safe_load(re.sub(r"^  # ", "  ", text, flags=re.MULTILINE))  # prose has ##
    schema = ROOT / "workflow/schemas/recording_files.schema.yaml"
    assert len(check(copy.deepcopy(entries), schema, "config/recordings.yaml")["recordings"]) == 8
    with pytest.raises(UserError, match="did you mean 'sampling_rate_hz'"):
        check({"recordings": {"a": {"file": "x", "sampling_rate": 3}}}, schema, "config/recordings.yaml")
    with pytest.raises(UserError, match="expected the field\\(s\\) file"):
        check({"recordings": {"a": {"key": "x"}}}, schema, "config/recordings.yaml")


def test_nested_overrides_of_the_command_line_get_their_types():
    """Snakemake hands over nested values of --config as strings."""
    from snakemake.cli import parse_config

    given = parse_config(['radical={"seeds": [1, 2, 3], "evaluation": {"lag_sweep": false, "lag_s": 0.02}}'])
    settings = load_configuration(CONFIG | given, ROOT)
    assert settings["radical"]["seeds"] == [1, 2, 3]
    assert settings["radical"]["evaluation"] == {"lag_s": 0.02, "lag_sweep": False}
    assert settings["radical"]["deconvolution"]["method"] == "oasis"
