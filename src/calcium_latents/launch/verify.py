"""`./run verify`: the same seed gives the same bytes, at --cores 1 and 2, and however often a run is killed.

The workflow runs three times from nothing, in folders of its own: on one core, on two, and on two with everything
killed (SIGKILL) in the middle of jobs that are drawn at random by a seed, half of them trainings, then started again.
Every result is compared byte by byte but those of `LEFT_OUT`.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from calcium_latents.errors import UserError
from calcium_latents.files import read_table, write_table
from calcium_latents.launch.differences import first_difference
from calcium_latents.progress import duration, say
from calcium_latents.provenance import PACKAGE, SOURCE, provenance

ROOT = SOURCE.parent
#: What may differ, by its place below results/SCALE, and why. Everything else has to be the same.
LEFT_OUT = {
    "logs/*": "progress and warnings with times, written anew when a killed job starts again",
    "benchmarks/*": "seconds and memory",
    "index.html": "time stamps of pictures, and how far a run is",
    ".*.partial*": "left by writers that were killed; `./run` removes them when it starts",
    "*/.*.partial*": "the same",
    "report.html": "dates and run times of the jobs",
    "*/timing.csv": "seconds of training",
    "*/alignment_timing.csv": "seconds of aligning bar codes",
    "radical/convergence_timing.csv": "seconds of training at each snapshot",
    "radical/figures/radical_convergence.*": "drawn against seconds of training",
}
RUNS = {"one core": 1, "two cores": 2, "two cores, killed": 2}
KEYS = ["scale", "study"]
TRAINING = ("train", "search_worker")
POLL_S, SAY_EVERY_S = 0.1, 20.0


@dataclass(frozen=True)
class Strike:
    """Kill everything `after_s` seconds into the job whose log is `log`."""

    log: str
    after_s: float


def main(arguments: Sequence[str]) -> None:
    """Verify, print what differs, write the table; exit with status 1 where anything does."""
    options = _parser().parse_args(arguments)
    configuration = [f"scale={options.scale}", *options.config]
    if options.studies:
        configuration.append(f"studies={json.dumps(options.studies)}")
    before = _origin(configuration)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="verify-"))
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"--folder: expected an empty folder, found files in {folder}.")
    say(f"verify: the runs are in {folder}" + ("" if options.keep else ", removed when they agree"))
    results, strikes, struck = [], [], []
    for name, cores in RUNS.items():
        if name.endswith("killed"):
            strikes = draw_strikes(results[0], options.kills, options.seed)
        directory, start = folder / name.replace(", ", "-").replace(" ", "-"), time.monotonic()
        directory.mkdir(parents=True)
        struck = run_workflow(directory, cores, configuration, options.scale, strikes, name)
        results.append(directory / "results" / options.scale)
        kills = f", killed {len(struck)} times" if strikes else ""
        say(f"verify: {name}: {duration(time.monotonic() - start)}{kills}")
    if _origin(configuration) != before:
        raise UserError(
            "verify: expected the same code in all runs, found that it was changed meanwhile. Run it again."
        )
    table, said = compare(results, struck)
    for line in said:
        print(line)
    print(f"\n{table.to_string(index=False)}\nThe table: {options.output}")
    table = table.assign(scale=options.scale, **{key: before[key] for key in ("config_digest", "code_digest")})
    write_rows(table.assign(platform=_platform(), versions=before["versions"]), options.output)
    if said:
        print(f"The runs: {folder}")
        sys.exit(1)
    if not options.keep:
        shutil.rmtree(folder)


def _parser() -> argparse.ArgumentParser:
    left_out = "\n".join(f"  {pattern:45s}{reason}" for pattern, reason in LEFT_OUT.items())
    parser = argparse.ArgumentParser(
        prog="./run verify",
        description=f"{__doc__}\nNot compared, below results/SCALE:\n{left_out}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", default="smoke", help="of config/scale (default: smoke)")
    parser.add_argument("--studies", nargs="+", metavar="STUDY", help="default: those of config/config.yaml")
    parser.add_argument("--config", nargs="+", default=[], metavar="FIELD=VALUE", help="of the workflow, as in ./run")
    parser.add_argument("--kills", type=int, default=4, help="in each study (default: 4)")
    parser.add_argument("--seed", type=int, default=1, help="of when to kill")
    parser.add_argument("--keep", action="store_true", help="keep the runs, which take up as much as three of them")
    parser.add_argument("--folder", type=Path, help="where to run, empty; default: a temporary one")
    parser.add_argument("--output", type=Path, default=Path("results/reference/verify.csv"), help="table (.csv)")
    return parser


def run_workflow(
    directory: Path,
    cores: int,
    configuration: Sequence[str],
    scale: str,
    strikes: Sequence[Strike] = (),
    name: str = "run",
) -> list[str]:
    """Run the workflow in `directory`, and kill it at each strike and start it again; return the logs of jobs struck.

    Says now and then how far the run `name` is.

    Raises:
        UserError: it failed by itself.
    """
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    words += ["--config", *configuration, "--nolock", "--cores", str(cores), "--quiet", "rules"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    logs, waiting, struck, starts = directory / "results" / scale / "logs", list(strikes), [], 0
    while True:
        starts += 1
        output, began = directory / f"snakemake-{starts}.log", time.time()
        with output.open("wb") as file:
            process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
            )
            try:
                strike = _await(process, logs, waiting, began, name)
            finally:
                _kill(process)
        if strike is None:
            if process.returncode == 0:
                return struck
            raise UserError(f"the workflow: expected it to end well, found status {process.returncode}. See {output}.")
        waiting.remove(strike)
        struck.append(strike.log)
        say(f"verify: {name}: killed in {strike.log.removesuffix('.log')}; starting again")


def _await(process: subprocess.Popen, logs: Path, strikes: Sequence[Strike], began: float, name: str) -> Strike | None:
    """Wait until a strike is due, and return it; None where the process ends before."""
    due: dict[Strike, float] = {}
    said = time.monotonic()
    while process.poll() is None:
        now = time.time()
        for strike in strikes:
            log = logs / strike.log
            if strike not in due and log.is_file() and log.stat().st_mtime >= began:
                due[strike] = now + strike.after_s
            if due.get(strike, now) < now:
                return strike
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            say(f"verify: {name}: {sum(1 for _ in logs.rglob('*.log'))} jobs begun")
        time.sleep(POLL_S)
    return None


def _kill(process: subprocess.Popen) -> None:
    """Kill a process, and all that it and its children have started: nothing outlives a power cut."""
    import psutil

    if process.poll() is not None:
        return
    try:
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)  # first: what is dead starts nothing more
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=10)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass
    process.wait()


def draw_strikes(results: Path, kills: int, seed: int) -> list[Strike]:
    """Draw `kills` jobs of every study of a finished run, half of them trainings where there are some, and when.

    Jobs and moments follow from the seed; seconds from how long the job took in the finished run.
    """
    from calcium_latents.seeds import generator

    strikes = []
    logs = sorted(path.relative_to(results / "logs").as_posix() for path in (results / "logs").rglob("*.log"))
    for study in sorted({log.split("/")[0] for log in logs if "/" in log}):
        random = generator(seed, "verify", study)
        jobs = [log for log in logs if log.startswith(f"{study}/")]
        training = [log for log in jobs if Path(log).name.startswith(TRAINING)]
        chosen = list(random.permutation(training)[: (kills + 1) // 2])
        chosen += list(random.permutation([log for log in jobs if log not in chosen])[: kills - len(chosen)])
        for log in chosen:
            strikes.append(Strike(str(log), float(random.random()) * _seconds(results / "benchmarks" / log)))
    return strikes


def _seconds(log: Path) -> float:
    """Return how long a job took, by its benchmark; 1 where it has none."""
    file = log.with_suffix(".tsv")
    return float(file.read_text().splitlines()[1].split("\t")[0]) if file.is_file() else 1.0


def compare(results: Sequence[Path], struck: Sequence[str]):
    """Compare the results of several runs with those of the first.

    Returns:
        A table with a row a study (study, compared, equal, differing, left_out: files; kills), and a line for each
        difference.
    """
    import pandas as pd

    rows, said = {}, []
    for file in sorted({path for folder in results for path in _files(folder)}):
        study = file.partition("/")[0] if "/" in file else "(claims)"
        row = rows.setdefault(study, {"compared": 0, "equal": 0, "differing": 0, "left_out": 0})
        if any(fnmatch(file, pattern) for pattern in LEFT_OUT):
            row["left_out"] += 1
            continue
        row["compared"] += 1
        found = [
            f"{file}: {name}: {difference}"
            for name, folder in zip(list(RUNS)[1:], results[1:], strict=False)
            if (difference := first_difference(results[0] / file, folder / file)) is not None
        ]
        row["differing" if found else "equal"] += 1
        said += found
    for name in ("logs", "benchmarks"):
        rows.pop(name, None)
    kills = {study: sum(log.startswith(f"{study}/") for log in struck) for study in rows}
    return pd.DataFrame([{"study": name, **row, "kills": kills[name]} for name, row in rows.items()]), said


def write_rows(table, path: Path) -> None:
    """Write a table, keeping the rows that `path` has of other studies and scales."""
    import pandas as pd

    if path.is_file():
        before = read_table(path, KEYS)
        kept = before[~before.set_index(KEYS).index.isin(table.set_index(KEYS).index)]
        table = pd.concat([kept, table]).sort_values(KEYS)
    write_table(table, path)


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _origin(configuration: Sequence[str]) -> dict[str, str | int]:
    """Return the provenance of everything that runs: all modules, and all files of the configuration."""
    modules = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in (SOURCE / PACKAGE).rglob("*.py")
    ]
    parts = [*(ROOT / "config").rglob("*.yaml"), *(ROOT / "workflow").rglob("*.smk"), ROOT / "Snakefile"]
    files = {str(path.relative_to(ROOT)): path.read_text() for path in parts}
    return provenance({"words": list(configuration), "files": files}, modules, 0)


def _platform() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
