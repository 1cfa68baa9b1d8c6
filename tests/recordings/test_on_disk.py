"""Traces on disk are what they are in memory."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import on_disk
from calcium_latents.recordings.on_disk import Columns, Scratch, scratch_folder


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_are_filled_and_read_at_any_place(order):
    random = np.random.default_rng(1)
    traces, expected = Scratch((50, 12), np.float32, order), np.zeros((50, 12), np.float32)
    for _ in range(40):
        first, last = np.sort(random.integers(0, 51, 2))
        frames = slice(int(first), int(last)) if random.random() < 0.7 else slice(None)
        neurons = random.permutation(12)[: random.integers(1, 12)] if random.random() < 0.7 else slice(3, 9)
        values = random.normal(size=expected[frames, neurons].shape)
        traces[frames, neurons] = expected[frames, neurons] = values
        some = random.random(12) < 0.5
        np.testing.assert_array_equal(traces[frames, neurons], expected[frames, neurons])
        np.testing.assert_array_equal(traces.of(some)[frames, :], expected[frames][:, some])
        np.testing.assert_array_equal(traces[:, 4], expected[:, 4])
    np.testing.assert_array_equal(np.asarray(traces), expected)
    assert traces[:, 3:3].shape == (50, 0) and traces.of(np.zeros(12, bool))[4:9, :].shape == (5, 0)
    assert traces[:, 2:7].flags[f"{order}_CONTIGUOUS"] and traces.of(some)[:, :].flags.f_contiguous


def test_nothing_is_left_beside_the_output(tmp_path):
    with scratch_folder(tmp_path / "new"):
        traces = on_disk.empty(2**13, 2**9, np.float32)
    traces[:, :3] = 1
    assert isinstance(traces, Scratch) and list((tmp_path / "new").iterdir()) == []


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    with scratch_folder(tmp_path):
        traces = Scratch((250_000, 4), np.float32)
        with open("/dev/full", "wb", buffering=0) as full:
            traces._file = full
            with pytest.raises(UserError, match=f"{tmp_path}: expected room for 4 MB of traces, found none"):
                traces[:, :1] = 1


def test_what_is_worked_out_is_kept_where_it_is_cast():
    asked = []

    def read(numbers):
        asked.extend(numbers.tolist())
        return np.outer(np.arange(10.0), numbers)

    kept = on_disk.as_type(Columns((10, 100), float, read), np.float32)
    assert isinstance(kept, Scratch) and on_disk.as_type(kept, np.float32) is kept
    np.testing.assert_array_equal(kept[:, :], np.outer(np.arange(10), np.arange(100)))
    assert sorted(asked) == list(range(100))
