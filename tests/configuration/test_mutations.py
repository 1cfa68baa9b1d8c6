"""Of thousands of wrong values, none passes planning to fail later, and none prints a traceback.

Values that pass are of two kinds: those of `HARMLESS`, which change numbers and sizes within the declared ranges, and
those that `VALID` names, each of which was looked at. Whatever else passes is a hole in a declaration.
"""

import random
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import yaml
from mutations import Mutation, mutated, mutations

from calcium_latents.configuration import load_configuration, loading, read_scale
from calcium_latents.configuration.documentation import declared_runs
from calcium_latents.errors import UserError
from calcium_latents.planning.composition import compose_run
from calcium_latents.planning.inputs import claim_inputs, figure_inputs
from calcium_latents.planning.plan import Plan
from calcium_latents.planning.runs import check_run

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"data_directory": None, "recordings_file": None}
SCALES = ("smoke", "quick", "paper")
#: Kinds that leave a value of the same type behind, or none where a default stands; the declared range decides.
HARMLESS = {"removed", "one", "thousandfold"}
#: kind -> fields that take such a value
VALID = {
    "zero": "*seed *noise *noise_* *_noise *gpu *overlap_s *least *_share *_fraction *_probability *.shares.* *lag_s"
    " *delay_s *s_min *burn_in_steps *conditions *readout_sd *place_radius_px *whole_maps *screening_steps *start_power"
    " *span_s *shown_s *surrogates *longest_gap_s *exponent *surround_weight* *spike_size_noise_sd",
    "null": "*avae.sets.*.neurons *published_samples *clustered *latent_size *clusters *check.reach_px *check.contrasts"
    " *whole_maps *neurons_per_cluster *surrogates *s_min *decay_time_limits_s *silent_probability *bin_width_s",
    "negative": "*s_min *lag_s *delay_s",
    "fraction": "*label_hz *meis.images.norm *extent_px",
    "zeros": "*seeds *discarded_s *surround_weights *pulse_strength",
    "backwards": "*seeds *shape *solvable_network.* *roles_benchmark.* *.gabors.* *.differences.* *gabor_selection.*",
    "shorter": "*overrides *groups *run *solvable_network.* *datasets *sizes_px *cycles_per_size *centres_px *contrasts"
    " *coverage *difficulties.* *delay_noise *convergence.models *figures.*",
    "empty": "*overrides *datasets *temperatures",
    "twice": "*overrides",
    "misspelt": "*label *.recording.* *natural_scenes.folder",  # words; files of a dataset that is left out
    "text": "*.recording.*_images *.recording.*_responses",  # the name of a file, instead of fields
    "list": "*.recording.*_responses",  # one an animal
    "unknown": "*.recording.*.sizes",  # names of axes are the user's
}


def passes(mutation: Mutation) -> bool:
    """Whether a value that passes planning is one that may."""
    return mutation.kind in HARMLESS or any(fnmatch(mutation.place, one) for one in VALID[mutation.kind].split())


def planned(config):
    """Do what Snakefile does before any rule runs."""
    plan = Plan(load_configuration(config, ROOT), ROOT)
    plan.compose_all()
    for study in plan.studies:
        figure_inputs(plan, study)
        claim_inputs(plan, study)


def outcome(mutation: Mutation, plan) -> str | None:
    """Return what is wrong with how a mutation is taken: it passes and should not, or the message names no field."""
    try:
        plan()
    except UserError as error:
        names = [str(part) for part in mutation.path if isinstance(part, str)]
        return None if any(name in str(error) for name in names) else f"{mutation.place} {mutation.kind}: {error}"
    if passes(mutation) if mutation.kind in VALID | dict.fromkeys(HARMLESS) else False:
        return None
    return f"{mutation.place}: {mutation.kind} passes ({mutation.value!r})"


@pytest.fixture(scope="module")
def scales():
    """Scale -> its sections, read once."""
    return {scale: read_scale(ROOT, scale) for scale in SCALES}


@pytest.mark.parametrize(("scale", "number"), [("smoke", 500), ("quick", 120), ("paper", 120)])
def test_no_wrong_value_of_a_scale_passes(scale, number, scales, monkeypatch):
    every = list(mutations(scales[scale]))
    assert len(every) > 5000
    wrong = []
    for mutation in random.Random(f"{scale} 1").sample(every, number):
        monkeypatch.setattr(loading, "read_scale", lambda root, name, m=mutation: mutated(scales[name], m))
        wrong.append(outcome(mutation, lambda: planned(CONFIG | {"scale": scale})))
    assert not [line for line in wrong if line]


def test_no_wrong_value_of_the_configuration_passes(scales, monkeypatch):
    monkeypatch.setattr(loading, "read_scale", lambda root, name: scales[name])
    config = CONFIG | {"scale": "smoke"}
    wrong = []
    for mutation in mutations({name: config[name] for name in ("scale", "studies", "seed")}):
        if (mutation.path, mutation.kind) in PASSING:
            planned(mutated(config, mutation))
        else:
            wrong.append(outcome(mutation, lambda m=mutation: planned(mutated(config, m))))
    assert not [line for line in wrong if line]


#: Of config/config.yaml: one study less, in another order; other seeds.
PASSING = {
    (("studies",), "shorter"),
    (("seed",), "zero"),
    (("seed",), "one"),
    (("seed",), "thousandfold"),
}


@pytest.mark.parametrize("name", ["nothing", "resources", "scale", "radicl"])
def test_what_is_no_study_is_refused(name, scales, monkeypatch):
    monkeypatch.setattr(loading, "read_scale", lambda root, name: scales[name])
    for studies in ([name], name):  # a single name is a list of one
        with pytest.raises(UserError, match=f"'studies': unknown study '{name}'"):
            load_configuration(CONFIG | {"scale": "smoke", "studies": studies}, ROOT)
    assert load_configuration(CONFIG | {"scale": "smoke", "studies": "radical"}, ROOT)["studies"] == ["radical"]


#: Words of one run of each family.
RUNS = {
    "lfads": ["model=radical", "data=subframe", "training=recording", "search=none"],
    "pbt": ["model=radical", "data=frames", "training=smoke", "search=pbt"],
    "avae": ["model=avae", "data=traces", "training=avae", "search=none"],
    "avae_plus": ["model=avae_plus", "data=traces", "training=avae_plus", "search=none"],
    "pca": ["model=pca", "data=traces", "training=closed_form", "search=none"],
    "cross_encoder": ["model=cross_encoder", "data=pairs", "training=cross_encoder", "search=restarts"],
    "reduced_rank": ["model=reduced_rank_regression", "data=pairs", "training=closed_form", "search=none"],
    "digital_twin": ["model=digital_twin", "data=images", "training=digital_twin", "search=none"],
    "poisson_glm": ["model=poisson_glm", "data=images", "training=closed_form", "search=none"],
}
#: kind -> fields of Hydra's groups that take such a value
VALID_IN_RUNS = {
    "zero": "*l2 *_kl *sigmoid_scale_prior *gain *hold_fraction *final_fraction *dropout_rate *warmup_steps *length"
    " *least_steps *weight_average *posterior_samples *seed *smallest_gain *decay *original *joints *probability"
    " *shift_sd_s *refinements *most_latents *smoothness *sparsity *readout *readout_factor *projection *buffer_s"
    " *shot *additive *multiplicative *shared *copies *grid_* *first_generation_epochs *finish_generations *jobs"
    " *minimum_improvement *initial *low",
    "zeros": "*betas *adam_betas *lifts *_layers",
    "null": "*plateau *split_seed *target_candidates *reported_latent_size *max_ranks *patience *members_at_once"
    " *workers *initial",
    "negative": "",
    "negatives": "*lifts",
    "fraction": "*sources *targets *gradient_clip *adam_betas",
    "infinite": "*gradient_clip *state_clip",
    "backwards": "*latent_sizes *features *kernels *betas *lifts *penalties *linear_sizes *splits *fractions *_layers"
    " *hidden",
    "shorter": "*latent_sizes *betas *lifts *penalties *linear_sizes *splits *blocks",
    "twice": "*betas *lifts *penalties *linear_sizes *splits *latent_sizes *hidden *blocks",
    "empty": "*hidden",
    "misspelt": "*name",
    "mapping": "",
    "unknown": "*training",  # of a model in closed form, which reads none
}


@pytest.mark.parametrize("run", RUNS)
def test_no_wrong_value_of_a_run_passes(run):
    base = compose_run(ROOT, RUNS[run]).config
    wrong, refused = [], 0
    for mutation in mutations({group: base[group] for group in ("model", "data", "training", "search")}):
        if "_target_" in mutation.path:
            continue  # which words may not change
        try:
            check_run(mutated(base, mutation))
        except UserError:
            refused += 1
            continue
        known = VALID_IN_RUNS.get(mutation.kind, "").split()
        if mutation.kind not in HARMLESS and not any(fnmatch(mutation.place, one) for one in known):
            wrong.append(f"{mutation.place}: {mutation.kind} passes ({mutation.value!r})")
    assert refused > 50 and not wrong


def test_all_families_are_among_the_runs():
    assert len(declared_runs()) == len({words[0] for words in RUNS.values()})


@pytest.fixture
def entry(tmp_path, monkeypatch, scales):
    """Plan a run of one recording of 600 frames of 20 neurons at 30 Hz; called with changes of its entry."""
    monkeypatch.setattr(loading, "read_scale", lambda root, name: scales[name])
    np.save(tmp_path / "traces.npy", np.random.default_rng(1).normal(size=(600, 20)))
    np.save(tmp_path / "offsets.npy", np.zeros(20))
    (tmp_path / "trials.csv").write_text("start_s,condition\n1.0,a\n3.0,b\n5.0,a\n7.0,b\n")
    (tmp_path / "behaviour.csv").write_text("time_s,speed_cm_s\n0,1\n10,2\n")

    def plan(**changes):
        given = {"file": "traces.npy", "sampling_rate_hz": 30, "is_dff": True, "studies": ["recordings"]} | changes
        given = {name: value for name, value in given.items() if value is not ...}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"recordings": {"mine": given}}))
        chosen = {"scale": "smoke", "studies": ["recordings", "cross_encoder"], "recordings_file": "mine.yaml"}
        monkeypatch.setattr(loading, "read_recordings", lambda _, origin: READ(tmp_path / "mine.yaml", origin))
        planned(CONFIG | chosen | {"data_directory": str(tmp_path)})

    return plan


READ = loading.read_recordings


def test_entries_that_can_be_meant_pass(entry):
    entry()
    entry(sample_offsets="offsets.npy", trials="trials.csv", behaviour="behaviour.csv", bin_width_s=None)
    entry(windows={"length_s": 2.0, "overlap_s": 1.0}, neurons=[0, 19], orientation="frames x neurons")
    entry(studies=["cross_encoder"], chunk_s=2.0, buffer_s=1.2, trials="trials.csv", response_window_s=0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"windows": {"length_s": 21.0}}, "windows length_s: expected at most the recording's 20 s, found 21 s"),
        ({"windows": {"length_s": 0.3}}, "windows.overlap_s': expected less than length_s"),
        ({"windows": {"length_s": 1.0, "overlap_s": 1.0}}, "overlap_s': expected less than length_s"),
        ({"windows": {"length_s": -1}}, "length_s': expected a number above 0"),
        ({"trials": "trial.csv"}, "trials': expected an existing file, found 'trial.csv'"),
        ({"trials": {"starts_s": "trial.csv"}}, "trials': expected an existing file"),
        ({"trials": "behaviour.csv"}, "start_s: expected a column of times in s"),
        ({"sample_offsets": "offset.npy"}, "sample_offsets': expected an existing file"),
        ({"sample_offsets": "traces.npy", "file": "offsets.npy"}, "key: expected a matrix of numbers"),
        ({"behaviour": "speed.csv"}, "behaviour': expected an existing file"),
        ({"behaviour": "trials.csv"}, "expected the columns ['time_s']"),
        ({"file": "trace.npy"}, "file': expected an existing file or folder"),
        ({"file": ""}, "file': expected text, found ''"),
        ({"file": "trials.csv"}, "trials.csv"),
        ({"sampling_rate_hz": ...}, "sampling_rate_hz: expected imaging frames per second"),
        ({"sampling_rate_hz": "30 Hz"}, "sampling_rate_hz': expected a number above 0, found '30 Hz'"),
        ({"is_dff": ...}, "is_dff: expected true or false"),
        ({"orientation": "neurons x frames", "neurons": [600]}, "neurons: expected numbers below 600, found 600"),
        ({"neurons": [20]}, "neurons: expected numbers below 20, found 20"),
        ({"response_window_s": 0.5}, "response_window_s': it needs 'trials'"),
        ({"studies": ["cross_encoder"]}, "expected at least 3 chunks of 10 s with 2 s between"),
        ({"studies": ["cross_encoder"], "chunk_s": 2.0, "buffer_s": 0.5}, "data.buffer_s: expected at least a window"),
        ({"studies": ["radical"]}, "expected studies that take recordings"),
    ],
)
def test_entries_that_cannot_be_meant_are_refused(entry, changes, said):
    with pytest.raises(UserError, match=r"mine(\.yaml)?") as raised:
        entry(**changes)
    assert said in str(raised.value)
