"""What all commands share: readable failures, parameters and inputs from the command line."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.files import atomic_path

#: Exit status of a process that was killed, as bash has it.
KILLED = 137

#: Words of the option `--accelerator`, for `device_of`.
ACCELERATOR = {"choices": ("cpu", "gpu"), "default": "cpu", "help": "where the network is computed (default: cpu)"}

#: Words of the option `--embedding`, for `read_embeddings`.
EMBEDDINGS = {
    "required": True,
    "action": "append",
    "metavar": "METHOD=FILE",
    "help": "embedding of the recording's neurons (.nc); again for more methods, and for more seeds of a method",
}


def command(**options: Any) -> Callable:
    """Decorate a command's `main(options)`: it then takes a list of words, by default those of the command line.

    `options` are those of `main` by name, `_` for `-`: the help of a required option (of `parameters`: what they are,
    see `add_parameters`), or the words of `ArgumentParser.add_argument`. The module's docstring describes the command.
    """

    def decorate(main: Callable[[argparse.Namespace], Any]) -> Callable:
        @wraps(main)
        def parse_and_run(arguments: list[str] | None = None) -> Any:
            parser = argparse.ArgumentParser(description=main.__globals__["__doc__"])
            for name, words in options.items():
                if name == "parameters":
                    add_parameters(parser, words)
                else:
                    said: Any = {"required": True, "help": words} if isinstance(words, str) else words
                    parser.add_argument(f"--{name.replace('_', '-')}", **said)
            return main(parser.parse_args(arguments))

        return parse_and_run

    return decorate


def run_command(main: Callable[[], Any]) -> None:
    """Run `main`; a UserError becomes a message on standard error and exit status 2, without a traceback.

    So does a lack of memory, with the status of what the system kills for it: a job's log then says the rest
    (workflow/job.sh). Where that says so, what the command took is noted in a table.
    """
    noted = os.environ.pop("CALCIUM_LATENTS_BENCHMARK", None)  # not by processes that it starts
    try:
        main()
        if noted:
            _note_use(Path(noted), float(os.environ["CALCIUM_LATENTS_BEGAN"].replace(",", ".")))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        found = _lack_of_memory(error)
        if found is None:
            raise
        print(f"error: {found[0]}: {error}", file=sys.stderr)
        sys.exit(found[1])


def _note_use(path: Path, began: float) -> None:
    """Write seconds since `began`, CPU seconds and peak memory (MB) of this process and those that it waited for."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 2**20 if sys.platform == "darwin" else 2**10
    use = {
        "s": time.time() - began,
        "cpu_s": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
        "max_rss_mb": max(own.ru_maxrss, others.ru_maxrss) / unit,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\t".join(use) + "\n" + "\t".join(f"{value:.2f}" for value in use.values()) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _lack_of_memory(error: Exception) -> tuple[str, int] | None:
    """Return in words whose memory was too small, and an exit status; None where something else failed."""
    kind = type(error).__name__  # the modules of some are slow to import
    if kind == "BrokenProcessPool":
        return "one of the command's processes was killed", KILLED
    if kind == "OutOfMemoryError":  # of PyTorch
        return "the GPU's memory is too small: train fewer or smaller models at once, or on the CPU", 2
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "out of memory", KILLED
    return None


def parameters(text: str) -> dict[str, Any]:
    """Parse `--parameters`: a JSON object, or the path of a JSON or YAML file that holds one."""
    if not text.lstrip().startswith("{"):
        path = Path(text)
        if not path.is_file():
            raise argparse.ArgumentTypeError(f"expected a JSON object or the path of a file, found {text!r}")
        if path.suffix in {".yaml", ".yml"}:
            from calcium_latents.configuration.files import read_yaml

            value = read_yaml(path)
        else:
            value = _json(path.read_text(), text)
    else:
        value = _json(text, text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected an object with named fields, found {type(value).__name__}")
    return value


def _json(text: str, found: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not a JSON object ({error}): {found!r}") from error


def add_parameters(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--parameters` to a command's parser; when it comes again, its fields go over those before."""

    class Merge(argparse.Action):
        def __call__(self, _, namespace, value, option=None):
            namespace.parameters = {**namespace.parameters, **value}

    parser.add_argument(
        "--parameters",
        type=parameters,
        action=Merge,
        default={},
        metavar="JSON|FILE",
        help=f"{what}: JSON, or a JSON or YAML file; may come again, later fields go over earlier ones",
    )


def read_embeddings(pairs: list[str], variables: list[str] | None = None) -> dict[tuple[str, int], Any]:
    """Return (method, seed) -> Embedding (of all variables, or some) of the `--embedding`s; see `read_runs`."""
    from calcium_latents.recordings.embedding import read_embedding

    return read_runs("embedding", pairs, lambda path: read_embedding(path, variables))


def read_runs(option: str, pairs: list[str], read: Callable[[str], Any]) -> dict[tuple[str, int], Any]:
    """Return (method, seed) -> what `read` makes of the file of each METHOD=FILE.

    Raises:
        UserError: not METHOD=FILE, a file that `read` refuses, or a seed of a method that comes twice.
    """
    found = {}
    for pair in pairs:
        method, sign, path = pair.partition("=")
        if not (method and sign and path):
            raise UserError(f"--{option}: expected METHOD=FILE, found {pair!r}.")
        result = read(path)
        run = (method, int(result.attrs["seed"]))
        if run in found:
            raise UserError(f"{path}: expected one {option} of each method and seed, found another of {run}.")
        found[run] = result
    return found


def method_of(path: str | Path) -> tuple[str, int]:
    """Return (model, seed) of a result at `.../{model}/seed-{seed}/file`, as the workflow lays them out.

    Raises UserError when the path has another form.
    """
    model, seed = Path(path).parts[-3:-1] if len(Path(path).parts) >= 3 else ("", "")
    if not seed.startswith("seed-") or not seed.removeprefix("seed-").isdigit():
        raise UserError(f"{path}: expected a path of the form MODEL/seed-NUMBER/FILE")
    return model, int(seed.removeprefix("seed-"))
