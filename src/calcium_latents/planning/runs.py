"""What the training command is told, checked against the declaration of its model: a `Run` (`training.parameters`).

PyTorch is not imported: it may be missing where a workflow is only planned.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.provenance import PACKAGE
from calcium_latents.search.settings import SearchSettings
from calcium_latents.training.parameters import Run


def declared_run(family: str) -> type[Run]:
    """Return the declaration of the runs of a family, by its `_target_`: `NAMERun` for `NAMEFamily`.

    Raises UserError where there is none.
    """
    module, _, name = str(family).rpartition(".")
    place, run = f"{module.rpartition('.')[0]}.parameters", f"{name.removesuffix('Family')}Run"
    try:
        found = getattr(import_module(place), run, None) if place.startswith(f"{PACKAGE}.") else None
    except ModuleNotFoundError:
        found = None
    if not (isinstance(found, type) and issubclass(found, Run)):
        raise UserError(
            f"model._target_: expected the class of a family of {PACKAGE}.models, NAMEFamily, with its parameters"
            f" declared in a class NAMERun of the module `parameters` beside it, found {family!r}."
        )
    return found


def check_run(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training command's configuration with every value read as it is declared.

    Args:
        config: of config/train.yaml, composed and resolved.

    Raises:
        WrongFieldsError: (a UserError) a field is unknown, missing, of the wrong type or out of range; all at once.
        UserError: the model or the search is wrong.
    """
    (target, model), (search_target, search) = (_without_target(config.get(group)) for group in ("model", "search"))
    searched = search_target is not None
    said = {"population": search.get("population")} if searched else search
    run = declared_run(target).from_mapping({**config, "model": model, "search": said})
    checked = {**run.given(), "model": {"_target_": target, **run.model.to_dict()}}  # the family has no defaults
    if searched:
        checked["search"] = dict(config["search"])
        SearchSettings.from_config(checked)
    return checked


def _without_target(group: Any) -> tuple[Any, dict[str, Any]]:
    group = group if isinstance(group, Mapping) else {}
    return group.get("_target_"), {name: value for name, value in group.items() if name != "_target_"}
