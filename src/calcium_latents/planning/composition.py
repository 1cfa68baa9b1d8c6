"""The training command's configuration, composed when the workflow is planned: a wrong word costs seconds, not an hour.

What can be known without the model's code is checked: names of groups, files and fields, kinds of values, ranges of
counts, sizes and rates, and everything of a search. PyTorch is not imported: it may be missing where a workflow is
only planned.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.metrics import METRICS
from calcium_latents.parameter_section import suggestion
from calcium_latents.provenance import PACKAGE, code_digest, config_digest
from calcium_latents.search.settings import SearchSettings

COMMAND = "calcium_latents.commands.train"
MOST_SEED = 2**64 - 1  # of PyTorch's generators
#: fields that count something
COUNTS = {"steps", "epochs", "batch_size", "validate_every", "snapshot_every", "checkpoint_every", "stages"}
COUNTS |= {"population", "together", "pool", "folds", "penalties", "rotations", "threads", "processes"}
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
        if not name.startswith(f"{OPEN}.") and not _is_addition(override, before):
            _require_kind(_require_field(before, name, word), override.value(), name, word)
        try:
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{word!r}: {error.__cause__ or error}") from None
    after: Any = OmegaConf.to_container(config, resolve=True)
    _check(after)
    modules = {COMMAND, *(target.rpartition(".")[0] for target in _targets(after))}
    try:
        code = code_digest(modules, root / "src")
    except ModuleNotFoundError as error:
        raise UserError(f"_target_: expected names of classes and functions of this package: {error}.") from None
    return ComposedRun(after, config_digest(after), code)


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


def _is_addition(override: Override, config: Mapping[str, Any]) -> bool:
    """Tell whether a word adds a field to a group that has none, and so ignores it: of several models, one may."""
    if override.is_delete():
        raise UserError(f"{override.input_line!r}: expected FIELD=VALUE, since only fields of {OPEN} are removed.")
    return (override.is_add() or override.is_force_add()) and config.get(override.key_or_group.split(".")[0]) == {}


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


def _require_kind(before: Any, after: Any, name: str, word: str) -> None:
    """Raise a UserError where a value is not of the kind of the one that it replaces."""
    expected = _expected(before, after, name)
    if expected is not None:
        raise UserError(f"{word!r}: expected {expected} (as {before!r} in config), found {after!r}.")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in after.items():
            _require_kind(_require_field(before, str(key), word), value, f"{name}.{key}", word)


def _expected(before: Any, after: Any, name: str) -> str | None:
    """Return what a value must be that replaces `before`; None where `after` is that."""
    number = isinstance(before, int | float) and not isinstance(before, bool)
    field = name.rpartition(".")[2]
    if number and field.endswith("dropout_rate"):
        return None if _is_number(after) and 0 <= after < 1 else "a number from 0 to below 1"
    if number and (field in COUNTS or name.startswith("model.sizes.") and isinstance(before, int)):
        good = isinstance(after, int) and not isinstance(after, bool) and after >= 1
        return None if good else "a whole number of at least 1"
    if before is None or after is None:  # null: as the code chooses
        return None
    if number:
        values = list(after.values()) if isinstance(after, Mapping) else [after]
        good = values and all(_is_number(value) and (value >= 0 or before < 0) for value in values)
        return None if good else "a number of at least 0"
    if isinstance(before, list):
        numbers = not isinstance(after, list) or all(map(_is_number, after)) or not all(map(_is_number, before))
        return None if isinstance(after, list) and numbers else "a list of numbers"
    for kind, expected in ((bool, "true or false"), (str, "a word"), (Mapping, "named fields")):
        if isinstance(before, kind):
            return None if isinstance(after, kind) else expected
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _check(config: Mapping[str, Any]) -> None:
    """Check what does not depend on a model's code. Raises UserError."""
    seed, select = config["seed"], config["training"].get("select", "last")
    if not (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= MOST_SEED):
        raise UserError(f"seed: expected a whole number from 0 to 2^64 - 1, found {seed!r}.")
    if select not in ("last", *METRICS):
        raise UserError(f"training.select: expected last or one of {', '.join(METRICS)}, found {select!r}.")
    if "_target_" in config["search"]:
        SearchSettings.from_config(config)


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
