"""What every rule of the workflow has and need not say: log, benchmark, environment, resources, digest of its code.

Snakemake declares a rule by `workflow.rule(...)`, which returns a decorator of what the rule says (`RuleInfo`); here
that is completed first. What a rule says itself stays.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from calcium_latents.configuration.sections import GRANTED_AS
from calcium_latents.planning.sizes import by_size
from calcium_latents.provenance import PACKAGE, code_digest

FIELDS = ("mem_mb", "runtime", "gpu")
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
        granted_as: rule -> the rule whose resources it has.
    """

    def __init__(self, workflow: Any, resources: Mapping[str, Mapping[str, int]], environment: str):
        self.workflow, self.resources, self.environment = workflow, resources, environment
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

    def complete(self, said: Any, rule: str) -> None:
        """Add to what a rule says.

        Log and benchmark are named as the rule and stand where its first output stands, below results/SCALE/logs and
        results/SCALE/benchmarks. The code is the module that its command runs. Sums depend on the number of threads
        that share them: a command computes with as many as the scale grants ($OMP_NUM_THREADS), however few cores
        Snakemake leaves it ({threads}).
        """
        if said.norun or not said.shellcmd:
            return
        stem = _stem([*said.output.paths, *said.output.kwpaths.values()], rule)
        if said.log is None:
            self.workflow.log(f"results/{{scale}}/logs/{stem}.log")(said)
        if said.benchmark is None:
            self.workflow.benchmark(f"results/{{scale}}/benchmarks/{stem}.tsv")(said)
        if said.message:  # where its progress stands
            said.message += "\n    Log: {log}"
        said.conda_env = said.conda_env or self.environment
        said.threads = said.threads or self.granted(rule, "threads")
        own = said.resources[1] if said.resources else {}
        sized = self.granted_as.get(rule, rule)
        said.resources = ((), {field: by_size(sized, field, self.granted(rule, field)) for field in FIELDS} | own)
        positional, params = said.params or ((), {})
        numeric = " ".join(f"{name}={self.granted(rule, 'threads')}" for name in THREADS)
        said.shellcmd = f"export {numeric}; {said.shellcmd}"
        ran = re.search(rf"python -m {PACKAGE}\.([\w.]+)", said.shellcmd)
        if ran and "code" not in params:
            said.params = (positional, params | {"code": code(ran[1])})


def _stem(outputs: Iterable[Any], rule: str) -> str:
    """Return where the log of a rule stands, without its ending; it has all wildcards that its first output has."""
    first = re.sub(r"^results/[^/]+/", "", str(next(iter(outputs))))
    folder, file = os.path.split(first)
    more = [f"-{wildcard}" for wildcard in re.findall(r"\{\w+\}", file) if wildcard not in folder]
    return os.path.join(folder, rule + "".join(more))
