"""A line in the log for every validation."""

import math

from calcium_latents.training.reporting import report_validation


def rows(*means):
    """Return the history of two members whose metric is so on average; every 50 steps."""
    return [
        {"step": 50 * number, "member": member, "nll": mean + (member - 0.5)}
        for number, mean in enumerate(means, start=1)
        for member in (0, 1)
    ]


def test_the_best_so_far_and_the_time_left_are_said(capsys):
    report_validation(150, 600, rows(0.3, 0.25, 0.28), 31.0, "nll")
    said = "training, 150 of 600 steps, 31 s, about 93 s left: nll 0.28 (best 0.25 at step 100)\n"
    assert capsys.readouterr().err == said


def test_larger_may_be_better_and_what_diverged_is_no_best(capsys):
    report_validation(150, 150, rows(0.3, 0.5, math.nan), 31.0, "nll", larger=True)
    assert capsys.readouterr().err == "training, 150 of 150 steps, 31 s: nll nan (best 0.5 at step 100)\n"


def test_a_history_without_the_metric(capsys):
    report_validation(50, 100, [{"step": 50, "loss": 1.0}], 10.0, "nll")
    assert capsys.readouterr().err == "training, 50 of 100 steps, 10 s, about 10 s left\n"
