"""The training command's configuration, composed when the workflow is planned: a wrong word costs seconds, not an hour.

Names of groups and files are checked here, fields and their values as the model declares them (`planning.runs`).
PyTorch is not imported: it may be missing where a workflow is only planned.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from calcium_latents.errors import UserError
from calcium_latents.kept import Kept, digest_of
from calcium_latents.parameter_section import WrongFieldsError, suggestion
from calcium_latents.planning.runs import check_run, declared_run
from calcium_latents.provenance import PACKAGE, SOURCE, code_digest, config_digest
from calcium_latents.training.parameters import ClosedForm

COMMAND = "calcium_latents.commands.train"
MODELS = SOURCE / PACKAGE / "models"
OPEN = "search.hyperparameters"  # where words may add and remove fields


class ComposedRun(NamedTuple):
    """What a list of words makes of config/train.yaml."""

    config: dict[str, Any]  # plain values, resolved; what the words leave open is "???"
    config_digest: str
    code_digest: str  # of the training command and of the modules that `_target_`s name


def compose_run(root: Path, words: Sequence[str], place: str = "words of the training command") -> ComposedRun:
    """Compose the configuration of a run, as `python -m calcium_latents.commands.train WORDS` does.

    Args:
        root: the repository, with `config` and `src`.
        words: Hydra's overrides: model=NAME, data=NAME, ..., training.steps=3.
        place: where they stand, for messages.

    Raises UserError naming the word, what was expected and what was found.
    """
    try:
        return _compose(Path(root), tuple(words))
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


@lru_cache(maxsize=1024)
def _compose(root: Path, words: tuple[str, ...]) -> ComposedRun:
    config = _KEPT.get(digest_of(_state(root), *words), lambda: _checked(root, words))
    modules = {COMMAND, *(target.rpartition(".")[0] for target in _targets(config))}
    try:
        code = code_digest(modules, root / "src")
    except ModuleNotFoundError as error:
        raise UserError(f"_target_: expected names of classes and functions of this package: {error}.") from None
    return ComposedRun(config, config_digest(config), code)


#: Hydra takes seconds for the runs of a scale, which are the same every time that a workflow is planned.
_KEPT = Kept(f"runs-hydra-{hydra.__version__}-omegaconf-{version('omegaconf')}.json", most=1024)


@cache
def _state(root: Path) -> str:
    """Return a digest of all that a composed run depends on beside its words: files and declarations."""
    directory = root / "config"
    files = sorted(path for path in directory.rglob("*.yaml") if "scale" not in path.parts)
    declared = [f"{PACKAGE}.models.{path.parent.name}.parameters" for path in MODELS.glob("*/parameters.py")]
    code = code_digest([__name__, f"{PACKAGE}.planning.runs", *declared])
    return digest_of(code, *(part for path in files for part in (str(path.relative_to(directory)), path.read_bytes())))


def _checked(root: Path, words: tuple[str, ...]) -> dict[str, Any]:
    directory, parser = root / "config", OverridesParser.create()
    groups, fields = [], []
    for word in words:
        try:
            override = parser.parse_override(word)
        except HydraException as error:
            raise UserError(f"{word!r}: expected FIELD=VALUE as Hydra writes it: {error}") from None
        if override.is_sweep_override():
            raise UserError(f"{word!r}: expected one value, found several.")
        name = override.key_or_group
        if "/" in name or (directory / name).is_dir():
            _require_file(directory, name, word, override.value())
            groups.append(word)
        else:
            fields.append(override)
    base = _base(directory, tuple(groups))
    before: Any = OmegaConf.to_container(base, resolve=True)
    config = copy.deepcopy(base)
    for override in fields:
        name, word = override.key_or_group, override.input_line
        if override.is_delete() and not name.startswith(f"{OPEN}."):
            raise UserError(f"{word!r}: expected FIELD=VALUE, since only fields of {OPEN} are removed.")
        if "_target_" in name:
            raise UserError(f"{word!r}: expected a choice of files, model=NAME or search=NAME, which say what runs.")
        if not (override.is_add() or override.is_force_add() or name.startswith(f"{OPEN}.")):
            there, value = _require_field(before, name, word), override.value()
            for key in value if isinstance(value, Mapping) and isinstance(there, Mapping) else ():
                _require_field(before, f"{name}.{key}", word)
        try:
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{word!r}: {error.__cause__ or error}") from None
    try:
        after: Any = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{error}") from None
    try:
        check_run(after)
    except WrongFieldsError as error:
        raise UserError(_explained(error, [override.input_line for override in fields])) from None
    if (
        before["training"]
        and declared_run(after["model"]["_target_"]).model_fields["training"].annotation is ClosedForm
    ):
        raise UserError(f"training: expected closed_form, which is how {after['model']['name']} is fitted.")
    return after


@lru_cache(maxsize=256)
def _base(directory: Path, groups: tuple[str, ...]) -> DictConfig:
    """Compose the files of config groups, without words that change single fields: most runs share these."""
    try:
        with initialize_config_dir(str(directory.resolve()), version_base=None):
            return compose("train", list(groups))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{' '.join(groups)}: {error}") from None


def _require_file(directory: Path, group: str, word: str, choice: Any) -> None:
    """Raise a UserError where a config group, or the file that a word chooses of it, does not exist."""
    if not (directory / group).is_dir():
        known = sorted(str(path.relative_to(directory)) for path in directory.glob("**/") if path != directory)
        raise UserError(f"{word!r}: unknown group {group!r}; {suggestion(group, known)}")
    if not (directory / group / f"{choice}.yaml").is_file():
        known = sorted(path.stem for path in (directory / group).glob("*.yaml"))
        raise UserError(f"{word!r}: no file config/{group}/{choice}.yaml; {suggestion(str(choice), known)}")


def _require_field(config: Any, name: str, word: str) -> Any:
    """Return the value of a field. Raises UserError where there is none."""
    value, above = config, ""
    for part in name.replace("[", ".").replace("]", "").split("."):
        items = dict(enumerate(value)) if isinstance(value, list) else value if isinstance(value, Mapping) else {}
        known = {str(key): item for key, item in items.items()}
        if part not in known:
            where = f" of {above!r}" if above else ""
            raise UserError(f"{word!r}: unknown field {part!r}{where}; {suggestion(part, list(known))}")
        value, above = known[part], f"{above}.{part}" if above else part
    return value


def _explained(error: WrongFieldsError, words: Sequence[str]) -> str:
    """Return what is wrong, with the word that says so where one does."""
    lines = []
    for fault in error.faults:
        field = ".".join(map(str, fault.path))
        said = [word for word in words if f"{field}.".startswith(f"{word.lstrip('+').partition('=')[0]}.")]
        lines.append(f"{said[-1]!r}: {fault.text}" if said else f"{field or 'train'}: {fault.text}")
    return "\n".join(lines)


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
