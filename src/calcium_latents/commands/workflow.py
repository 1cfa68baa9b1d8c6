"""What `./run` calls: Snakemake with all cores, which then writes the report, and a word on where things are."""

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

from calcium_latents.commands.cli import run_command
from calcium_latents.configuration.files import read_yaml
from calcium_latents.launch import cluster, machine, verify
from calcium_latents.launch.arguments import arguments_as_meant
from calcium_latents.launch.leftovers import only_run
from calcium_latents.launch.user import caches, identity

#: Arguments after which not everything is up to date, so that there is nothing to report on.
PARTIAL = ("targets", "dryrun", "touch", "until", "omit_from", "batch", "snakefile", "report")


def main(arguments: list[str] | None = None) -> None:
    """Run Snakemake with `arguments` (all of its own are understood); exit with its status.

    A run of everything writes the HTML report at its end. `verify` as the first word: see `launch.verify`.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["verify"]:
        return verify.main(arguments[1:])
    arguments = arguments_as_meant(arguments)
    cluster.require_executor(arguments)
    os.environ |= identity(os.environ)
    parsed = _parse(arguments)
    cluster.require_account(parsed)
    directory = Path(parsed.directory or "").absolute()
    os.environ |= caches(os.environ, directory)
    results = directory / "results" / _scale(parsed.config, parsed.configfile)
    report, started = results / "report.html", time.time()
    # set-like options take every word that follows: these stand first
    command = [sys.executable, "-m", "snakemake"]
    if parsed.executor in (None, "local") and parsed.cores is None:
        command += ["--cores", "all"]
    if not any(getattr(parsed, name) for name in PARTIAL):
        command += ["--report", str(report), "--report-after-run"]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if not parsed.quiet and not parsed.dryrun:
        command += ["--quiet", "host", "reason", "--rerun-incomplete"]  # which ends the list, and holds in any case
    command += [*arguments[:end], *machine.share(parsed), *arguments[end:]]
    with only_run(parsed, results):
        status = subprocess.run(command).returncode
    if status < 0:
        print(f"run: Snakemake was stopped by signal {-status}. What is done stays: start again.", file=sys.stderr)
    if status != 0:
        sys.exit(status if status > 0 else 128 - status)
    if report.is_file() and report.stat().st_mtime >= started:
        results, report = Path(os.path.relpath(results)), Path(os.path.relpath(report))
        figures = sorted(results.glob("*/figures/*.png"))
        print(f"\nFigures ({len(figures)}): " + ", ".join(sorted({str(path.parent) for path in figures})))
        if (results / "claims.csv").is_file():
            print(f"Claims of the papers beside our numbers: {results / 'claims.csv'}")
        print(f"Report: {report} (open it in a browser)")


def _parse(arguments: list[str]):
    """Return Snakemake's own reading of `arguments` and of the profiles that they name."""
    from snakemake.cli import parse_args

    said = io.StringIO()  # which profile is used: Snakemake itself will say it again
    try:
        with contextlib.redirect_stderr(said):
            return parse_args(arguments)[1]
    except SystemExit:
        print(said.getvalue(), end="", file=sys.stderr)
        raise


def _scale(config: list[str] | None, files: list[Path] | None) -> str:
    for entry in reversed(config or []):
        if str(entry).startswith("scale="):
            return str(entry).removeprefix("scale=")
    chosen = [read_yaml(Path(path)).get("scale") for path in (*reversed(files or []), "config/config.yaml")]
    return next(filter(None, chosen), "quick")


if __name__ == "__main__":
    run_command(main)
