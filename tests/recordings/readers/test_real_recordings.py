"""The recordings that the workflow is shown on."""

from pathlib import Path

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, make_inferred, stitch_windows
from calcium_latents.recordings.readers import ground_truth_recording, read_cascade, read_user_file

ALLEN = "population/allen_brain_observatory_552195520_30hz.mat"
ZEBRAFISH = "population/zebrafish_dp_ogb1_7.5hz.mat"


def need(path: Path) -> Path:
    """Return `path`, or skip where it is missing."""
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_allen(real_data):
    need(real_data / ALLEN)
    recording = read_user_file({"file": ALLEN, "sampling_rate_hz": 30, "is_dff": True}, real_data)
    assert dict(recording.sizes) == {"trial": 1, "time": 6001, "neuron": 74}
    cut = cut_windows(recording, None, 1.0, 0.2)
    assert cut.sizes["time"] == 30 and np.isfinite(cut.fluorescence.values).all()
    rate = np.clip(cut.fluorescence.values, 0, None)
    stitched = stitch_windows(make_inferred(event_rate=rate, time=cut.time.values, model="m", recording=cut), 0.2)
    np.testing.assert_allclose(stitched.event_rate.values, np.clip(recording.fluorescence, 0, None), atol=1e-6)


def test_zebrafish(real_data):
    need(real_data / ZEBRAFISH)
    entry = {"file": ZEBRAFISH, "sampling_rate_hz": 7.5, "is_dff": True}
    with pytest.raises(UserError, match="orientation"):
        read_user_file(entry, real_data)
    entry["orientation"] = "neurons x frames"
    with pytest.raises(UserError, match=r"2 of 1005 neurons without .* `neurons: usable`"):
        read_user_file(entry, real_data)
    recording = read_user_file(entry | {"neurons": "usable"}, real_data)
    assert dict(recording.sizes) == {"trial": 1, "time": 260, "neuron": 1003}


@pytest.mark.parametrize(
    ("folder", "recordings", "neurons", "spikes", "indicator", "rate"),
    [
        ("DS09-GCaMP6f-m-V1", 33, 11, 4327, "GCaMP6f", 60),
        ("DS14-GCaMP6s-m-V1", 18, 7, 1917, "GCaMP6s", 60),
        ("DS16-GCaMP6s-m-V1", 9, 9, 8810, "GCaMP6s", 59),
    ],
)
def test_ground_truth(real_data, folder, recordings, neurons, spikes, indicator, rate):
    files = sorted(need(real_data / "spike_ground_truth" / folder).glob("*.mat"))
    found = [item for file in files for item in read_cascade(file)]
    assert len(found) == recordings == len({item.recording for item in found})
    assert len({item.neuron for item in found}) == neurons
    assert sum(item.spike_times_s.size for item in found) == spikes
    assert {item.indicator for item in found} == {indicator}
    for item in found:
        recording = ground_truth_recording(item)
        assert recording.attrs["imaging_rate_hz"] == pytest.approx(rate, abs=0.2)
        # Spikes just before the first or after the last frame are not counted.
        assert 0 <= item.spike_times_s.size - int(recording.spikes.sum()) <= 2
