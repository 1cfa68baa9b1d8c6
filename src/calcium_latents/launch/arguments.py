"""Words of `./run` as a user means them: studies by their names, files from where the user stands."""

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from calcium_latents.configuration.files import read_yaml
from calcium_latents.configuration.loading import study_names
from calcium_latents.errors import UserError
from calcium_latents.files import user_path

STARTED_IN = "CALCIUM_LATENTS_STARTED_IN"  # set by the script `run`, which then goes to the repository
OPTION = "--configfile"
#: First words of `./run` beside studies -> the words of `--config`, and what is made; none: all of it.
RUNS = {
    "demo": (["scale=demo", "studies=radical"], ["results/demo/radical/figures/radical_figure2.png"]),
    "searches": (["scale=searches", "studies=radical"], []),
}


def arguments_as_meant(arguments: Sequence[str], folder: str | None = None) -> list[str]:
    """Return Snakemake's arguments, with the files of `--configfile` named in full.

    Names of studies that stand first choose these alone, and `demo` and `searches` what `RUNS` says.

    Args:
        arguments: words after `./run`.
        folder: where the user stands; default: what `run` says, else the working directory.

    Raises UserError where a file is neither there nor in the repository (the working directory), or is malformed.
    """
    stands_in = Path(folder or os.environ.get(STARTED_IN) or ".")
    return list(_resolved(_named(arguments), stands_in))


def _named(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the studies, or the run, that stand first put into `--config`."""
    first = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    options = list(arguments[len(first) :])
    studies = [word for word in first if word in study_names()]
    targets = [word for word in first if word not in (*studies, *RUNS)]
    config = [f"studies={json.dumps(studies)}"] if studies else []
    for name in (word for word in first if word in RUNS):
        if len(first) > 1:
            raise UserError(f"{name}: expected no other word before the options, found {' '.join(first)!r}.")
        config, targets = RUNS[name]
    if not config:
        return list(arguments)
    place = options.index("--config") + 1 if "--config" in options else None
    if place is not None:  # Snakemake takes the last `--config` alone
        return [*targets, *options[:place], *config, *options[place:]]
    return [*targets, "--config", *config, *options]


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
