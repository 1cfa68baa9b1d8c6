"""What a run says of itself: when which figure comes, after each job how many are left and how long they take, and a
page that grows. It listens to Snakemake's messages, so that plain `snakemake` has it, and clusters, too.
"""

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from calcium_latents.launch.page import Drawn, duration, write_page
from calcium_latents.planning.order import Order, Slot, job_name

SAID_HERE = (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
NAMED = 6  # figures whose time is told at the start
LEAST_S = 20.0  # of jobs that have ended, before the machine's speed is taken from them


class Progress(logging.Handler):
    """Follows the jobs of a workflow that is about to run.

    Args:
        workflow: Snakemake's.
        order: in which its jobs run.
        results: folder of the scale.
        figures: rule -> (study, name, caption's file) of the figures.
        stream: what is written to.
    """

    def __init__(
        self,
        workflow: Any,
        order: Order,
        results: Path,
        figures: Mapping[str, tuple[str, str, Path]],
        stream: TextIO | None = None,
    ):
        super().__init__(logging.INFO)
        self.workflow, self.order, self.results, self.figures = workflow, order, results, figures
        self.stream = stream or sys.stderr
        self.jobs: dict[int, Any] = {}  # by Snakemake's number
        self.total, self.left = 0, dict[Any, None]()
        self.started: dict[Any, float] = {}
        self.expected_s = self.taken_s = 0.0  # by the jobs that have ended

    def begin(self) -> None:
        """Say what will appear when, and follow Snakemake's messages from now on."""
        dag = self.workflow.dag
        self.jobs = {dag.jobid(job): job for job in dag.needrun_jobs() if not job.rule.norun}
        self.total, self.left = len(self.jobs), dict.fromkeys(self.jobs.values())
        slots = self.forecast()
        drawn = sorted((slot.end, self.figures[job.rule.name][1]) for job, slot in slots.items() if self._draws(job))
        if self.order.known and drawn:
            end = max(slot.end for slot in slots.values())
            places = self.order.places(self.total)
            self._say(
                f"{self.total} jobs, {len(drawn)} figures; about {duration(end)} with {places} at a time. First:"
                f" {', '.join(f'{name} after {duration(at)}' for at, name in drawn[:NAMED])};"
                f" all {len(drawn)} after {duration(drawn[-1][0])}."
            )
        else:
            self._say(f"{self.total} jobs, {len(drawn)} figures.")
        if drawn:
            self._say(f"Figures as they come: {self._write_page(slots)} (open it in a browser; it loads itself again)")
        for handler in logger.handlers:
            if handler.name == "DefaultStreamHandler":
                handler.addFilter(_not_said_here)
        logger.addHandler(self)

    def forecast(self) -> dict[Any, Slot]:
        """Return when the jobs that are left run, in seconds from now."""
        now = time.monotonic()
        under_way = {job: now - since for job, since in self.started.items() if job in self.left}
        speed = self.expected_s / self.taken_s if self.taken_s > LEAST_S and self.expected_s else 1.0
        return self.order.forecast(self.left, under_way, speed)

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a message of Snakemake's."""
        try:
            said, now = vars(record), time.monotonic()
            if said.get("event") == LogEvent.JOB_STARTED:
                self.started |= {self.jobs[number]: now for number in said["jobs"] if number in self.jobs}
            elif said.get("event") == LogEvent.JOB_FINISHED and said["job_id"] in self.jobs:
                self._finished(self.jobs[said["job_id"]], now)
        except Exception:  # a word on how far a run is must never end it
            self.handleError(record)

    def _finished(self, job: Any, now: float) -> None:
        if job not in self.left:
            return
        del self.left[job]
        if job in self.started:
            self.expected_s += self.order.seconds(job)
            self.taken_s += now - self.started[job]
        slots = self.forecast()
        end = max((slot.end for slot in slots.values()), default=0.0)
        left = f"; about {duration(end)} left" if self.order.known and end else ""
        self._say(f"[{self.total - len(self.left)} of {self.total}] done: {job_name(job)}{left}")
        if self._draws(job):
            self._say(f"    figure: {job.output.png}")
            self._write_page(slots)

    def end(self) -> None:
        """Write the page for the last time."""
        if any(self._draws(job) for job in self.jobs.values()):
            self._write_page({}, running=False)

    def _draws(self, job: Any) -> bool:
        return job.rule.name in self.figures

    def _write_page(self, slots: Mapping[Any, Slot], running: bool = True) -> Path:
        expected = {job.rule.name: slot.end for job, slot in slots.items()} if self.order.known else {}
        drawn = []
        for rule, (study, name, caption) in self.figures.items():
            picture = self.results / study / "figures" / f"{name}.png"
            waits = any(job.rule.name == rule for job in self.left)
            drawn.append(Drawn(study, name, picture, caption, picture.is_file() and not waits, expected.get(rule)))
        done = self.total - len(self.left)
        state = f"{done} of {self.total} jobs" + ("" if running or not self.left else "; the run has stopped")
        return write_page(self.results, f"calcium-latents, {self.results.name}", state, drawn, running)

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def _not_said_here(record: logging.LogRecord) -> bool:
    """Tell whether a message of Snakemake's is to be shown beside what `Progress` says."""
    return getattr(record, "event", None) not in SAID_HERE and record.msg != "Select jobs to execute..."
