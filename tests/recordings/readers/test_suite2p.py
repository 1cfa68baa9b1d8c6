"""suite2p's folders, of versions before and since 1.0."""

import tracemalloc

import numpy as np
import pytest
from user_files import N_FRAMES, N_NEURONS, RATE, pickled, smooth_traces, suite2p_folder

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, write_recording
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import suite2p

CELLS = [0, 1, 3, 4, 5, 6]


@pytest.fixture
def dff() -> np.ndarray:
    """Smooth traces [frame, neuron]."""
    return smooth_traces()


def test_suite2p(dff, tmp_path):
    folder = suite2p_folder(tmp_path / "suite2p" / "plane0", dff)
    kept = [0, 1, 3, 4, 5, 6]
    recording = read_user_file({"file": "suite2p/plane0"}, tmp_path)
    assert recording.neuron.values.tolist() == kept
    np.testing.assert_allclose(recording.sample_offset.values[0], np.array(kept) * 64 / 512 / RATE, rtol=1e-6)
    np.testing.assert_allclose(recording.position.values, [[10 * i, 64 * i] for i in kept])
    assert recording.axis.values.tolist() == ["x", "y"]
    # dF/F follows the trace; its scale and zero are those of the baseline.
    for column, neuron in enumerate(kept):
        assert np.corrcoef(recording.fluorescence.values[0, :, column], dff[:, neuron])[0, 1] > 0.97
    assert 0.05 < (recording.fluorescence.values < 0).mean() < 0.15
    assert read_user_file({"file": "."}, tmp_path).equals(recording)
    none = read_user_file({"file": "suite2p/plane0", "sample_offsets": "none"}, tmp_path)
    assert (none.sample_offset.values == 0).all()
    cut = cut_windows(recording, 0.01, 1.0, 0.2)
    assert np.isfinite(cut.fluorescence.values).mean() == pytest.approx(0.3, abs=0.01)
    np.save(folder / "stat.npy", np.array([{}], object))
    with pytest.raises(UserError, match=r"stat.npy: stat: expected 7 entries as F, found 1"):
        read_user_file({"file": "suite2p/plane0"}, tmp_path)


def test_suite2p_planes(dff, tmp_path):
    for plane in range(3):
        suite2p_folder(tmp_path / f"plane{plane}", dff, nplanes=3)
    offsets = read_user_file({"file": "plane2"}, tmp_path).sample_offset.values[0]
    np.testing.assert_allclose(offsets, (2 + np.array([0, 1, 3, 4, 5, 6]) / 8) / 3 / RATE, rtol=1e-6)
    with pytest.raises(UserError, match="plane0, plane1, plane2"):
        read_user_file({"file": "."}, tmp_path)


def test_suite2p_neuropil(dff, tmp_path):
    folder = suite2p_folder(tmp_path / "plane0", dff)
    wave = 10 * np.sin(np.arange(N_FRAMES) / 5)
    raw = np.load(folder / "F.npy")
    np.save(folder / "Fneu.npy", np.tile(50 + wave, (N_NEURONS, 1)))
    clean = read_user_file({"file": "plane0", "neuropil": 0}, tmp_path).fluorescence.values
    np.save(folder / "F.npy", raw + 0.7 * wave)
    mended = read_user_file({"file": "plane0"}, tmp_path).fluorescence.values
    np.testing.assert_allclose(mended, clean, atol=0.01)
    assert np.abs(read_user_file({"file": "plane0", "neuropil": False}, tmp_path).fluorescence - clean).max() > 0.05
    np.save(folder / "Fneu.npy", raw[:3])
    with pytest.raises(UserError, match="Fneu: expected the shape of F"):
        read_user_file({"file": "plane0"}, tmp_path)


def test_flagged_frames_are_missing_samples(dff, tmp_path):
    bad = np.zeros(N_FRAMES, bool)
    bad[[0, 50, 51, 399]] = True
    folder = suite2p_folder(tmp_path / "plane0", dff, badframes=bad)
    clean = read_user_file({"file": "plane0"}, tmp_path).fluorescence.values
    traces = suite2p.read(folder, {})
    for values in (traces.values, traces.neuropil):
        assert np.array_equal(np.isnan(values), np.repeat(bad[:, None], len(CELLS), 1))
    # What was measured in them changes nothing.
    for name in ("F.npy", "Fneu.npy"):
        raw = np.load(folder / name)
        raw[:, bad] += 3000
        np.save(folder / name, raw)
    np.testing.assert_array_equal(read_user_file({"file": "plane0"}, tmp_path).fluorescence.values, clean)
    # 1.x: they stand in reg_outputs.npy, and there may be no ops.npy.
    ops = np.load(folder / "ops.npy", allow_pickle=True).item()
    pickled(folder / "reg_outputs.npy", {"badframes": ops.pop("badframes")})
    pickled(folder / "db.npy", ops)
    (folder / "ops.npy").unlink()
    np.testing.assert_array_equal(read_user_file({"file": "plane0"}, tmp_path).fluorescence.values, clean)
    pickled(folder / "reg_outputs.npy", {"badframes": bad[:-1]})
    with pytest.raises(UserError, match=r"plane0: badframes: expected one a frame \(400\), found 399"):
        read_user_file({"file": "plane0"}, tmp_path)
    pickled(folder / "reg_outputs.npy", {"badframes": np.ones(N_FRAMES)})
    with pytest.raises(UserError, match="badframes: expected at least one good frame"):
        read_user_file({"file": "plane0"}, tmp_path)


def _two_planes(folder, dff, version):
    """Planes of 400 and 399 frames, ROIs at lines 64 i of 512, and their combined view: ROIs side by side."""
    planes = [dff, dff[:-1]]
    for plane, values in enumerate(planes):
        own = suite2p_folder(folder / f"plane{plane}", values, nplanes=2, badframes=np.arange(len(values)) == 7 + plane)
        if version == 1:
            pickled(own / "settings.npy", {"fs": RATE, "extraction": {"neuropil_coefficient": 0.6}})
            pickled(own / "db.npy", {"nplanes": 2, "Ly": 512, "Lx": 512})
    stat = [{"med": [64 * i, 10 * i + 512 * p], "iplane": p} for p in range(2) for i in range(N_NEURONS)]
    padded = np.concatenate([np.full((1, N_NEURONS), -50), dff[:0:-1]])[::-1]  # F is 0 in the frame that plane 1 lacks
    both = suite2p_folder(folder / "combined", np.concatenate([dff, padded], axis=1), stat, nplanes=2, Ly=512, Lx=1024)
    if version == 1:
        pickled(both / "settings.npy", {"fs": RATE, "extraction": {"neuropil_coefficient": 0.6}})
        pickled(both / "db.npy", {"nplanes": 2})
        (both / "ops.npy").unlink()


@pytest.mark.parametrize("version", [0, 1])
def test_the_combined_view_is_sampled_as_its_planes(dff, version, tmp_path):
    _two_planes(tmp_path / "suite2p", dff, version)
    combined = read_user_file({"file": "suite2p"}, tmp_path)
    assert combined.attrs["imaging_rate_hz"] == RATE
    planes = [read_user_file({"file": f"suite2p/plane{plane}"}, tmp_path) for plane in range(2)]
    expected = [(plane + np.array(CELLS) / 8) / 2 / RATE for plane in range(2)]
    for plane in range(2):
        np.testing.assert_allclose(planes[plane].sample_offset.values[0], expected[plane], rtol=1e-6)
    # ROI 2 of the 14 is no cell here; so ROI 2 of the second plane is one.
    np.testing.assert_allclose(
        combined.sample_offset.values[0], [*expected[0], *(1 + np.arange(7) / 8) / 2 / RATE], rtol=1e-6
    )
    missing = np.isnan(combined.fluorescence.values[0])
    assert [np.flatnonzero(column).tolist() for column in missing.T] == [[7]] * 6 + [[8, 399]] * 7


def test_planes_without_numbers_have_no_sample_times(dff, tmp_path):
    suite2p_folder(tmp_path / "session", dff, nplanes=3)
    recording = read_user_file({"file": "session"}, tmp_path)
    assert (recording.sample_offset.values == 0).all() and "sample times" in recording.attrs["reader_notes"]
    stat = [{"med": [64 * i, 0], "iplane": 1} for i in range(N_NEURONS)]
    suite2p_folder(tmp_path / "other", dff, stat, nplanes=3)
    offsets = read_user_file({"file": "other"}, tmp_path).sample_offset.values[0]
    np.testing.assert_allclose(offsets, (1 + np.array(CELLS) / 8) / 3 / RATE, rtol=1e-6)


@pytest.mark.parametrize(
    ("ops", "used"),
    [({}, 0.7), ({"neucoeff": 0.4}, 0.4), ({"extraction": {"neuropil_coefficient": 0.55}}, 0.55)],
)
def test_the_runs_own_neuropil_coefficient(ops, used, dff, tmp_path):
    folder = suite2p_folder(tmp_path / "plane0", dff, **ops)
    np.save(folder / "Fneu.npy", np.tile(50 + 10 * np.sin(np.arange(N_FRAMES) / 5), (N_NEURONS, 1)))
    default, named, other = (
        read_user_file({"file": "plane0", "neuropil": value}, tmp_path).fluorescence.values for value in (None, used, 1)
    )
    np.testing.assert_array_equal(default, named)
    assert np.abs(default - other).max() > 0.01


def test_iscell_may_have_one_column(dff, tmp_path):
    folder = suite2p_folder(tmp_path / "plane0", dff)
    expected = read_user_file({"file": "plane0"}, tmp_path)
    np.save(folder / "iscell.npy", np.arange(N_NEURONS) != 2)
    assert read_user_file({"file": "plane0"}, tmp_path).equals(expected)
    np.save(folder / "iscell.npy", np.zeros((N_NEURONS, 2)))
    with pytest.raises(UserError, match="iscell: expected at least one cell, found none"):
        read_user_file({"file": "plane0"}, tmp_path)


def test_a_choice_of_planes(dff, tmp_path):
    _two_planes(tmp_path / "suite2p", dff, 1)
    assert suite2p.suite2p_folder(tmp_path).name == "combined"
    (tmp_path / "suite2p/combined/F.npy").unlink()
    with pytest.raises(UserError, match="expected one plane, or a `combined` folder, found plane0, plane1"):
        read_user_file({"file": "suite2p"}, tmp_path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_import_takes_no_more_memory_for_more_neurons(order, tmp_path, monkeypatch, provenance):
    """From file to file, whichever way the arrays lie: four times the neurons, and less than one of the arrays."""
    small = {"on_disk.LARGE": 1, "preprocessing.BLOCK_SAMPLES": 40_000, "readers.stored.BLOCK": 2**17}
    for name, value in small.items():
        monkeypatch.setattr(f"calcium_latents.recordings.{name}", value)
    peaks, bad = [], np.arange(4000) % 1000 == 0
    for neurons in (70, 280):
        folder = suite2p_folder(tmp_path / f"plane{neurons}", smooth_traces(4000, neurons), badframes=bad)
        for name in ("F.npy", "Fneu.npy"):
            np.save(folder / name, np.asarray(np.load(folder / name), order=order))
        tracemalloc.start()
        try:
            recording = read_user_file({"file": folder.name}, tmp_path, tmp_path)
            write_recording(recording, tmp_path / "a.nc", provenance)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < (folder / "F.npy").stat().st_size
    assert np.isnan(recording.fluorescence.values).sum() == 279 * 4
