# Configuration, and what all rules share.
import json
import os
import re
import shlex
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))  # the package need not be installed where the workflow is only planned

from calcium_latents.configuration import load_configuration, merge
from calcium_latents.claims.paper import papers, read_paper
from calcium_latents.configuration.sections import FIGURE_RULE
from calcium_latents.errors import UserError
from calcium_latents.hydra_words import quoted
from calcium_latents.launch.progress import Progress
from calcium_latents.planning.inputs import claim_inputs, figure_inputs, groups
from calcium_latents.planning.order import Order, let_scheduler_rest, read_seconds
from calcium_latents.planning.paths import require_conda_folder
from calcium_latents.planning.plan import Plan, model_of
from calcium_latents.planning.rules import RuleDefaults, code
from calcium_latents.planning.studies import (
    description,
    figure_modules,
    has_table,
    labels,
    module_constants,
    with_claims,
)
from calcium_latents.provenance import config_digest

# The rules' processes find the package in their conda environments, too.
SEARCH_PATH = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
JOB = shlex.quote(str(ROOT / "workflow/job.sh"))
PREFIX = f"set -euo pipefail; export PYTHONPATH={shlex.quote(SEARCH_PATH)}; source {JOB}; "
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))  # what stands in braces would be looked up


def checked(function, *arguments):
    """Return what `function` returns; what is wrong with the configuration ends the workflow without a traceback."""
    try:
        return function(*arguments)
    except UserError as error:
        raise WorkflowError(f"the configuration is not valid:\n{error}") from None


checked(require_conda_folder, workflow.deployment_settings)
PLAN = checked(lambda: Plan(load_configuration(config, ROOT), ROOT))
if workflow.is_main_process:
    checked(PLAN.compose_all)
SETTINGS, SCALE, SEED, STUDIES = PLAN.settings, PLAN.scale, PLAN.seed, PLAN.studies
BASE_ENVIRONMENT, TRAINING_ENVIRONMENT = "../../envs/base.yaml", "../../envs/training.yaml"


def one_of(names):
    """Return the wildcard constraint for `names`."""
    return "|".join(map(re.escape, sorted(names))) or "nothing_configured"


def section(wildcards):
    """Return the study's section of the scale."""
    return SETTINGS[wildcards.study]


def word(value):
    """Return a value as one word of a command: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def per_dataset(function):
    """Return a function of wildcards: what `function` says of the plan and a dataset, as one word."""
    return lambda wildcards: word(checked(function, PLAN, wildcards.dataset))


def deconvolution_environment(study):
    """Return the conda environment of the study's deconvolution method: CaImAn needs its own."""
    method = SETTINGS[study]["deconvolution"]["method"]
    return "../../envs/caiman.yaml" if method == "caiman" else BASE_ENVIRONMENT


def deconvolution_code(command, study):
    """Return the digest of a command that deconvolves by the study's method, which it imports by name."""
    return code(command, f"deconvolution.{SETTINGS[study]['deconvolution']['method']}")


def named_words(option, pairs):
    """Return pairs of a name and a file as words `--option=NAME=FILE`."""
    return [f"--{option}={name}={file}" for name, file in pairs]


def methods(files, study, dataset, option="embedding"):
    """Return the results of a study's models as words `--embedding=METHOD=FILE`."""
    return named_words(option, zip(map(model_of, PLAN.runs(study, dataset)), files))


def named(inputs):
    """Return named input files as words `--input=NAME=FILE`."""
    lists = {name: [paths] if isinstance(paths, str) else paths for name, paths in inputs.items()}
    return named_words("input", [(name, path) for name, paths in lists.items() for path in paths])


FIGURES = {}  # rule -> study, name, file of the caption; filled in figures.smk
SOON = set()  # those of them whose modules say SOON
ORDER = Order(workflow, FIGURES, read_seconds(ROOT / "results/reference/seconds.csv", SCALE), SOON)
RULES = RuleDefaults(workflow, SETTINGS["resources"], BASE_ENVIRONMENT, ORDER.priority)
RULES.install()
if RULES.lacks_gpu:
    PLAN.notice("no GPU: jobs that ask for one run on the CPU. At the published sizes that takes days.")


def training_arguments(wildcards, input, output):
    """Return Hydra's overrides for one model: its configuration, what it is trained on, and where it writes."""
    configured = PLAN.training_words(wildcards.study, wildcards.dataset, wildcards.model)
    directory = os.path.dirname(output[0])
    return [*configured, f"recording={quoted(input.recording)}", f"hydra.run.dir={quoted(directory)}"]


def training_gpu(wildcards):
    """Return the number of GPUs that training one model asks for: none where it is done in closed form."""
    choice = section(wildcards)["models"][wildcards.model]
    return 0 if choice["training"] == "closed_form" else RULES.granted("train", "gpu")


def composed(wildcards):
    """Return the configuration of one model's training, and its digests."""
    return checked(PLAN.composed, wildcards.study, wildcards.dataset, wildcards.model)


def search_workers(wildcards):
    """Return the files by which a search's own jobs (`search.jobs`) say that it has ended; none where there are none."""
    jobs = composed(wildcards).config["search"].get("jobs", 0)
    folder = f"{wildcards.model}/seed-{wildcards.seed}"
    names = [f"{folder}/search-worker-{number}.done" for number in range(1, jobs + 1)]
    return [PLAN.box(wildcards.study, wildcards.dataset, name) for name in names]


def training_code(wildcards):
    """Return the digests of one model's configuration, and of the code that it names."""
    return composed(wildcards)[1:]


def recording_to_train_on(wildcards):
    """Return the file that a study's models are trained on."""
    return PLAN.trained_on(wildcards.study, wildcards.dataset)


DATASETS = {name for study in STUDIES for name in SETTINGS[study].get("datasets", {})} | {*PLAN.recordings}
SIMULATED = [study for study in STUDIES if "simulation" in SETTINGS[study]]
MODELS = {model for study in STUDIES for model in SETTINGS[study].get("models", {})}
SMOOTHERS = {method for study in STUDIES for method in SETTINGS[study].get("smoothing", {})}


wildcard_constraints:
    scale=re.escape(SCALE),
    study=one_of(STUDIES),
    dataset=one_of(DATASETS),
    model=one_of(MODELS | SMOOTHERS),
    seed=r"\d+",
