"""A digest of what one Hydra command reads and runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calcium_latents.configuration.files import read_yaml
from calcium_latents.provenance import PACKAGE, SOURCE, code_digest, config_digest


def hydra_digest(command: str, directory: Path, root: str, groups: Mapping[str, str], source: Path = SOURCE) -> str:
    """Return a digest of a Hydra command: its module, its YAML files, and the modules that `_target_`s name.

    `directory` holds {root}.yaml and, for each of `groups`, {group}/{choice}.yaml; `defaults` are followed.
    Raises UserError when a choice has no file.
    """
    files: dict[str, dict[str, Any]] = {}
    waiting = [root, *(f"{group}/{choice}" for group, choice in groups.items())]
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        files[name] = read_yaml(directory / f"{name}.yaml")
        folder = name.rpartition("/")[0]
        for entry in files[name].get("defaults", []):
            if isinstance(entry, str) and entry != "_self_":
                waiting.append(entry.lstrip("/") if entry.startswith("/") else "/".join(filter(None, [folder, entry])))
            elif isinstance(entry, dict):
                for key, value in entry.items():
                    key = key.split()[-1]
                    # a group is named relative to the file's own folder, unless it starts at the root
                    group = key.lstrip("/") if key.startswith("/") else "/".join(filter(None, [folder, key]))
                    if isinstance(value, str) and not group.startswith(("hydra", "override")):
                        waiting.append(f"{group}/{groups.get(group, value)}")
    modules = {command, *(_module(target, source) for target in _targets(files))}
    return config_digest({"files": files, "code": code_digest(modules, source)})


def _targets(value: Any) -> Iterator[str]:
    """Yield every `_target_` of this package, however deep."""
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if isinstance(target, str) and target.split(".")[0] == PACKAGE:
            yield target
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _targets(item)


def _module(target: str, source: Path) -> str:
    """Return the module part of a dotted name of a class or function."""
    parts = target.split(".")
    while len(parts) > 1:
        path = source.joinpath(*parts)
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            break
        parts.pop()
    return ".".join(parts)
