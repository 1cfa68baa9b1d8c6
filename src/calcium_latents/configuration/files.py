"""YAML files of the configuration, and how one overrides another."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from calcium_latents.configuration.yaml_text import parse
from calcium_latents.errors import UserError


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; see `yaml_text.Loader`.

    Raises UserError when it is missing, not UTF-8, malformed, not a mapping, or has a name twice.
    """
    try:
        value = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: expected a YAML file, found nothing of that name.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: expected UTF-8 text, found the byte 0x{error.object[error.start]:02x}. Save the"
            " file as UTF-8 in your editor."
        ) from None
    except OSError as error:
        raise UserError(f"{path}: expected a YAML file, found one that cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected named fields, found {type(value).__name__}.")
    return value


def merge(base: Any, override: Any) -> Any:
    """Return `base` with the fields of `override` over it; lists and scalars are replaced.

    OmegaConf.merge would raise on a list over a mapping, and on text such as "${", before the declaration can say which
    field is wrong; and planning would need it.
    """
    if not (isinstance(base, Mapping) and isinstance(override, Mapping)):
        return copy.deepcopy(override)
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in override.items():
        merged[key] = merge(base[key], value) if key in base else copy.deepcopy(value)
    return merged


def with_types(value: Any) -> Any:
    """Return `value` with every string that is a number, a truth value or null in YAML turned into that.

    Snakemake reads nested values of --config as strings throughout.
    """
    if isinstance(value, Mapping):
        return {key: with_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_types(item) for item in value]
    if isinstance(value, str):
        try:
            parsed = parse(value) if value.strip() else value
        except yaml.YAMLError:  # text such as "a: b: c"
            return value
        return parsed if parsed is None or isinstance(parsed, bool | int | float) else value
    return value
