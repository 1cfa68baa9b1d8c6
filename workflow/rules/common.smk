# Configuration and the helpers of all rules.
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))  # the package need not be installed where the workflow is only planned

from calcium_latents.composition import compose_run
from calcium_latents.configuration import find_recording, load_configuration, merge
from calcium_latents.errors import UserError
from calcium_latents.provenance import code_digest

# The rules' processes find the package in their conda environments, too.
SEARCH_PATH = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(SEARCH_PATH)}; ")

try:
    SETTINGS = load_configuration(config, ROOT)
except UserError as error:
    raise WorkflowError(f"the configuration is not valid:\n{error}") from None

SCALE = SETTINGS["scale"]
SEED = SETTINGS["seed"]
STUDIES = SETTINGS["studies"]
CHOSEN_BY = f"config/scale/{SCALE} (or --config)"  # where a study's fields stand, for messages
FIGURES = {}  # study -> figure -> input name -> files
CLAIMS = {}  # input name -> files of the table of claims
TARGETS = {}  # study -> files beside its figures


def one_of(names):
    """Return the wildcard constraint for `names`."""
    return "|".join(sorted(names)) or "nothing_configured"


def section(wildcards):
    """Return the study's section of the scale."""
    return SETTINGS[wildcards.study]


def parameters(*path):
    """Return a function of wildcards: the value at `path` of the study's section, as one shell word of JSON.

    A part of the path in braces is the value of that wildcard.
    """

    def value(wildcards):
        value = section(wildcards)
        for part in path:
            value = value[part.format(**wildcards)]
        return shlex.quote(json.dumps(value))

    return value


def code(*modules):
    """Return the digest of the modules of this package that a rule runs; as a rule's parameter it triggers reruns."""
    return code_digest(f"calcium_latents.{module}" for module in modules)


def resource(rule, field):
    """Return what the scale grants `rule`: threads, mem_mb, runtime (minutes) or gpu."""
    resources = SETTINGS["resources"]
    return resources.get(rule, {}).get(field, resources["default"][field])


def datasets(study):
    """Return the names of the study's datasets."""
    if study == "recordings":
        return recordings_of(study)
    return SETTINGS[study]["run"]


def runs(study, dataset, variants=False):
    """Return the directories, below the dataset's, of all methods' results: smoothing baselines, then models.

    Models that are not scored (variants of another) only come with `variants`.
    """
    settings = SETTINGS[study]
    first, *_ = settings["seeds"]
    directories = [f"{method}/seed-{first}" for method in settings.get("smoothing", {})]
    for model, choice in settings["models"].items():
        if dataset in choice.get("datasets", [dataset]) and (variants or choice["scored"]):
            directories += [f"{model}/seed-{seed}" for seed in choice.get("seeds", settings["seeds"])]
    return directories


def inferred_files(wildcards):
    """Return the results of all methods on one dataset."""
    return inferred_of(wildcards.get("study", "recordings"), wildcards.dataset)


def inferred_of(study, dataset):
    """Return the results of all methods on a dataset."""
    return [box(study, dataset, f"{run}/output.nc") for run in runs(study, dataset)]


def first(name, names):
    """Return `names` with `name` at the front."""
    return [name, *(other for other in names if other != name)]


def deconvolution_environment(study):
    """Return the conda environment of the study's deconvolution method: CaImAn needs its own."""
    method = SETTINGS[study]["deconvolution"]["method"]
    return "../../envs/caiman.yaml" if method == "caiman" else BASE_ENVIRONMENT


def deconvolution_code(command, study):
    """Return the digest of a command that deconvolves by the study's method, which it imports by name."""
    return code(command, f"deconvolution.{SETTINGS[study]['deconvolution']['method']}")


def model_of(run):
    """Return the model of a results directory `model/seed-1`."""
    return os.path.dirname(run)


def training_arguments(wildcards):
    """Return Hydra's overrides for one model."""
    return " ".join(
        shlex.quote(word) for word in training_words(wildcards.study, wildcards.dataset, wildcards.model)
    )


def training_words(study, dataset, model):
    """Return Hydra's overrides for one model, a list."""
    choice = SETTINGS[study]["models"][model]
    groups = [f"{group}={choice[group]}" for group in ("data", "training", "search")]
    return [f"model={model}", *groups, *choice["overrides"], *dataset_overrides(study, dataset)]


def composed(study, dataset, model):
    """Return the training command's configuration for one model, and its digests."""
    try:
        place = f"{CHOSEN_BY}, field '{study}.models.{model}' (dataset '{dataset}')"
        return compose_run(ROOT, training_words(study, dataset, model), place)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def search_workers(wildcards):
    """Return the files by which a search's own jobs (`search.jobs`) say that it has ended; none where the training job
    does it alone."""
    jobs = composed(wildcards.study, wildcards.dataset, wildcards.model).config["search"].get("jobs", 0)
    folder = f"{wildcards.model}/seed-{wildcards.seed}"
    names = [f"{folder}/search-worker-{number}.done" for number in range(1, jobs + 1)]
    return [box(wildcards.study, wildcards.dataset, name) for name in names]


def dataset_overrides(study, dataset):
    """Return Hydra's overrides that belong to a dataset: its own, or a user's recording's under the cross-encoder."""
    if study == "cross_encoder" and dataset in recordings_of("cross_encoder"):
        own = {key: RECORDINGS[dataset].get(key) for key in ("chunk_s", "buffer_s")}
        chunks = [f"data.{key}={value}" for key, value in own.items() if value is not None]
        return [*SETTINGS["cross_encoder"]["recordings"]["overrides"], *chunks]
    if study == "avae" and dataset in recordings_of("avae"):
        return SETTINGS["avae"]["recordings"]["overrides"]
    return SETTINGS[study].get("datasets", {}).get(dataset, {}).get("overrides", [])


def trained_on(wildcards):
    """Return the file that a study's models are trained on: events, traces of single neurons, responses to images."""
    file = {"avae": "traces.nc", "digital_twin": "responses.nc"}.get(wildcards.study, "events.nc")
    return box(wildcards.study, wildcards.dataset, file)


def methods(files, study, dataset):
    """Return the results of a study's models as repeated `--embedding METHOD=FILE`, in the order of `runs`."""
    names = [model_of(run) for run in runs(study, dataset)]
    return " ".join(f"--embedding {shlex.quote(f'{name}={file}')}" for name, file in zip(names, files))


def joined_recordings(dataset):
    """Return condition -> names of the user's recordings that make up a dataset of traces."""
    named = SETTINGS["avae"]["datasets"].get(dataset, {}).get("recordings", {dataset: [dataset]})
    place = f"{CHOSEN_BY}, field 'avae.datasets.{dataset}.recordings'"
    names = [name for names in named.values() for name in names]
    if "recordings" not in STUDIES:
        raise WorkflowError(
            f"{place}: expected the study 'recordings', which imports them, in 'studies', found {', '.join(STUDIES)}."
        )
    for name in names:
        if name not in RECORDINGS:
            raise WorkflowError(
                f"{place}: expected names of entries of {SETTINGS['recordings_file']} whose files are there"
                f" ({', '.join(RECORDINGS) or 'none'}), found {name!r}. Correct the name, or add the entry."
            )
        if names.count(name) > 1:
            raise WorkflowError(f"{place}: expected each recording once, found {name!r} twice.")
    return named


def joined_files(wildcards):
    """Return the imported recordings that make up a dataset of traces."""
    names = [name for names in joined_recordings(wildcards.dataset).values() for name in names]
    return boxes("recordings", names, "recording.nc")


def joined_arguments(wildcards):
    """Return them as repeated `--recording CONDITION=NAME=FILE`."""
    named = joined_recordings(wildcards.dataset)
    words = [
        shlex.quote(f"{condition}={name}={box('recordings', name, 'recording.nc')}")
        for condition, names in named.items()
        for name in names
    ]
    return " ".join(f"--recording {word}" for word in words)


def culture_sets(datasets):
    """Return the sets of cultures that `datasets` are made of."""
    chosen = {name: SETTINGS["avae"]["datasets"][name]["set"] for name in datasets}
    for dataset, name in chosen.items():
        if name not in SETTINGS["avae"]["sets"]:
            raise WorkflowError(
                f"{CHOSEN_BY}, field 'avae.datasets.{dataset}.set': expected one of 'avae.sets'"
                f" ({', '.join(SETTINGS['avae']['sets'])}), found {name!r}."
            )
    return list(dict.fromkeys(chosen.values()))


def image_datasets():
    """Return the digital twin's datasets that can be made; optional ones whose files are missing are named and left out."""
    settings, names = SETTINGS["digital_twin"], []
    for name in settings["run"]:
        place = f"{CHOSEN_BY}, field 'digital_twin.datasets.{name}"
        if name == "figures":
            raise WorkflowError(f"{place}': expected another name, since results have a folder 'figures'.")
        dataset = settings["datasets"][name]
        if "parameters" in dataset or image_response_folder(name) is not None:
            names.append(name)
        elif dataset["optional"]:
            notice(
                f"responses to images '{name}' are left out: {dataset['folder']} is not in the data directory or the"
                " repository."
            )
        else:
            raise WorkflowError(
                f"{place}.folder': expected an existing folder, found {dataset['folder']!r}, which is neither in the"
                f" data directory ({SETTINGS['data_directory']}) nor in {ROOT}. Correct the path, put the files there,"
                " or set 'optional: true' to leave the dataset out."
            )
    return names


def image_response_folder(dataset):
    """Return the folder of a user's recording of responses to images, or None."""
    folder = SETTINGS["digital_twin"]["datasets"][dataset]["folder"]
    for parent in filter(None, (SETTINGS["data_directory"], ROOT)):
        if (Path(parent) / Path(folder).expanduser()).is_dir():
            return (Path(parent) / Path(folder).expanduser()).absolute()
    return None


def image_response_files(wildcards):
    """Return the files that the entry of a recording of responses to images names."""
    folder, found = image_response_folder(wildcards.dataset), []

    def walk(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                walk(part)
        elif isinstance(value, str) and (folder / value).is_file() and str(folder / value) not in found:
            found.append(str(folder / value))

    walk(SETTINGS["digital_twin"]["datasets"][wildcards.dataset]["recording"])
    return {"files": found}


def image_label(wildcards):
    """Return the name in print of a dataset of responses to images, as one shell word."""
    return shlex.quote(SETTINGS["digital_twin"]["datasets"][wildcards.dataset]["label"])


def training_gpu(wildcards):
    """Return the number of GPUs that training one model asks for: none where it is done in closed form."""
    choice = section(wildcards)["models"][wildcards.model]
    return 0 if choice["training"] == "closed_form" else resource("train", "gpu")


def training_code(wildcards):
    """Return digests of one model's composed configuration, and of the code that trains it."""
    return composed(wildcards.study, wildcards.dataset, wildcards.model)[1:]


def compose_all():
    """Compose every run of every study: what is wrong in any is said before anything is computed."""
    for study in STUDIES:
        if "models" in SETTINGS[study]:
            own = recordings_of(study) if study in ("cross_encoder", "avae") else []
            for dataset in [*datasets(study), *own]:
                for run in trained(study, dataset):
                    composed(study, dataset, model_of(run))


def box(study, dataset, file):
    """Return the path of a file of a dataset."""
    return f"results/{SCALE}/{study}/{dataset}/{file}"


def boxes(study, names, file):
    """Return the paths of a file of several datasets."""
    return [box(study, name, file) for name in names]


def trained(study, dataset):
    """Return the directories, below the dataset's, of the trained models' results."""
    return [run for run in runs(study, dataset, variants=True) if model_of(run) in SETTINGS[study]["models"]]


def named(inputs):
    """Return named input files as repeated `--input NAME=FILE`."""
    pairs = [
        f"{name}={path}"
        for name, paths in inputs.items()
        for path in ([paths] if isinstance(paths, str) else paths)
    ]
    return " ".join(f"--input {shlex.quote(pair)}" for pair in pairs)


def find_recordings():
    """Return name -> entry, with `file` made absolute, and name -> folder in which it was found.

    Optional recordings whose files are missing are named and left out.
    """
    entries, folders = {}, {}
    for name, entry in SETTINGS["recording_files"].items():
        folder = find_recording(entry, SETTINGS["data_directory"], ROOT)
        if folder is not None:
            folders[name] = str(folder)
            entries[name] = {key: value for key, value in entry.items() if key != "optional"}
        elif entry["optional"]:
            notice(
                f"recording '{name}' is left out: {entry['file']} is not in the data directory or the repository."
            )
        else:
            raise WorkflowError(
                f"{SETTINGS['recordings_file']}, field 'recordings.{name}.file': expected an existing file or folder, found"
                f" {entry['file']!r}, which is neither in the data directory ({SETTINGS['data_directory']}) nor in {ROOT}."
            )
    return entries, folders


def recording_files(wildcards):
    """Return the files that a recording's entry names for its import."""
    return named_files(
        wildcards, {"file": lambda entry: entry["file"], "offsets": lambda entry: entry.get("sample_offsets")}
    )


def trial_files(wildcards):
    """Return the table of trials, where a recording's entry names one."""

    def table(entry):
        trials = entry.get("trials")
        return trials.get("starts_s") if isinstance(trials, dict) else trials

    return named_files(wildcards, {"trials": table})


def named_files(wildcards, fields):
    """Return those of `fields` of a recording's entry that are files, as absolute paths."""
    folder, entry = RECORDING_FOLDERS[wildcards.dataset], RECORDINGS[wildcards.dataset]
    names = {name: field(entry) for name, field in fields.items()}
    paths = {name: os.path.join(folder, value) for name, value in names.items() if isinstance(value, str)}
    return {name: path for name, path in paths.items() if os.path.exists(path)}


def import_parameters(wildcards):
    """Return what a recording's entry says about its file, as one shell word of JSON."""
    later = ("studies", "chunk_s", "buffer_s", "response_window_s", "windows", "trials", "bin_width_s")
    entry = {key: value for key, value in RECORDINGS[wildcards.dataset].items() if key not in later}
    return shlex.quote(json.dumps(entry))


def recordings_of(study):
    """Return the names of the user's recordings that take part in a study."""
    return [name for name, entry in RECORDINGS.items() if study in entry["studies"]]


def response_arguments(wildcards):
    """Return how presentations become responses, for a recording whose entry names a response window."""
    window = RECORDINGS[wildcards.dataset].get("response_window_s")
    if window is None:
        return ""
    files = list(trial_files(wildcards).values())
    if not files:
        raise WorkflowError(
            f"{SETTINGS['recordings_file']}, field 'recordings.{wildcards.dataset}.response_window_s': it needs"
            " 'trials', an existing CSV file with columns start_s and condition; found none."
        )
    return f"--trials {shlex.quote(files[0])} --window-s {window}"


def window_parameters(wildcards):
    """Return how a recording is cut: the scale's windows under its entry's own, as one shell word of JSON."""
    entry = RECORDINGS[wildcards.dataset]
    own = {key: entry[key] for key in ("bin_width_s", "windows", "trials") if key in entry}
    return shlex.quote(json.dumps(merge(SETTINGS["recordings"]["cut"], own)))


def find_ground_truth():
    """Return the folders of recordings with simultaneous electrophysiology, a dataset each; none where there are none."""
    folder = SETTINGS["data_directory"] and Path(SETTINGS["data_directory"]) / "spike_ground_truth"
    found = (
        sorted(str(path) for path in folder.iterdir() if path.is_dir()) if folder and folder.is_dir() else []
    )
    if not found:
        notice("the comparison with real spikes is left out: no spike_ground_truth in the data directory.")
    return found


def find_applications():
    """Return name -> settings of every application whose study and dataset take part in this run."""
    found = {}
    for name, choice in SETTINGS["latent_contributions"]["applications"].items():
        study = choice["study"]
        if study not in STUDIES:
            notice(f"latent contributions '{name}' are left out: study '{study}' is not run.")
        elif choice["dataset"] == "each recording":
            found |= {f"{name}-{one}": {**choice, "dataset": one} for one in recordings_of(study)}
        elif choice["dataset"] in datasets(study):
            found[name] = choice
        else:
            notice(
                f"latent contributions '{name}' are left out: dataset '{choice['dataset']}' of '{study}' is not run."
            )
    return found


def applied(wildcards):
    """Return the files that an application reads: the recording, and what a model made of it."""
    choice = APPLICATIONS[wildcards.application]
    files = {"recording": box(choice["study"], choice["dataset"], choice["recording"])}
    if "model" in choice:
        first = SETTINGS[choice["study"]]["seeds"][0]
        folder = f"{choice['model']}/seed-{first}"
        files["inferred"] = box(choice["study"], choice["dataset"], f"{folder}/output.nc")
        if choice["method"] == "integrated_gradients":
            files["checkpoint"] = box(choice["study"], choice["dataset"], f"{folder}/checkpoint.pt")
    return files


def figure_files():
    """Return all figures of all studies."""
    names = [(study, figure) for study, figures in FIGURES.items() for figure in figures]
    return [
        f"results/{SCALE}/{study}/figures/{figure}.{kind}"
        for study, figure in names
        for kind in ("png", "svg")
    ]


def notice(text):
    """Tell the user, once (not again in every job's process)."""
    if workflow.is_main_process:
        logger.warning(f"Note: {text}")


BASE_ENVIRONMENT = "../../envs/base.yaml"
# Recordings are imported and deconvolved by the study of that name; other studies go on from there.
RECORDINGS, RECORDING_FOLDERS = find_recordings() if "recordings" in STUDIES else ({}, {})
for study in {"cross_encoder", "avae"} & {*STUDIES}:
    if "recordings" not in STUDIES and SETTINGS["recording_files"]:
        notice(f"{study} leaves your recordings out: study 'recordings', which imports them, is not run.")
GROUND_TRUTH = find_ground_truth() if "spike_ground_truth" in STUDIES else []
APPLICATIONS = find_applications() if "latent_contributions" in STUDIES else {}
SIMULATED = [study for study in STUDIES if "simulation" in SETTINGS[study]]
SCORED = [study for study in STUDIES if "evaluation" in SETTINGS[study]]
if workflow.is_main_process:
    compose_all()
MODELS = {model for study in STUDIES for model in SETTINGS[study].get("models", {})}
SMOOTHERS = {method for study in STUDIES for method in SETTINGS[study].get("smoothing", {})}


wildcard_constraints:
    scale=SCALE,
    study=one_of(STUDIES),
    dataset=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    model=one_of(MODELS | SMOOTHERS),
    seed=r"\d+",
