"""A scale's files under the user's choices, checked against the declarations of their sections."""

import os
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from calcium_latents.configuration.files import merge, read_yaml, with_types
from calcium_latents.configuration.sections import FIGURE_RULE, GRANTED_AS, RecordingsFile, Resources, Workflow
from calcium_latents.errors import UserError
from calcium_latents.files import user_path
from calcium_latents.parameter_section import ParameterSection, WrongFieldsError, unknown_field
from calcium_latents.provenance import PACKAGE, SOURCE

DATA_VARIABLE = "CALCIUM_LATENTS_DATA"
CONFIG_FILE = "config/config.yaml"
CHOSEN = f"{CONFIG_FILE} (or --config)"
#: Folders beside the recordings' own in results/SCALE/recordings.
RESERVED = ("figures",)


def load_configuration(config: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the whole configuration: `config` (config/config.yaml, command line) over the scale it names.

    Sections of a scale (a study each, and `resources`) are checked against their declarations, and a section of the
    same name in `config` overrides single fields of it. Defaults of what the workflow itself reads are filled in;
    parameters of commands stay what is given. The entries of the recordings file come as `recording_files`.
    `data_directory` becomes an existing absolute path or None.
    Raises UserError naming file, field, what was expected and what was found.
    """
    if (root / CONFIG_FILE).is_file():
        read_yaml(root / CONFIG_FILE)  # Snakemake's own reader takes the last of two fields of one name
    sections = ["resources", *study_names()]
    chosen = check(Workflow, with_types({key: value for key, value in config.items() if key not in sections}), CHOSEN)
    scales = sorted(path.parent.name for path in (root / "config/scale").glob("*/scale.yaml"))
    if chosen.scale not in scales:
        raise UserError(
            f"{CHOSEN}, field 'scale': expected one of {', '.join(scales)}, found {chosen.scale!r}. A scale is a folder"
            " in config/scale."
        )
    scale_file = f"config/scale/{chosen.scale}"
    scale = read_scale(root, chosen.scale)
    _require_known(scale, sections, scale_file)
    for study in chosen.studies:
        if study not in study_names():
            raise UserError(f"{CHOSEN}, field 'studies': {unknown_field(study, study_names(), 'study')}")
        if not (root / f"workflow/rules/{study}.smk").is_file():
            raise UserError(f"{CHOSEN}, field 'studies': expected workflow/rules/{study}.smk, found none.")
    merged: dict[str, Any] = {name: list(value) if isinstance(value, tuple) else value for name, value in chosen}
    for section in ["resources", *chosen.studies]:
        if section not in scale:
            raise UserError(f"{scale_file}: expected a section '{section}' (named in config/config.yaml), found none.")
        override = config.get(section)
        origin = scale_file if override is None else f"{scale_file} with '{section}' of config/config.yaml or --config"
        value = scale[section] if override is None else merge(scale[section], with_types(override))
        merged[section] = check(declaration(section), value, origin, section).given()
    _check_rules(merged["resources"], root, f"{scale_file} (or --config), field 'resources'")
    merged["recording_files"] = {}
    if chosen.recordings_file is not None:
        merged["recording_files"] = read_recordings(user_path(chosen.recordings_file, root), chosen.recordings_file)
    merged["data_directory"] = find_data_directory(chosen.data_directory, root)
    return merged


def study_names() -> list[str]:
    """Return the studies: packages in calcium_latents.studies with a module `parameters`."""
    return sorted(path.parent.name for path in (SOURCE / PACKAGE / "studies").glob("*/parameters.py"))


def declaration(section: str) -> type[ParameterSection]:
    """Return the declaration of a section of a scale: a study's `Parameters`, or `Resources`."""
    if section == "resources":
        return Resources
    module = import_module(f"{PACKAGE}.studies.{section}.parameters")
    if not hasattr(module, "Parameters"):
        raise UserError(f"{module.__file__}: expected a class Parameters, found none.")
    return module.Parameters


def check(kind: type[ParameterSection], value: Any, origin: str, prefix: str = "") -> Any:
    """Return `value` read as `kind`; `origin` names the file for messages, `prefix` the field that it stands in.

    Raises UserError that lists every fault.
    """
    try:
        return kind.from_mapping(value)
    except WrongFieldsError as error:
        lines = []
        for path, text in error.faults:
            field = ".".join([*filter(None, [prefix]), *map(str, path)])
            place = f"field '{field}'" if field else "top level"
            lines.append(f"{origin}, {place}: {text}")
        raise UserError("\n".join(lines)) from None


def read_recordings(path: Path, origin: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a file of recordings by name; `origin` names the file for messages.

    Raises UserError where the file or an entry is wrong, or two names would be one folder of results.
    """
    takers = [name for name in study_names() if getattr(declaration(name), "TAKES_RECORDINGS", False)]
    entries = check(RecordingsFile, read_yaml(path), origin).recordings or {}
    found = {name: {"studies": takers, **entry.given()} for name, entry in entries.items()}
    folders = {name.casefold(): f"results have a folder '{name}'" for name in RESERVED}
    for name, entry in found.items():
        if name.casefold() in folders:  # file systems of macOS and Windows tell no capitals
            raise UserError(
                f"{origin}, field 'recordings.{name}': expected another name, since {folders[name.casefold()]}."
                " Rename the entry."
            )
        folders[name.casefold()] = f"'{name}' differs in capitals alone, and both would be one folder of results"
        for study in entry["studies"]:
            if study not in takers:
                raise UserError(
                    f"{origin}, field 'recordings.{name}.studies': expected studies that take recordings"
                    f" ({', '.join(takers)}), found {study!r}."
                )
    return found


def rule_names(root: Path) -> set[str]:
    """Return the names under which resources are granted: those of rules, without those that have another's."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "workflow/rules").glob("*.smk")))
    named = re.findall(r"^[ ]*(?:rule|checkpoint)[ ]+(\w+)[ ]*:", text, flags=re.MULTILINE)
    return {*named, FIGURE_RULE} - set(GRANTED_AS)


def _check_rules(resources: Mapping[str, Any], root: Path, origin: str) -> None:
    known = sorted(rule_names(root))
    unknown = [name for name in resources if name not in ("default", *known)]
    if unknown:
        raise UserError("\n".join(f"{origin}: {unknown_field(name, ['default', *known])}" for name in unknown))


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
            path = user_path(value, root).resolve()
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
        if os.path.exists(user_path(entry["file"], folder)):
            return Path(folder)
    return None


def named_files(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return field -> path of the files beside its own that a recordings entry names."""
    trials = entry.get("trials")
    starts = trials.get("starts_s") if isinstance(trials, Mapping) else trials
    given = {"sample_offsets": entry.get("sample_offsets"), "behaviour": entry.get("behaviour"), "trials": starts}
    words = {"sample_offsets": ("none", "from_positions"), "trials": ("none", "file")}
    return {key: path for key, path in given.items() if isinstance(path, str) and path not in words.get(key, ())}


def _require_known(named: Iterable[str], sections: list[str], origin: str) -> None:
    for name in named:
        if name not in sections:
            raise UserError(
                f"{origin}: {unknown_field(name, sections)} (A study needs a class Parameters in"
                " calcium_latents/studies/NAME/parameters.py.)"
            )
