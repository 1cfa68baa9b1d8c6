"""Words of `./run` as a user means them: files are named from where the user stands, not from the repository."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from calcium_latents.configuration.files import read_yaml
from calcium_latents.errors import UserError
from calcium_latents.files import user_path

STARTED_IN = "CALCIUM_LATENTS_STARTED_IN"  # set by the script `run`, which then goes to the repository
OPTION = "--configfile"


def arguments_as_meant(arguments: Sequence[str], folder: str | None = None) -> list[str]:
    """Return Snakemake's arguments with the files of `--configfile` named in full.

    Args:
        arguments: words after `./run`.
        folder: where the user stands; default: what `run` says, else the working directory.

    Raises UserError where a file is neither there nor in the repository (the working directory), or is malformed.
    """
    stands_in = Path(folder or os.environ.get(STARTED_IN) or ".")
    return list(_resolved(arguments, stands_in))


def _resolved(arguments: Sequence[str], stands_in: Path) -> Iterator[str]:
    files = False  # whether words are files: the option takes all that follow, up to the next one
    for word in arguments:
        name, sign, value = word.partition("=")
        if name in (OPTION, f"{OPTION}s") and sign:
            files = True
            yield f"{name}={_found(value, stands_in)}"
        elif word.startswith("-"):
            files = word in (OPTION, f"{OPTION}s")
            yield word
        else:
            yield _found(word, stands_in) if files else word


def _found(file: str, stands_in: Path) -> str:
    for folder in (stands_in, Path(".")):
        path = user_path(file, folder)
        if path.is_file():
            read_yaml(path)  # Snakemake's own reader takes the last of two fields of one name
            return str(path.absolute())
    raise UserError(
        f"{OPTION} {file}: expected an existing file, found none in {stands_in.absolute()}, nor in the repository"
        f" ({Path('.').absolute()}). Correct the path."
    )
