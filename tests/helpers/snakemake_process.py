"""Snakemake in a process of its own that need not import it: forked from one that has, once for each of pytest's."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

_FORKED = multiprocessing.get_context("forkserver")
#: What planning imports of others; nothing of this package, of which the Snakefile may take another copy.
_FORKED.set_forkserver_preload(
    ["snakemake.cli", "snakemake.executors.dryrun", "hydra", "pydantic", "xarray", "h5netcdf", "scipy.sparse"]
)


def snakemake_process(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] = os.environ,
    main: Callable[[list[str]], None] | None = None,
) -> CompletedProcess[str]:
    """Do what `python -m snakemake ARGUMENTS` does in the folder `cwd`.

    `main` is another module's function of the arguments that stands for Snakemake's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "stdout"), Path(folder, "stderr")
        process = _FORKED.Process(target=_main, args=(main, list(arguments), cwd, dict(environment), said))
        process.start()
        process.join()
        return CompletedProcess(arguments, process.exitcode or 0, *(path.read_text() for path in said))


def _main(main: Callable | None, arguments: list[str], cwd: Path, environment: dict[str, str], said: tuple) -> None:
    from snakemake import cli

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for standard, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), standard)
    sys.argv = ["snakemake", *arguments]
    (main or cli.main)(arguments)
