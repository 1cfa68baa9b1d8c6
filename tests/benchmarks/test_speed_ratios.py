"""Compiled work stays well ahead of others' at the same work: ratios of CPU time in one process, never seconds.

What falls back to a slow path (loops of tensor operations for LFADS, one of samples for deconvolution) is below the
limits; a loaded machine slows both.
"""

import numpy as np
import pytest
import torch
from pairs import HALF, deconvolution, in_turns, lfads_pair

from calcium_latents.models.lfads.parameters import LFADSSizes


@pytest.fixture(autouse=True)
def one_thread():
    """As the workflow's jobs run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ratio(pair, repeats):
    """Return how many times as long as ours the peer takes, and the results of both."""
    seconds, results = in_turns([pair.ours, pair.peer], repeats, pair.setting)
    return np.median(seconds[:, 1] / seconds[:, 0]), results


def test_a_training_step_is_faster_than_plain_pytorch():
    """About 5.5; 2.5 with `loops="handwritten"`."""
    found, losses = ratio(lfads_pair(8, LFADSSizes(neurons=50, **HALF), 90, trials=64), 9)
    assert np.isfinite(losses).all()
    assert found > 3.3


def test_deconvolution_is_faster_than_the_library():
    """About 4, of which reading and writing the recording takes a part; 1.1 by the library's own solvers."""
    pair = next(pair for pair in deconvolution(20_000, 4) if pair.setting.startswith("s_min"))
    found, (ours, theirs) = ratio(pair, 9)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert found > 2
