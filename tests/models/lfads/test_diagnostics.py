"""Warnings of a training: each where it belongs, and nowhere else."""

import numpy as np
import pytest

from calcium_latents.models.lfads.diagnostics import participation_ratio, training_warnings


def rotation(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def columns(count, size):
    """Return `size` columns that are orthogonal and of equal variance, whose means are zero."""
    values = np.random.default_rng(0).normal(size=(count, size))
    return np.linalg.qr(values - values.mean(0))[0]


@pytest.mark.parametrize(
    ("variances", "expected"),
    [
        ([1, 0, 0, 0], 1.0),
        ([1, 1, 1, 1], 4.0),
        ([1, 1, 0, 0], 2.0),
        ([4, 2, 1, 1], 64 / 22),
        ([0, 0, 0, 0], 0.0),
        ([3], 1.0),
    ],
)
def test_participation_ratio_in_closed_form(variances, expected):
    values = columns(60, len(variances)) * np.sqrt(variances) @ rotation(len(variances)) + 7.0
    assert participation_ratio(values) == pytest.approx(expected, abs=1e-9)
    assert participation_ratio(values.reshape(5, 12, -1)) == pytest.approx(expected, abs=1e-9)


def fit(values=(0.3, 0.2, 0.25), metric="speckled_holdout_nll", level=False, **rates):
    history = [{"step": 50 * (n + 1), "member": 0, "speckled_holdout_nll": value} for n, value in enumerate(values)]
    time = np.linspace(0, 6, 40)
    mean = 0.1 * (1 + 0.5 * np.sin(time + np.arange(6)[:, None])).T[None] * np.ones((3, 1, 1))
    good = {"mean": mean, "factors": columns(120, 4).reshape(3, 40, 4)}
    return training_warnings(history, metric, level, good | rates)


ONE_AXIS = (np.sin(np.linspace(0, 9, 120))[:, None] * np.arange(1, 5)).reshape(3, 40, 4)
FALLING = "speckled_holdout_nll was still falling at the last step: train longer (training.steps)"
FLAT = 0.1 * np.ones((3, 40, 6))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"values": (0.3, 0.25, 0.2)}, [FALLING]),
        ({"values": (0.3, 0.25, 0.2), "level": True}, []),  # it had stopped falling before
        ({"values": (0.3, 0.25, 0.2), "metric": "last"}, []),
        ({"values": (0.3,)}, []),
        ({"values": ()}, []),
        ({"factors": ONE_AXIS}, ["the factors have collapsed: nearly all their variance lies on one axis"]),
        ({"factors": ONE_AXIS[..., :1]}, []),  # one factor cannot
        ({"mean": FLAT}, ["rates barely vary in time: by 0.0 % of their mean in the median neuron"]),
        ({"mean": 0 * FLAT}, ["rates barely vary in time"]),
        ({"mean": np.nan * FLAT}, ["rates are not finite, the model has diverged: lower the learning rate"]),
        ({"factors": np.inf + ONE_AXIS}, ["rates are not finite"]),
        ({"values": (3, 2, 1), "factors": ONE_AXIS, "mean": FLAT}, [FALLING, "the factors have", "rates barely vary"]),
    ],
)
def test_each_warning_comes_in_its_case_alone(options, expected):
    found = fit(**options)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_the_mean_over_members_decides():
    def history(*values):
        return [
            {"step": 50 * (n + 1), "member": member, "speckled_holdout_nll": value}
            for n, pair in enumerate(values)
            for member, value in enumerate(pair)
        ]

    rates = {"mean": np.random.default_rng(0).gamma(2, size=(2, 30, 5)), "factors": columns(60, 3).reshape(2, 30, 3)}
    metric = "speckled_holdout_nll"
    assert training_warnings(history((0.3, 0.3), (0.2, 0.3)), metric, False, rates) == [FALLING]
    assert training_warnings(history((0.3, 0.3), (0.2, 0.5)), metric, False, rates) == []


@pytest.mark.parametrize(("amplitude", "warned"), [(0.06, True), (0.08, False)])
def test_rates_that_vary_by_less_than_a_twentieth_are_said(amplitude, warned):
    """The standard deviation of a sine is its amplitude over the root of two; silent neurons have none."""
    sine = 1 + amplitude * np.sin(2 * np.pi * np.arange(100) / 100)
    mean = np.stack([sine, 0.01 * sine, 5 * sine, 0 * sine], axis=1)[None]
    found = fit(mean=mean)
    assert found == (
        [f"rates barely vary in time: by {100 * amplitude / np.sqrt(2):.1f} % of their mean in the median neuron"]
        if warned
        else []
    )
