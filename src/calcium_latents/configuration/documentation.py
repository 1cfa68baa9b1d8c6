"""docs/configuration.md: every field of the configuration, from its declaration."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, get_args

from pydantic.fields import FieldInfo

from calcium_latents.configuration.loading import declaration, study_names
from calcium_latents.configuration.sections import (
    Deconvolution,
    ModelChoice,
    Overrides,
    RecordingsFile,
    Resources,
    RuleResources,
    Smoothing,
    Workflow,
)
from calcium_latents.parameter_section import FieldsOf, ParameterSection, expected
from calcium_latents.provenance import PACKAGE, SOURCE

HEAD = """# Configuration

Every field that a configuration may have. Made by `python -m calcium_latents.commands.document_configuration` from the
declarations in `src/calcium_latents`, which also check what is given; do not edit.

What to run stands in `config/config.yaml`; numbers stand in `config/scale/SCALE/SECTION.yaml`, where a scale
states only what it changes of its `base`. Any field is changed for one run as in
`./run --config 'radical={"seeds": [1, 2]}'`.
"""


def configuration_page() -> str:
    """Return the page."""
    parts, done = [HEAD], set()
    for title, kinds in {
        "What to run: config/config.yaml": [Workflow],
        "Your recordings: config/recordings.yaml": [RecordingsFile],
        "Resources: config/scale/SCALE/resources.yaml": [Resources, RuleResources],
        "What several studies have": [ModelChoice, Overrides, Deconvolution, Smoothing],
    }.items():
        parts += _chapter(title, kinds, done)
    for study in study_names():
        parts += _chapter(f"Study {study}: config/scale/SCALE/{study}.yaml", [declaration(study)], done)
    parts += _chapter("Models and their training: config/model, data, training, search", declared_runs(), done)
    return "\n".join(parts)


def declared_runs() -> list[type[ParameterSection]]:
    """Return what runs of the training command may be told, a section a family of models."""
    modules = sorted((SOURCE / PACKAGE / "models").glob("*/parameters.py"))
    found = [
        kind
        for path in modules
        for name, kind in vars(import_module(f"{PACKAGE}.models.{path.parent.name}.parameters")).items()
        if name.endswith("Run") and name != "Run"
    ]
    return list(dict.fromkeys(found))


def _chapter(title: str, kinds: Iterable[type[ParameterSection]], done: set) -> Iterator[str]:
    yield f"## {title}\n"
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop(0)
        if kind in done:
            continue
        done.add(kind)
        heading = [] if kind.__name__ == "Parameters" else [f"### {kind.__name__}\n"]
        yield from [*heading, f"{' '.join((kind.__doc__ or '').split())}\n"]
        yield from ["| field | takes | default | meaning |", "|---|---|---|---|"]
        for name, field in kind.model_fields.items():
            cells = (f"`{name}`", expected(field), _default(field), " ".join((field.description or "").split()))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            waiting += _sections(field.annotation, field.metadata)
        yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, ParameterSection):
        value = value.given()
        return ", ".join(f"{name}: {_plain(item)}" for name, item in value.items()) or "that of its fields"
    if value is None:
        return "null" if type(None) in get_args(field.annotation) else "none"
    return _plain(value)


def _plain(value: Any) -> str:
    """Return a value as YAML would have it, short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_plain(item)}" for name, item in value.items()) + "}"
    return str(value)


def _sections(annotation: Any, metadata: Any = ()) -> Iterator[type[ParameterSection]]:
    """Yield the sections that a type is made of."""
    for part in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(part, FieldsOf):
            yield part.kind
    if isinstance(annotation, type) and issubclass(annotation, ParameterSection):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
