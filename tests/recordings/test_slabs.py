"""Large arrays are checked a slab at a time, with the same findings."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import check_recording, slabs


@pytest.mark.parametrize("shape", [(3, 50, 4), (70, 2), (5, 90), (6,), (1, 1, 1)])
def test_slabs_part_an_array(monkeypatch, shape):
    monkeypatch.setattr(slabs, "SLAB_VALUES", 10)
    count, parts = np.zeros(shape, int), list(slabs.slabs(np.zeros(shape)))
    for at in parts:
        count[at] += 1
    assert (count == 1).all() and all(count[at].size <= max(10, count.size // max(shape)) for at in parts)


def never_sampled(recording):
    recording["fluorescence"].values[..., 2] = recording["events"].values[..., 2] = np.nan


def sampled_once(recording):
    recording["events"].values[1, 3, 4] = np.nan


def infinite(recording):
    recording["fluorescence"].values[3, 6, 1] = np.inf


def negative(recording):
    recording["events"].values[3, 0, 1] = -2.0


def too_small(recording):
    recording["events"].values[3, 0, 1] = 0.05
    recording.attrs["event_minimum"] = 0.1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (never_sampled, "1 neurons without, the first: 2"),
        (sampled_once, "1 bins that differ"),
        (infinite, r"1 others, the first \(inf\) at {'trial': 3, 'time': 6, 'neuron': 1}"),
        (negative, "found -2"),
        (too_small, r"1 between, down to 0\.05"),
    ],
)
def test_wrong_samples_are_found_in_any_slab(recording, monkeypatch, change, found):
    monkeypatch.setattr(slabs, "SLAB_VALUES", 7)
    check_recording(recording, "some.nc")
    change(recording)
    with pytest.raises(UserError, match=found):
        check_recording(recording, "some.nc")
