"""What a run says of itself, and the page that grows."""

import io
import logging

import pytest
from fake_jobs import Job, planned
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from calcium_latents.launch.page import Drawn, duration, write_page
from calcium_latents.launch.progress import Progress
from calcium_latents.planning.order import Order


@pytest.fixture
def run(tmp_path):
    """A run of two jobs, training and a figure; called with a job's number, it starts or ends it."""
    picture, caption = tmp_path / "study/figures/study_figure1.png", tmp_path / "caption.rst"
    caption.write_text("**a**, what is *shown*.\n\n{{ snakemake.wildcards }}\n")
    train = Job("train")
    figure = Job("study_figure1", needs=[train], png=str(picture))
    workflow = planned([Job("all", needs=[figure]), train, figure])
    figures = {"study_figure1": ("study", "study_figure1", caption)}
    order = Order(workflow, figures, {"study/train": 100.0, "study/study_figure1": 20.0})
    progress = Progress(workflow, order, tmp_path, figures, io.StringIO())
    progress.begin()

    def event(kind, number):
        if kind == "end" and number == 2:
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"png")
        said = {"event": LogEvent.JOB_STARTED, "jobs": [number]}
        if kind == "end":
            said = {"event": LogEvent.JOB_FINISHED, "job_id": number}
        logger.handle(logger.makeRecord("snakemake", logging.INFO, "", 0, "", (), None, extra=said))
        return progress.stream.getvalue().splitlines(), (tmp_path / "index.html").read_text()

    event.progress = progress
    yield event
    logger.removeHandler(progress)


def test_a_run_says_what_appears_when_and_how_far_it_is(run):
    said = run.progress.stream.getvalue()
    assert "2 jobs, 1 figures; about 2 min with 2 at a time. First: study_figure1 after 2 min" in said
    run("start", 1)
    said, page = run("end", 1)
    assert said[-1] == "[1 of 2] done: study/train; about 20 s left"
    assert "study_figure1 in about 2 min" in page and "http-equiv" in page and "<img" not in page
    said, page = run("end", 2)
    assert said[-2].startswith("[2 of 2] done: study/study_figure1") and said[-1].startswith("    figure: ")
    assert '<img src="study/figures/study_figure1.png?' in page
    assert "what is <em>shown</em>" in page and "snakemake" not in page.partition("<body>")[2]
    run.progress.end()
    said, page = run("end", 2)  # told twice, said once
    assert len([line for line in said if "done: study/study_figure1" in line]) == 1
    assert "http-equiv" not in page


def test_the_machine_s_own_speed_counts_once_enough_is_done(run, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    run("start", 1)
    clock[0] = 200.0  # the table says 100
    said, _ = run("end", 1)
    assert said[-1].endswith("about 40 s left")


def test_a_run_that_stops_says_so_on_its_page(run):
    run.progress.end()
    _, page = run("start", 1)
    assert "the run has stopped" in page


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "5 s"), (42, "40 s"), (58, "1 min"), (1200, "20 min"), (7800, "2 h 10 min")]
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


def test_names_are_text_on_the_page(tmp_path):
    caption = tmp_path / "caption.rst"
    caption.write_text("x")
    page = write_page(
        tmp_path, "<t>", "a & b", [Drawn("s", "<script>", tmp_path / "a.png", caption, False, None)], True
    )
    assert "<script>" not in page.read_text() and "&lt;script&gt;" in page.read_text()
