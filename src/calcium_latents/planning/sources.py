"""Files that rules read and none makes, a user's and papers' values: a digest of them is a parameter of the rule.

Snakemake itself sees input that is newer than the output. By the parameter it sees a file that was replaced by an older
one (rsync -a, cp -p), or changed while it was read.
"""

import os
from collections.abc import Callable
from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.provenance import files_digest

MADE = "results/"  # where rules write


def files_parameter(workflow: Any, said: Any, rule: str) -> dict[str, Callable]:
    """Return the parameter `user_files` of a rule, {} where all its input is made by rules.

    Its value, for a job's wildcards, is the digest of the input that no rule makes. It asks Snakemake for the input
    anew, since a parameter that takes `input` would not trigger reruns.
    """

    def digest(wildcards: Any) -> str:
        found, *_ = workflow.get_rule(rule).expand_input(dict(wildcards.items()))
        given = [str(path) for path in found if not str(path).startswith(MADE)]
        for path in filter(os.path.isdir, given):
            raise UserError(
                f"rule {rule}, input: expected files, found the folder {path}: its time stamp says nothing."
            )
        return files_digest(given) if given else "none"

    return {} if _made_by_rules(said) else {"user_files": digest}


def _made_by_rules(said: Any) -> bool:
    """Tell whether all that a rule says of its input is below results/, and none of it is found by a function."""
    items = [*said.paths, *said.kwpaths.values()] if said else []
    items = [one for item in items for one in (item if isinstance(item, list | tuple) else [item])]
    return all(isinstance(item, str) and item.startswith(MADE) for item in items)
