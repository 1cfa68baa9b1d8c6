"""In which order jobs run: the cheapest figures first, and long chains early enough that no core waits at the end.

What a job takes is looked up in results/reference/seconds.csv, which one run wrote; a job that is not there counts as
others of its rule do. Snakemake asks each rule for its jobs' priority once it knows which jobs there are.
"""

import csv
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

UNKNOWN_S = 10.0  # what a job takes of which nothing is known
DEFAULT_LIMIT = (100, 1)  # jobs, seconds: Snakemake's
SOON = 20  # a figure that readers wait for may take so many times as long as others that come after it
LEAD = 1.1  # a chain starts when it takes more than the rest, shared among the cores, divided by this

Job = TypeVar("Job", bound=Hashable)


class Slot(NamedTuple):
    """When a job runs, in seconds from the start."""

    start: float
    end: float


def schedule(
    seconds: Mapping[Job, float],
    needs: Mapping[Job, Collection[Job]],
    figures: Sequence[Job],
    cores: int,
    under_way: Mapping[Job, float] | None = None,
    soon: Collection[Job] = (),
) -> dict[Job, Slot]:
    """Return when each job runs, in the order in which jobs start.

    The figure comes first that takes least to the end, then the one that takes least beside what that one has made, and
    so on; what no figure needs comes last. But once the longest chain of jobs takes about as long as all that is left
    to do, its next job is taken before any figure's.

    Args:
        seconds: job -> what it takes on one core.
        needs: job -> the jobs among these that must have ended before.
        figures: the jobs that draw.
        cores: how many jobs run at once.
        under_way: job -> the seconds that it has run for; they start at 0.
        soon: figures that count as if they took a `SOON`th.
    """
    rank = _figures_first(seconds, needs, figures, soon)
    chain = _chains(seconds, needs)
    feeds: dict[Job, list[Job]] = {job: [] for job in seconds}
    for job, before in needs.items():
        for other in before:
            feeds[other].append(job)
    waits = {job: len(needs[job]) for job in seconds}
    ready = [job for job in seconds if not waits[job]]
    running: dict[Job, float] = {}
    found: dict[Job, Slot] = {}
    now, left = 0.0, sum(seconds.values())

    def begin(job: Job, takes: float) -> None:
        ready.remove(job)
        running[job] = now + takes
        found[job] = Slot(now, now + takes)

    for job, since in (under_way or {}).items():
        begin(job, max(seconds[job] - since, 0.1 * seconds[job]))
        left -= seconds[job]
    while ready or running:
        while ready and len(running) < cores:
            longest = max(ready, key=lambda job: (chain[job], -rank[job]))
            rest = (left + sum(end - now for end in running.values())) / cores
            job = longest if LEAD * chain[longest] >= rest else min(ready, key=rank.__getitem__)
            begin(job, seconds[job])
            left -= seconds[job]
        job = min(running, key=running.__getitem__)
        now = running.pop(job)
        for other in feeds[job]:
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    return found


def _figures_first(
    seconds: Mapping[Job, float],
    needs: Mapping[Job, Collection[Job]],
    figures: Iterable[Job],
    soon: Collection[Job],
) -> dict[Job, int]:
    """Return job -> place, by what the figures take that need it."""
    rank: dict[Job, int] = {}
    wanted = {figure: _with_all_before([figure], needs) for figure in figures}
    while wanted:
        left = {one: sum(seconds[job] for job in jobs if job not in rank) for one, jobs in wanted.items()}
        figure = min(wanted, key=lambda one: left[one] / (SOON if one in soon else 1))
        for job in _in_turn(wanted.pop(figure), needs):
            rank.setdefault(job, len(rank))
    for job in _in_turn(seconds, needs):
        rank.setdefault(job, len(rank))
    return rank


def _with_all_before(jobs: Iterable[Job], needs: Mapping[Job, Collection[Job]]) -> dict[Job, None]:
    found, waiting = {}, [*jobs]
    while waiting:
        job = waiting.pop()
        if job not in found:
            found[job] = None
            waiting += needs[job]
    return found


def _in_turn(jobs: Iterable[Job], needs: Mapping[Job, Collection[Job]]) -> list[Job]:
    """Return jobs so that what a job needs stands before it."""
    left, found, done = [*jobs], [], set()
    inside = set(left)
    while left:
        free = [job for job in left if all(other in done or other not in inside for other in needs[job])]
        found += free
        done.update(free)
        left = [job for job in left if job not in done]
    return found


def _chains(seconds: Mapping[Job, float], needs: Mapping[Job, Collection[Job]]) -> dict[Job, float]:
    """Return job -> seconds of the longest chain of jobs that starts with it, each of which needs the one before."""
    chain = dict(seconds)
    for job in reversed(_in_turn(seconds, needs)):
        for other in needs[job]:
            chain[other] = max(chain[other], seconds[other] + chain[job])
    return chain


def read_seconds(path: Path, scale: str) -> dict[str, float]:
    """Return job (as its log is named, below results/SCALE/logs) -> CPU seconds, of a scale; maybe none."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["job"]: float(row["cpu_s"]) for row in csv.DictReader(file) if row["scale"] == scale}


class Order:
    """The order of the jobs of a workflow that Snakemake has planned.

    Args:
        workflow: Snakemake's.
        figures: the names of rules that draw.
        soon: those of figures that readers wait for.
        seconds: see `read_seconds`.
    """

    def __init__(
        self, workflow: Any, figures: Collection[str], seconds: Mapping[str, float], soon: Collection[str] = ()
    ):
        self.workflow, self.figures, self.known, self.soon = workflow, figures, seconds, soon
        by_rule: dict[str, list[float]] = {}
        for job, takes in seconds.items():
            by_rule.setdefault(job.rpartition("/")[2].partition("-")[0], []).append(takes)
        self._of_rule = {rule: median(times) for rule, times in by_rule.items()}
        self._jobs: tuple = ()
        self._priority: dict[tuple, int] = {}

    def priority(self, rule: str, wildcards: Any) -> int:
        """Return the priority of a job: the higher, the earlier it starts."""
        jobs = tuple(self.workflow.dag.needrun_jobs())
        if jobs != self._jobs:
            slots = self.forecast(jobs)
            self._jobs = jobs
            self._priority = {_key(job.rule.name, job.wildcards): len(slots) - n for n, job in enumerate(slots)}
        return self._priority.get(_key(rule, wildcards), 0)

    def forecast(self, jobs: Collection[Any], under_way: Mapping[Any, float] | None = None, speed: float = 1.0) -> dict:
        """Return when each of these jobs of Snakemake's runs (`Slot`), in the order in which they start.

        Args:
            under_way: job -> seconds since it was started.
            speed: of this machine, relative to that of the table.
        """
        before, these = self.workflow.dag.job_dependencies, set(jobs)
        return schedule(
            {job: self.seconds(job) / speed for job in jobs},
            {job: [other for other in before(job) if other in these] for job in jobs},
            [job for job in jobs if job.rule.name in self.figures],
            self.places(len(jobs)),
            under_way,
            [job for job in jobs if job.rule.name in self.soon],
        )

    def places(self, most: int) -> int:
        """Return how many jobs run at once, of at most `most`: cores of this machine, or jobs on a cluster."""
        limits = [self.workflow.global_resources.get(name) for name in ("_cores", "_nodes")]
        return max(1, min([most, *(limit.value for limit in limits if limit is not None and limit.value)]))

    def seconds(self, job: Any) -> float:
        """Return what a job takes on one core of the table's machine."""
        if job.rule.norun or not job.log:
            return 0.0
        name = job_name(job)
        return self.known.get(name, self._of_rule.get(job.rule.name, UNKNOWN_S))


def let_scheduler_rest(workflow: Any) -> None:
    """Take from Snakemake's scheduler, which is about to start, its limit of 100 jobs a second; a user's own stays.

    With a limit, Snakemake 9.27 looks again at all jobs that wait a second after it has looked at them, whatever
    happens, and once more for every job that ends: after fifty jobs it is fifty times a second, with a look at every
    input file each time. That took four seconds of a core a job.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == DEFAULT_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def job_name(job: Any) -> str:
    """Return the name of a job: that of its log, below results/SCALE/logs."""
    return str(job.log[0]).partition("/logs/")[2].removesuffix(".log")


def _key(rule: str, wildcards: Any) -> tuple:
    return rule, tuple(sorted((name, str(value)) for name, value in wildcards.items()))
