"""The page of the configuration is what the declarations say."""

from pathlib import Path

from calcium_latents.commands.document_configuration import main
from calcium_latents.configuration.documentation import _sections, configuration_page, declared_runs
from calcium_latents.configuration.loading import declaration, study_names
from calcium_latents.configuration.sections import RecordingsFile, Resources, RuleResources, Workflow

ROOT = Path(__file__).resolve().parents[2]


def all_sections():
    """Yield every section of the configuration."""
    waiting = [Workflow, RecordingsFile, Resources, RuleResources, *map(declaration, study_names()), *declared_runs()]
    found = set()
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            yield kind
            waiting += [
                one for field in kind.model_fields.values() for one in _sections(field.annotation, field.metadata)
            ]


def test_the_committed_page_is_the_generated_one(tmp_path):
    main(["--output", str(tmp_path / "page.md")])
    committed = (ROOT / "docs/configuration.md").read_text()
    advice = "run: python -m calcium_latents.commands.document_configuration"
    assert (tmp_path / "page.md").read_text() == committed, advice


def test_every_field_is_explained():
    silent = [f"{kind.__name__}.{name}" for kind in all_sections() for name, field in kind.model_fields.items()
              if not field.description]  # fmt: skip
    assert silent == []


def test_the_page_shows_types_ranges_defaults_and_sources():
    page = configuration_page()
    for row in (
        "| `beta` | a number above 0 | 2.66667 | Of the Lorenz system. |",
        "| `seeds` | a list, each a whole number from 0 to 9223372036854775807, at least 1 item(s), all different |",
        "| `connection_probability` | a number from 0 to 1 | 0.5 | That a possible link is one [N]. |",
        "| `neurons_per_cluster` | a whole number of at least 1, or null | null |",
        "| `file` | text | required | Path, relative",
        "| `steps` | a whole number of at least 1 | required | Optimiser steps; the most",
        "| `gradient_clip` | a number above 0, or .inf | 300 |",
    ):
        assert row in page
