"""The workflow's configuration: a scale file under the user's choices, checked against schemas."""

import copy
import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from referencing import Registry, Resource

from calcium_latents.errors import UserError

DATA_VARIABLE = "CALCIUM_LATENTS_DATA"


def load_configuration(config: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the whole configuration: `config` (config/config.yaml, command line) over the scale it names.

    Sections of a scale file (a study each, and `resources`) are checked against
    `workflow/schemas/{section}.schema.yaml` below `root`, and a section of the same name in `config`
    overrides single fields of it. The entries of the recordings file come as `recording_files`.
    `data_directory` becomes an existing absolute path or None.
    Raises UserError naming file, field, what was expected and what was found.
    """
    schemas = root / "workflow/schemas"
    sections = sorted(path.name.removesuffix(".schema.yaml") for path in schemas.glob("*.schema.yaml"))
    sections = [name for name in sections if name not in {"config", "recording_files"}]
    chosen = {key: value for key, value in config.items() if key not in sections}
    chosen = check(chosen, schemas / "config.schema.yaml", "config/config.yaml (or --config)")

    scales = sorted(path.parent.name for path in (root / "config/scale").glob("*/scale.yaml"))
    if chosen["scale"] not in scales:
        raise UserError(
            f"config/config.yaml (or --config), field 'scale': expected one of {', '.join(scales)}, found"
            f" {chosen['scale']!r}. A scale is a folder in config/scale."
        )
    scale_file = f"config/scale/{chosen['scale']}"
    scale = read_scale(root, chosen["scale"])
    _require_known(scale, sections, scale_file)
    merged = dict(chosen)
    for section in ["resources", *chosen["studies"]]:
        _require_known({section: None}, sections, "config/config.yaml (or --config), field 'studies'")
        if section not in scale:
            raise UserError(f"{scale_file}: expected a section '{section}' (named in config/config.yaml), found none.")
        override = config.get(section)
        origin = scale_file if override is None else f"{scale_file} with '{section}' of config/config.yaml or --config"
        value = scale[section] if override is None else merge(scale[section], with_types(override))
        merged[section] = check(value, schemas / f"{section}.schema.yaml", origin, prefix=section)

        _check_names(merged[section], f"{origin}, field '{section}.")

    merged["recording_files"] = {}
    if chosen["recordings_file"] is not None:
        path = root / chosen["recordings_file"]
        entries = check(read_yaml(path), schemas / "recording_files.schema.yaml", chosen["recordings_file"])
        merged["recording_files"] = entries["recordings"] or {}
    merged["data_directory"] = find_data_directory(chosen["data_directory"], root)
    return merged


def with_types(value: Any) -> Any:
    """Return `value` with every string that is a number, a truth value or null turned into that.

    Snakemake reads nested values of --config as strings throughout.
    """
    if isinstance(value, Mapping):
        return {key: with_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_types(item) for item in value]
    if isinstance(value, str):
        parsed = yaml.safe_load(value) if value.strip() else value
        return parsed if parsed is None or isinstance(parsed, bool | int | float) else value
    return value


def read_scale(root: Path, name: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the sections of config/scale/{name}, a file each, over those of the scale that its `base` names."""
    folder = root / "config/scale" / name
    if name in above:
        raise UserError(f"{folder}/scale.yaml, field 'base': scales build on each other: {' > '.join(above)}.")
    base = read_yaml(folder / "scale.yaml").get("base")
    scale = {path.stem: read_yaml(path) for path in sorted(folder.glob("*.yaml")) if path.stem != "scale"}
    return scale if base is None else merge(read_scale(root, base, (*above, name)), scale)


def find_data_directory(named: str | None, root: Path) -> str | None:
    """Return the folder of recordings: the configured one, else $CALCIUM_LATENTS_DATA, else ../shared/data.

    A folder that was named must exist; without any, None.
    """
    for origin, value in (
        ("config/config.yaml (or --config), field 'data_directory'", named),
        (f"environment variable {DATA_VARIABLE}", os.environ.get(DATA_VARIABLE)),
    ):
        if value:
            path = (root / Path(value).expanduser()).resolve()
            if not path.is_dir():
                raise UserError(f"{origin}: expected an existing folder, found {value!r} ({path} is not a folder).")
            return str(path)
    beside = (root / "../shared/data").resolve()
    return str(beside) if beside.is_dir() else None


def find_recording(entry: Mapping[str, Any], data_directory: str | None, root: Path) -> Path | None:
    """Return the folder that the file of a recordings entry is in: `data_directory`, `root`, or None.

    An absolute path stays itself below any folder.
    """
    for folder in filter(None, (data_directory, root)):
        if (Path(folder) / Path(entry["file"]).expanduser()).exists():
            return Path(folder)
    return None


def merge(base: Any, override: Any) -> Any:
    """Return `base` with the fields of `override` over it; lists and scalars are replaced."""
    if not (isinstance(base, Mapping) and isinstance(override, Mapping)):
        return copy.deepcopy(override)
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in override.items():
        merged[key] = merge(base[key], value) if key in base else copy.deepcopy(value)
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises UserError when it is missing, malformed or not a mapping."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: expected a YAML file, found nothing of that name.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected named fields, found {type(value).__name__}.")
    return value


def check(value: Any, schema_path: Path, origin: str, prefix: str = "") -> Any:
    """Return `value` with the schema's defaults filled in.

    `origin` names the file for messages, `prefix` the field that `value` stands in.
    Raises UserError that lists every fault.
    """
    value = json.loads(json.dumps(value, default=str))
    schema = yaml.safe_load(schema_path.read_text(encoding="utf-8"))
    shared = schema_path.with_name("common.yaml")  # what `$ref: common.yaml#/...` means
    registry = Registry().with_resource(
        shared.name, Resource.from_contents(yaml.safe_load(shared.read_text(encoding="utf-8")))
    )
    validator = _Validator(schema, registry=registry)
    errors = sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        lines = [f"{origin}, {_describe(error, prefix)}" for error in errors]
        raise UserError("\n".join(lines))
    return value


def _with_defaults(validator_class):
    check_properties = validator_class.VALIDATORS["properties"]

    def fill(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for name, subschema in properties.items():
                if isinstance(subschema, dict) and "default" in subschema:
                    instance.setdefault(name, copy.deepcopy(subschema["default"]))
        yield from check_properties(validator, properties, instance, schema)

    return validators.extend(validator_class, {"properties": fill})


_Validator = _with_defaults(Draft202012Validator)


def _describe(error, prefix: str) -> str:
    """Return "field 'a.b': expected ..., found ..." for one schema violation."""
    field = ".".join([*filter(None, [prefix]), *map(str, error.absolute_path)])
    where = f"field '{field}'" if field else "top level"
    found, rule = error.instance, error.validator_value
    if error.validator == "additionalProperties" and rule is False:
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in found if name not in known]
        return f"{where}: " + "; ".join(_unknown(name, known) for name in unknown)
    if error.validator == "required":
        missing = [name for name in rule if name not in found]
        present = ", ".join(found) or "nothing"
        return f"{where}: expected the field(s) {', '.join(missing)}, found only {present}."
    if error.validator == "oneOf" and all("required" in choice for choice in rule):
        choices = " or ".join(" and ".join(choice["required"]) for choice in rule)
        return f"{where}: expected either {choices}, found {', '.join(found)}."
    expected = {
        "type": lambda: " or ".join(rule) if isinstance(rule, list) else rule,
        "enum": lambda: "one of " + ", ".join(map(str, rule)),
        "minimum": lambda: f"a number of at least {rule}",
        "maximum": lambda: f"a number of at most {rule}",
        "exclusiveMinimum": lambda: f"a number above {rule}",
        "exclusiveMaximum": lambda: f"a number below {rule}",
        "minItems": lambda: f"at least {rule} item(s)",
        "minProperties": lambda: f"at least {rule} named field(s)",
        "pattern": lambda: f"a name of the form {rule}",
        "uniqueItems": lambda: "items that differ",
    }.get(error.validator)
    if expected is None:
        return f"{where}: {error.message}."
    return f"{where}: expected {expected()}, found {json.dumps(found)}."


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known fields: {', '.join(known)}."
    return f"unknown field '{name}'; {hint}"


def _check_names(section: Mapping[str, Any], place: str) -> None:
    """Check that a study's fields name datasets and models that it has."""
    if "datasets" not in section:
        return
    fields = {"run": (section["run"], section["datasets"])}
    for model, choice in section["models"].items():
        fields[f"models.{model}.datasets"] = (choice.get("datasets", []), section["datasets"])
    convergence, figures = section.get("convergence", {}), section.get("figures", {})
    fields["convergence.dataset"] = ([convergence["dataset"]] if convergence else [], section["run"])
    fields["convergence.models"] = (convergence.get("models", []), section["models"])
    # what is not run is left out of avae's figures: a run may be of the user's recordings alone
    drawn = section["datasets" if "sets" in section else "run"]
    for name, value in figures.items():
        fields[f"figures.{name}"] = ([value] if isinstance(value, str) else value, drawn)
    for field, (names, known) in fields.items():
        for name in names:
            if name not in known:
                raise UserError(f"{place}{field}': expected names among {', '.join(known)}, found {name!r}.")


def _require_known(named: Mapping[str, Any], sections: list[str], origin: str) -> None:
    for name in named:
        if name not in sections:
            raise UserError(
                f"{origin}: {_unknown(name, sections)} (A section needs workflow/schemas/NAME.schema.yaml.)"
            )
