"""Neurons that can be used, by their numbers in the user's file; and what is said where dF/F cannot be made."""

import json

import numpy as np
import pytest

from calcium_latents.commands import deconvolve
from calcium_latents.deconvolution.traces import MINIMUM_SAMPLES as DECONVOLVED_SAMPLES
from calcium_latents.errors import UserError
from calcium_latents.recordings.plausibility import plausibility_table
from calcium_latents.recordings.readers import read_user_file, selection
from calcium_latents.recordings.readers.selection import MINIMUM_SAMPLES, copies, faults, ranges
from calcium_latents.seeds import generator
from calcium_latents.studies.recordings.commands import import_recording

FRAMES, NEURONS, RATE = 1200, 10, 30.0


@pytest.fixture
def raw() -> np.ndarray:
    """Raw fluorescence around 200 [frame, neuron], transients of a second."""
    random = generator(1, "tests", "selection")
    noise = random.normal(0, 4, (FRAMES, NEURONS))
    return 200 + noise + 80 * np.repeat(random.random((FRAMES // 30, NEURONS)) < 0.1, 30, axis=0)


def entry(folder, values, **fields) -> dict:
    """Write values [frame, neuron] and return an entry for them."""
    np.save(folder / "session.npy", values)
    own = {"file": "session.npy", "sampling_rate_hz": RATE, "orientation": "frames x neurons", "is_dff": False}
    return own | fields


def read(folder, values, **fields):
    """Return the recording of values [frame, neuron]."""
    return read_user_file(entry(folder, values, **fields), folder)


def test_faults_and_copies_of_traces():
    assert MINIMUM_SAMPLES == DECONVOLVED_SAMPLES
    values = generator(1, "tests", "faults").normal(size=(100, 7))
    values[:, 1] = 3.0
    values[5, 2] = -np.inf
    values[:, 3] = np.nan
    values[31:, 4] = np.nan
    values[32:, 5] = np.nan
    assert faults(values, 32).tolist() == [
        "",
        "constant",
        "not finite",
        "not finite",
        "of fewer than 32 samples",
        "",
        "",
    ]
    assert faults(values).tolist() == ["", "constant", "not finite", "not finite", "", "", ""]
    values[:, [0, 6]] = values[:, [5, 5]]
    assert copies(values).tolist() == [False] * 5 + [True, True]
    assert ranges(np.array([0, 1, 2, 7, 9, 10])) == "0-2, 7, 9-10"


def test_usable_neurons_and_what_is_left_out(raw, tmp_path):
    raw[:, 1] = 7.0
    raw[3, 2] = np.inf
    raw[40:, 3] = raw[:40, 3].mean()  # it never changes after 40 samples: usable
    raw[20:, 4] = np.nan
    raw[:, 6] = raw[:, 5]
    raw[:, 8] -= 260  # darker than the background
    recording = read(tmp_path, raw, neurons="usable")
    assert recording["neuron"].values.tolist() == [0, 3, 5, 7, 9]
    said = (
        "constant: 1; not finite: 2; of fewer than 32 samples: 4; the same as another: 6;"
        " a baseline that is not above 0: 8"
    )
    assert recording.attrs["left_out"] == said
    table = plausibility_table(recording)
    assert table is not None and table["found"].iloc[0] == f"5; left out: {said}"
    assert recording.sizes["neuron"] == 5 and np.isfinite(recording["fluorescence"]).all()


def test_none_usable(raw, tmp_path):
    raw[:] = 1.0
    with pytest.raises(UserError, match=r"neurons: expected at least one usable neuron, .*\(constant: 0-9\)"):
        read(tmp_path, raw, neurons="usable")


def test_dark_neurons_are_named_by_the_file(raw, tmp_path):
    raw[:, [4, 6]] -= 260
    with pytest.raises(UserError) as error:
        read(tmp_path, raw, neurons=[2, 3, 4, 5, 6, 7])
    said = str(error.value)
    assert "session.npy: fluorescence: expected raw fluorescence with a positive baseline" in said
    assert "in 2 neurons (4, 6), of 6 in all" in said
    assert "Most neurons are brighter (median baseline 19" in said and "`neurons: usable`" in said
    assert "is_dff" not in said
    assert read(tmp_path, raw, neurons="usable")["neuron"].values.tolist() == [0, 1, 2, 3, 5, 7, 8, 9]


@pytest.mark.parametrize("neurons", ["all", "usable"])
def test_advice_by_the_numbers(neurons, raw, tmp_path):
    with pytest.raises(UserError, match="Most baselines are about 0, as of dF/F: set `is_dff: true`"):
        read(tmp_path, raw / 200 - 1, neurons=neurons)
    with pytest.raises(UserError) as error:
        read(tmp_path, raw - 200, neurons=neurons)  # the background was all that there is at rest
    assert "too large for dF/F" in str(error.value) and "without background subtraction" in str(error.value)
    assert "is_dff" not in str(error.value)


def test_raw_fluorescence_is_no_dff(raw, tmp_path):
    with pytest.raises(UserError, match=r"session.npy: is_dff: .* raw fluorescence.* Give `is_dff: false`"):
        read(tmp_path, raw, is_dff=True)


def test_the_import_prints_the_table_and_names_the_users_file_later(raw, tmp_path, capsys):
    values = raw / 200 - 1
    values[:, 6] = 200 * values[:, 7]
    fields = json.dumps(entry(tmp_path, values, is_dff=True, neurons=[2, 6, 7]))
    words = ["--base-directory", str(tmp_path), "--output", str(tmp_path / "recording.nc")]
    import_recording.main(["--parameters", fields, *words])
    said = capsys.readouterr().err
    assert "Plausibility: 1 of 12 checks doubtful\nfine     neurons: 3 (expected" in said
    assert "; above 30: neuron 6 (expected" in said
    short = entry(tmp_path, values[:20], is_dff=True, neurons=[7])
    import_recording.main(["--parameters", json.dumps(short), *words])
    with pytest.raises(UserError, match=r"session.npy \(.*recording.nc\): neuron 7: expected at least 32 samples"):
        deconvolve.main(["--recording", str(tmp_path / "recording.nc"), "--output", str(tmp_path / "events.nc")])


def test_faults_are_found_in_any_block_of_neurons(monkeypatch):
    monkeypatch.setattr(selection, "BLOCK", 2)
    values = np.arange(30.0).reshape(10, 3).repeat(2, axis=1)
    values[:, 1] = 4.0
    values[1:, 2] = np.nan
    values[7, 3] = np.inf
    values[[0, 1, 2, 9], 5] = np.nan
    found = ["", "constant", "of fewer than 2 samples", "not finite", "", ""]
    assert faults(values).tolist() == found
    assert faults(values, least=7).tolist() == [
        *found[:2],
        "of fewer than 7 samples",
        found[3],
        "",
        "of fewer than 7 samples",
    ]
