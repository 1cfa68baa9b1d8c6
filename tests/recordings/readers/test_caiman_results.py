"""CaImAn's results, offline and online, with and without dF/F."""

import h5py
import numpy as np
import pytest
from user_files import N_FRAMES, N_NEURONS, RATE, caiman_file, footprints, smooth_traces, store_sparse
from user_files import suite2p_folder as write_suite2p

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import caiman


@pytest.fixture
def dff() -> np.ndarray:
    """Smooth traces [frame, neuron]."""
    return smooth_traces()


def _values(entry, folder):
    return read_user_file({"file": "a.hdf5", "is_dff": True} | entry, folder).fluorescence.values[0]


def test_caiman(dff, tmp_path):
    caiman_file(tmp_path / "a.hdf5", dff, idx_components=np.array([0, 4, 6]), S=np.zeros_like(dff.T))
    entry = {"file": "a.hdf5", "sample_offsets": "from_positions", "is_dff": True}
    recording = read_user_file(entry, tmp_path)
    np.testing.assert_allclose(recording.fluorescence.values[0], dff[:, [0, 4, 6]], rtol=1e-6, atol=1e-6)
    assert recording.neuron.values.tolist() == [0, 4, 6] and recording.attrs["imaging_rate_hz"] == RATE
    assert "30 Hz is what CaImAn stores by default" in recording.attrs["reader_notes"]
    assert "reader_notes" not in read_user_file(entry | {"sampling_rate_hz": RATE}, tmp_path).attrs
    np.testing.assert_allclose(recording.position.values, [[1, 1], [13, 21], [19, 31]])
    np.testing.assert_allclose(recording.sample_offset.values[0], np.array([1, 21, 31]) / 40 / RATE, rtol=1e-6)
    np.testing.assert_allclose(_values({"key": "C"}, tmp_path), dff[:, [0, 4, 6]] - 0.5, rtol=1e-6, atol=1e-6)
    with pytest.raises(UserError, match=r"key: expected one of \['C', 'S', 'YrA'\] in estimates, found 'F_dff'"):
        read_user_file({"file": "a.hdf5", "key": "F_dff"}, tmp_path)
    with pytest.raises(UserError, match="is_dff: expected true or false"):
        read_user_file({"file": "a.hdf5", "key": "C"}, tmp_path)
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match=r"b.hdf5: estimates: expected a group"):
        read_user_file({"file": "b.hdf5", "format": "caiman"}, tmp_path)


@pytest.mark.parametrize(
    ("accepted", "numbers"),
    [
        ("NoneType", list(range(N_NEURONS))),  # nothing was evaluated
        (np.array([6.0, 0.0]), [0, 6]),
        (np.array([3]), [3]),
        (np.array([]), "expected at least one component, found none: the user accepted no component"),
        (np.array([0, 7]), "expected different components below 7, found 2, from 0 to 7"),
        (np.array([0.5]), "expected different components below 7"),
    ],
)
def test_accepted_components(accepted, numbers, dff, tmp_path):
    caiman_file(tmp_path / "a.hdf5", dff, idx_components=accepted)
    entry = {"file": "a.hdf5", "is_dff": True}
    if isinstance(numbers, list):
        assert read_user_file(entry, tmp_path).neuron.values.tolist() == numbers
    else:
        with pytest.raises(UserError, match=f"idx_components: {numbers}"):
            read_user_file(entry, tmp_path)


def test_a_rate_that_was_never_set_is_asked_for(dff, tmp_path):
    caiman_file(tmp_path / "a.hdf5", dff, rate="NoneType")
    with pytest.raises(UserError, match="sampling_rate_hz: expected imaging frames per second, found none"):
        _values({}, tmp_path)
    assert read_user_file({"file": "a.hdf5", "sampling_rate_hz": 9, "is_dff": True}, tmp_path).attrs[
        "imaging_rate_hz"
    ] == pytest.approx(9)


def test_frames_before_an_online_run_found_a_component_are_missing(dff, tmp_path):
    first = np.array([0, 0, 150, 0, 299, 0, 0])
    seen = np.arange(300)[:, None] >= first  # C is cut to the frames seen
    denoised = np.maximum(dff[:300], 0)
    denoised[:20] = 0  # at rest, and in C alone
    residual = dff[:300] - denoised
    stored = {"C": (denoised * seen).T, "YrA": (residual * seen).T}
    caiman_file(tmp_path / "a.hdf5", dff[:300], F_dff=(dff[:300] * seen).T, **stored)
    values = _values({"neurons": [0, 1, 2, 3, 5, 6]}, tmp_path)
    assert np.isnan(values).sum(axis=0).tolist() == [0, 0, 150, 0, 0, 0]
    np.testing.assert_allclose(values[150:, 2], dff[150:300, 2], rtol=1e-6, atol=1e-6)
    assert np.isnan(_values({"key": "C", "neurons": [2]}, tmp_path)).sum() == 150
    # Denoised traces by themselves may begin at rest.
    resting = np.array([[0.0, 0, 2, 1], [0, 0, -1, 1]])
    assert caiman.before_found(resting).tolist() == [[False] * 4, [True, True, False, False]]


def test_fluorescence_becomes_dff_by_the_background(dff, tmp_path):
    """F0 = a^T b f / a^T a: 9 px of weight 1 over a background of 100 + 2 x, which brightens by a tenth."""
    wave = 1 + 0.1 * np.sin(np.arange(N_FRAMES) / 40)
    slope = np.repeat(100 + 2 * np.arange(30.0), 40)[:, None]
    traces = 3 * np.abs(dff)
    caiman_file(tmp_path / "a.hdf5", traces, b=slope, f=wave[None])
    recording = read_user_file({"file": "a.hdf5"}, tmp_path)
    still = (100 + 2 * (3 * np.arange(N_NEURONS) + 1)) * wave.mean()
    raw = still + traces
    clean = caiman.read(tmp_path / "a.hdf5", {})
    assert clean.is_dff is False and clean.neuropil_coefficient == 1
    np.testing.assert_allclose(clean.values - (clean.neuropil - clean.neuropil.mean(0)), raw, rtol=1e-6)
    from calcium_latents.recordings.preprocessing import delta_f_over_f

    np.testing.assert_allclose(recording.fluorescence.values[0], delta_f_over_f(raw, RATE), rtol=1e-4, atol=1e-6)
    # The same in parts, as online runs store b.
    caiman_file(tmp_path / "b.hdf5", traces, f=wave[None])
    with h5py.File(tmp_path / "b.hdf5", "r+") as file:
        store_sparse(file, "estimates/b", slope)
    assert read_user_file({"file": "b.hdf5"}, tmp_path).fluorescence.equals(recording.fluorescence)
    # CNMF-E has a constant background.
    caiman_file(tmp_path / "c.hdf5", traces, b="NoneType", f="NoneType", b0=slope.ravel())
    np.testing.assert_allclose(
        read_user_file({"file": "c.hdf5"}, tmp_path).fluorescence.values[0],
        delta_f_over_f(still / wave.mean() + traces, RATE),
        rtol=1e-4,
        atol=1e-6,
    )


def test_fluorescence_without_background_is_no_dff(dff, tmp_path):
    caiman_file(tmp_path / "a.hdf5", dff)
    with pytest.raises(UserError, match=r"estimates/F_dff: expected dF/F, or the background \(b, f\) for it, found"):
        read_user_file({"file": "a.hdf5"}, tmp_path)
    caiman_file(tmp_path / "a.hdf5", dff, YrA=np.zeros((7, 9)))
    with pytest.raises(UserError, match=r"estimates/YrA: expected the shape of C \(7, 400\), found \(7, 9\)"):
        read_user_file({"file": "a.hdf5"}, tmp_path)


def test_one_recording_through_suite2p_and_caiman(dff, tmp_path):
    centres = [(2 + 5 * i, 28 - 4 * i) for i in range(N_NEURONS)]  # (y, x), in 40 x 30 px
    stat = [{"med": list(centre)} for centre in centres]
    folder = write_suite2p(tmp_path / "plane0", dff, stat, Ly=40, Lx=30)
    caiman_file(tmp_path / "a.hdf5", dff, A=None, F_dff=dff.T, idx_components=np.array([0, 1, 3, 4, 5, 6]))
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        del file["estimates/A"]
        store_sparse(file, "estimates/A", footprints(centres, (40, 30)))
    one = read_user_file({"file": folder.name}, tmp_path)
    other = read_user_file({"file": "a.hdf5", "sample_offsets": "from_positions"}, tmp_path)
    for name in ("neuron", "position", "sample_offset", "time"):
        np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(one.position.values[2], [28 - 12, 2 + 15])
    np.testing.assert_allclose(one.sample_offset.values[0, 2], 17 / 40 / RATE, rtol=1e-6)
