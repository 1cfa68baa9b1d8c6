"""What every rule of the workflow has and need not say: log, environment, resources, digest of its code, and
what stands around its command (workflow/job.sh); and what it must say: that names of files and the user's words are
quoted in its command.

Snakemake declares a rule by `workflow.rule(...)`, which returns a decorator of what the rule says (`RuleInfo`); here
that is completed first. What a rule says itself stays.
"""

import os
import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from calcium_latents.configuration.sections import GRANTED_AS
from calcium_latents.errors import UserError
from calcium_latents.planning.sizes import by_size
from calcium_latents.planning.sources import files_parameter
from calcium_latents.provenance import PACKAGE, code_digest

FIELDS = ("mem_mb", "runtime", "gpu")
PARTITION = "slurm_partition"
#: Beside `slurm_partition` in a profile's default-resources: the partition of jobs that ask for a GPU.
GPU_PARTITION = "gpu_partition"
LOG = "\n    Log: {log}"
NUMBERS = ("threads", "resources")  # in braces in a command, without a format
#: What NumPy's, SciPy's and PyTorch's linear algebra take their number of threads from.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS")


def code(*modules: str) -> str:
    """Return the digest of the modules of this package that a rule runs; as a rule's parameter it triggers reruns."""
    return code_digest(f"{PACKAGE}.{module}" for module in modules)


class RuleDefaults:
    """Completes the rules that are declared after `install`.

    Attributes:
        resources: rule -> threads, mem_mb, runtime (minutes), gpu; `default` for what is not named. The least, where a
            rule asks by the size of its input (`sizes.GROWTH`).
        environment: the conda environment of rules that name none.
        priority: of a job, by its rule and wildcards (`planning.order`).
        granted_as: rule -> the rule whose resources it has.
    """

    def __init__(
        self,
        workflow: Any,
        resources: Mapping[str, Mapping[str, int]],
        environment: str,
        priority: Callable[[str, Any], float] | None = None,
    ):
        self.workflow, self.resources, self.environment, self.priority = workflow, resources, environment, priority
        self.granted_as = dict(GRANTED_AS)

    def install(self) -> None:
        """Complete every rule that is declared from now on."""
        declare = self.workflow.rule

        def completed(name: Any = None, **place) -> Callable:
            declared = declare(name=name, **place)

            def decorate(said):
                self.complete(said, said.name or name)
                return declared(said)

            return decorate

        self.workflow.rule = completed

    def granted(self, rule: str, field: str) -> int:
        """Return what the scale grants a rule: threads, mem_mb, runtime (minutes) or gpu."""
        own = self.resources.get(self.granted_as.get(rule, rule), {})
        return own.get(field, self.resources["default"][field])

    @property
    def lacks_gpu(self) -> bool:
        """Whether there is no GPU (`--resources gpu=0`) where rules ask for one: Snakemake then grants them none."""
        limit = self.workflow.global_resources.get("gpu").value
        return limit == 0 and any(granted.get("gpu") for granted in self.resources.values())

    def partition(self, rule: str) -> dict[str, Callable]:
        """Return the SLURM partition of a rule's jobs as Snakemake asks for it; nothing where the profile names none.

        It follows from the GPUs that a job asks for at last, whoever says so: rule, scale or command line.
        """
        defaults = self.workflow.resource_settings.default_resources or {}
        if not {PARTITION, GPU_PARTITION} <= set(defaults):
            return {}

        def chosen(wildcards: Any, **asked: Any) -> str:
            own = self.workflow.get_rule(rule).resources
            gpus = own["gpu"].evaluate(wildcards, **asked).constrain(self.workflow.global_resources.get("gpu"))
            name = defaults[GPU_PARTITION if gpus.value else PARTITION]
            return name.evaluate(wildcards, **asked).value

        return {PARTITION: chosen}

    def complete(self, said: Any, rule: str) -> None:
        """Add to what a rule says.

        Its log is named as the rule and stands where its first output stands, below results/SCALE/logs. The code is the
        module that its command runs. What the command says goes to the log; what it takes is noted beside the logs, in
        results/SCALE/benchmarks (`commands.cli`): Snakemake's own directive looks at all processes twice a second, and
        misses what a job takes after it has looked last.
        Sums depend on the number of threads that share them: a command computes with as many as the scale grants
        ($OMP_NUM_THREADS), however few cores Snakemake leaves it ({threads}).
        Raises UserError where its command has a field that the shell would take apart.
        """
        if said.norun or not said.shellcmd:
            return
        _require_quotes(said.shellcmd, rule)
        stem = _stem([*said.output.paths, *said.output.kwpaths.values()], rule)
        if said.log is None:
            self.workflow.log(f"results/{{scale}}/logs/{stem}.log")(said)
        if said.message and LOG not in said.message:  # where its progress stands; a rule that is used as another has it
            said.message += LOG
        said.conda_env = said.conda_env or self.environment
        if self.priority and (said.priority is None or isinstance(said.priority, Priority)):  # of a rule used as this
            said.priority = Priority(self.priority, rule)
        said.threads = said.threads or self.granted(rule, "threads")
        own = said.resources[1] if said.resources else {}
        sized = self.granted_as.get(rule, rule)
        granted = {field: by_size(sized, field, self.granted(rule, field)) for field in FIELDS}
        said.resources = ((), granted | self.partition(rule) | own)
        positional, params = said.params or ((), {})
        ran = re.search(rf"python -m {PACKAGE}\.([\w.]+)", said.shellcmd)
        if ran and "code" not in params:
            params = params | {"code": code(ran[1])}
        own_files = files_parameter(self.workflow, said.input, rule)
        if taken := set(own_files) & set(params):
            raise UserError(f"rule {rule}, params: expected other names than {', '.join(taken)}, which every rule has.")
        said.params = (positional, params | own_files)
        begin = f"begin_job {rule} {{resources.gpu}} {{resources.mem_mb}} {{resources.runtime}} {{log:q}}; "
        numeric = " ".join(f"{name}={self.granted(rule, 'threads')}" for name in THREADS)
        _put_before(said, f"{begin}export {numeric}; ")


class Priority:
    """The priority of a rule's jobs, as Snakemake asks for it."""

    def __init__(self, of_job: Callable[[str, Any], float], rule: str):
        self.of_job, self.rule = of_job, rule

    def __call__(self, wildcards: Any) -> float:
        return self.of_job(self.rule, wildcards)


def _put_before(said: Any, begin: str) -> None:
    """Put words before the command of a rule: where Snakemake keeps it, and in the function that it has made of it."""
    command = said.shellcmd
    said.shellcmd = begin + command
    constants = said.func.__code__.co_consts
    if constants.count(command) != 1:
        raise RuntimeError(f"this Snakemake runs commands otherwise than expected: {command!r} is not in {said.func}.")
    changed = tuple(said.shellcmd if constant == command else constant for constant in constants)
    said.func.__code__ = said.func.__code__.replace(co_consts=changed)


def _require_quotes(command: str, rule: str) -> None:
    """Raise a UserError where a command has a field in braces without Snakemake's format `q`, or within quotes.

    With it a text is one word of the shell, whatever its characters, and a list is a word for each item.
    """
    before = ""
    for literal, field, format_, _ in string.Formatter().parse(command):
        before += literal
        if field is None or re.split(r"[.\[]", field)[0] in NUMBERS:
            continue
        if format_ != "q":
            raise UserError(
                f"rule {rule}, shell: expected {{{field}:q}}, which the shell takes as it stands, found {{{field}}}."
            )
        if before.count("'") % 2 or before.count('"') % 2:
            raise UserError(f"rule {rule}, shell: expected {{{field}:q}} without quotes around it, found some.")


def _stem(outputs: Iterable[Any], rule: str) -> str:
    """Return where the log of a rule stands, without its ending; it has all wildcards that its first output has."""
    first = re.sub(r"^results/[^/]+/", "", str(next(iter(outputs))))
    folder, file = os.path.split(first)
    more = [f"-{wildcard}" for wildcard in re.findall(r"\{\w+\}", file) if wildcard not in folder]
    return os.path.join(folder, rule + "".join(more))
