"""What `./run` calls: Snakemake with all cores, then the report, then a word on where things are."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

from calcium_latents.commands.cli import run_command

NEWS = (".png", ".svg", ".csv", ".nc")


def main(arguments: list[str] | None = None) -> None:
    """Run Snakemake with `arguments` (all of its own are understood); exit with its status.

    Without targets or another mode among them (a dry run, --lint, ...), the HTML report follows.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = _parse(arguments)
    local = parsed.executor in (None, "local")
    # set-like options take every word that follows: --cores stands first
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *(["--cores", "all"] if local and parsed.cores is None else []),
        *arguments,
    ]
    status = subprocess.run(command).returncode
    if status != 0:
        sys.exit(status)
    if any(value for name, value in vars(parsed).items() if name in OTHER_MODES):
        return
    scale = _scale(parsed.config)
    results = Path("results") / scale
    report = results / "report.html"
    if not is_current(report, results):
        print(f"Writing {report}", file=sys.stderr)
        config = ["--config", *parsed.config] if parsed.config else []
        configfiles = ["--configfile", *map(str, parsed.configfile)] if parsed.configfile else []
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--report", str(report), "--quiet", "all", *configfiles, *config],
            check=True,
        )
    figures = sorted(results.glob("*/figures/*.png"))
    print(f"\nFigures ({len(figures)}): " + ", ".join(sorted({str(path.parent) for path in figures})))
    print(f"Claims of the papers beside our numbers: {results / 'claims.csv'}")
    print(f"Report: {report} (open it in a browser)")


#: Arguments that make Snakemake do something else than bring everything up to date.
OTHER_MODES = (
    "targets",
    "dryrun",
    "touch",
    "lint",
    "report",
    "unlock",
    "list_rules",
    "list_target_rules",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "archive",
    "delete_all_output",
    "delete_temp_output",
    "cleanup_metadata",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "list_conda_envs",
    "conda_create_envs_only",
    "conda_cleanup_envs",
    "containerize",
    "generate_unit_tests",
    "until",
    "omit_from",
    "batch",
    "snakefile",
    "directory",
)


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


def is_current(report: Path, results: Path) -> bool:
    """Return whether `report` is newer than every result below `results`."""
    if not report.is_file():
        return False
    written = report.stat().st_mtime
    return all(path.stat().st_mtime <= written for path in results.rglob("*") if path.suffix in NEWS)


def _scale(config: list[str] | None) -> str:
    import yaml

    for entry in config or []:
        if str(entry).startswith("scale="):
            return str(entry).removeprefix("scale=")
    return yaml.safe_load(Path("config/config.yaml").read_text())["scale"]


if __name__ == "__main__":
    run_command(main)
