"""What every rule of the workflow has and need not say: log, benchmark, environment, resources, digests.

Snakemake declares a rule by `workflow.rule(...)`, which returns a decorator of what the rule says (`RuleInfo`); here
that is completed first. What a rule says itself stays.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from calcium_latents.configuration.sections import GRANTED_AS
from calcium_latents.errors import UserError
from calcium_latents.planning.sizes import by_size
from calcium_latents.provenance import PACKAGE, code_digest, files_digest

FIELDS = ("mem_mb", "runtime", "gpu")
MADE = "results/"  # where rules write


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
        results/SCALE/benchmarks. The code is the module that its command runs, the files are those that no rule makes.
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
        ran = re.search(rf"python -m {PACKAGE}\.([\w.]+)", said.shellcmd)
        if ran and "code" not in params:
            params = params | {"code": code(ran[1])}
        if not _made_by_rules(said.input):
            params = params | {"files": self._digest_of_files(rule)}
        said.params = (positional, params)

    def _digest_of_files(self, rule: str) -> Callable:
        """Return a function of wildcards: the digest of the input that no rule makes: the user's files, papers' values.

        Snakemake itself sees an input that is newer than the output. This sees one that was replaced by an older file
        (rsync -a, cp -p), or changed while it was read. A parameter that takes `input` would not trigger reruns.
        """

        def digest(wildcards: Any) -> str:
            files, *_ = self.workflow.get_rule(rule).expand_input(dict(wildcards.items()))
            given = [str(file) for file in files if not str(file).startswith(MADE)]
            for path in filter(os.path.isdir, given):
                raise UserError(
                    f"rule {rule}, input: expected files, found the folder {path}, whose time stamp says nothing."
                )
            return files_digest(given) if given else "none"

        return digest


def _made_by_rules(said: Any) -> bool:
    """Tell whether all that a rule says of its input is below results/: none of it is found by a function."""
    items = [*said.paths, *said.kwpaths.values()] if said else []
    items = [one for item in items for one in (item if isinstance(item, list | tuple) else [item])]
    return all(isinstance(item, str) and item.startswith(MADE) for item in items)


def _stem(outputs: Iterable[Any], rule: str) -> str:
    """Return where the log of a rule stands, without its ending; it has all wildcards that its first output has."""
    first = re.sub(r"^results/[^/]+/", "", str(next(iter(outputs))))
    folder, file = os.path.split(first)
    more = [f"-{wildcard}" for wildcard in re.findall(r"\{\w+\}", file) if wildcard not in folder]
    return os.path.join(folder, rule + "".join(more))
