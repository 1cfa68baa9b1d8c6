"""Which files a figure or a table of claims reads: patterns in its module, filled in from the plan.

A pattern is a path below the study's results. `{group}` stands for every member of a group that the study's
description names; `{runs}` for the results of all methods on the dataset before it, `{first_run}` for the first trained
model's. A path that starts with config/ is a file of the repository.
"""

import os
import re
from collections.abc import Iterable, Mapping

from calcium_latents.errors import UserError
from calcium_latents.planning.plan import Plan
from calcium_latents.planning.studies import claim_tables, description, figure_modules, module_constants

Groups = Mapping[str, Mapping[str, str]]


def groups(plan: Plan, study: str) -> dict[str, dict[str, str]]:
    """Return group -> key -> folder, of a study."""
    named = getattr(description(study), "groups", lambda _: {})(plan)
    return {
        name: dict(members) if isinstance(members, Mapping) else {one: one for one in members}
        for name, members in named.items()
    }


def figure_inputs(plan: Plan, study: str) -> dict[str, dict[str, list[str]]]:
    """Return figure -> input -> files, of all figures of a study that can be drawn.

    A figure module with EACH = ("group", ...) is drawn for every key of the first group, FIGURE-KEY (a key "" adds
    nothing); all groups that it names go by that key. A figure lacking a required input is left out.
    """
    named, found = groups(plan, study), {}
    for figure, (owner, module) in figure_modules().items():
        if owner != study:
            continue
        said = module_constants(module)
        each = said.get("EACH", ())
        place = f"figure {figure}"
        if isinstance(each, str) or not set(each) <= set(named):
            raise UserError(f"{place}, EACH: expected a tuple of groups ({', '.join(named)}), found {each!r}.")
        for key in named[each[0]] if each else [None]:
            restricted = {
                name: {k: v for k, v in members.items() if name not in each or k == key}
                for name, members in named.items()
            }
            required = {name: files(plan, study, text, restricted, place) for name, text in said["INPUTS"].items()}
            optional = {
                name: files(plan, study, text, restricted, place)
                for name, text in said.get("OPTIONAL_INPUTS", {}).items()
            }
            if all(required.values()):
                found[f"{figure}-{key}" if key else figure] = required | {k: v for k, v in optional.items() if v}
    return found


def claim_inputs(plan: Plan, study: str) -> dict[str, list[str]]:
    """Return STUDY.TABLE -> files, of the tables of a study's claims that this run makes."""
    named = groups(plan, study)
    place = f"claims of {study}"
    tables = {name: files(plan, study, text, named, place) for name, text in claim_tables(study).items()}
    return {f"{study}.{name}": paths for name, paths in tables.items() if paths}


def files(plan: Plan, study: str, pattern: str, named: Groups, place: str = "pattern") -> list[str]:
    """Return the files that a pattern stands for, in the order of the groups' members.

    Raises UserError, which names `place`, where it names no group of the study.
    """
    known = (*named, "runs", "first_run")
    for name in re.findall(r"\{(.*?)\}", pattern):
        if name not in known:
            raise UserError(f"{place}, {pattern!r}: expected one of the groups {', '.join(known)}, found {name!r}.")
    if pattern.startswith("config/"):
        if not (plan.root / pattern).is_file():
            raise UserError(f"{place}: expected the file {pattern} of the repository, found none.")
        return [os.path.relpath(plan.root / pattern)]
    return [os.path.normpath(path) for path in _filled(plan, study, pattern, named, f"results/{plan.scale}/{study}/")]


def _filled(plan: Plan, study: str, pattern: str, named: Groups, done: str) -> Iterable[str]:
    match = re.search(r"\{(\w+)\}", pattern)
    if match is None:
        yield done + pattern
        return
    before, name, after = pattern[: match.start()], match[1], pattern[match.end() :]
    dataset = (done + before).removeprefix(f"results/{plan.scale}/{study}/").rstrip("/")
    if name == "runs":
        members = plan.runs(study, dataset)
    elif name == "first_run":
        members = plan.trained(study, dataset)[:1]
    else:
        members = list(named[name].values())
    for member in members:
        yield from _filled(plan, study, after, named, done + before + member)
