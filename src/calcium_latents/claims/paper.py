"""What the papers state: config/papers/NAME.yaml, a value each with the page or figure, read by claims and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcium_latents.configuration.files import read_yaml
from calcium_latents.errors import UserError
from calcium_latents.provenance import SOURCE

FOLDER = SOURCE.parent / "config/papers"


@dataclass(frozen=True)
class PaperValue:
    """A number of a paper: `value` in the unit of its name, `printed` as it stands there, `where`: page or figure."""

    value: Any  # a number, a list of numbers, or None where only words stand
    printed: str
    where: str


def papers() -> list[Path]:
    """Return the files of all papers."""
    return sorted(FOLDER.glob("*.yaml"))


def read_paper(study: str, folder: Path = FOLDER) -> Mapping[str, PaperValue]:
    """Return name -> value of the paper of a study.

    Raises:
        UserError: there is no such file, or an entry lacks a field or has another.
    """
    path = folder / f"{study}.yaml"
    entries = read_yaml(path).get("values")
    if not isinstance(entries, dict):
        raise UserError(f"{path}, field 'values': expected a mapping (empty: {{}}), found {entries!r}.")
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = PaperValue(**entry)
        except TypeError:
            raise UserError(
                f"{path}, field 'values.{name}': expected the fields value, printed and where, found {entry!r}."
            ) from None
    return found


def paper_values(inputs: Mapping[str, Sequence[Path]]) -> Mapping[str, PaperValue]:
    """Return what the paper states that is a figure's input `paper`, a file with the name of its study."""
    (path,) = inputs["paper"]
    return read_paper(path.stem, path.parent)
