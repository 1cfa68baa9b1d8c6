"""What the table says of good traces, and of each thing that can be wrong with them."""

import time

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording
from calcium_latents.recordings.plausibility import (
    COLUMNS,
    DOUBTFUL,
    in_words,
    plausibility,
    plausibility_table,
    stored,
)
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.trace_measures import measure
from calcium_latents.seeds import generator

RATE, FRAMES, NEURONS = 30.0, 9000, 12


def dff(neurons=NEURONS, frames=FRAMES, spikes_hz=0.2, noise=0.1, seed=1) -> np.ndarray:
    """Return spikes through an indicator of .7 s, and noise [frame, neuron]."""
    random = generator(seed, "tests", "plausibility")
    values = (random.random((frames, neurons)) < spikes_hz / RATE).astype(float)
    for frame in range(1, frames):
        values[frame] += np.exp(-1 / (0.7 * RATE)) * values[frame - 1]
    return values + noise * random.normal(size=values.shape)


@pytest.fixture(scope="module")
def good() -> np.ndarray:
    """Traces without fault [frame, neuron]."""
    return dff()


def doubts(values, made=None, rate=RATE, **options) -> dict[str, str]:
    """Return check -> found of what is doubtful."""
    table = plausibility(values, rate, made, **options)
    assert tuple(table.columns) == COLUMNS
    assert all(table["advice"].str.len().gt(0) == (table["verdict"] == DOUBTFUL))
    return {row.check: row.found for row in table[table["verdict"] == DOUBTFUL].itertuples()}


@pytest.mark.parametrize(
    ("neurons", "frames", "spikes_hz"), [(4, 4500, 0.5), (30, 9000, 0.1), (20, 9000, 2.0), (40, 18000, 0.05)]
)
def test_good_traces_raise_no_doubt(neurons, frames, spikes_hz):
    values = dff(neurons, frames, spikes_hz, seed=neurons)
    assert doubts(values) == {}
    assert doubts(300 * (1 + values), made=values) == {}


def test_measures_of_a_known_trace():
    found = measure(dff(6, 36000, spikes_hz=0.0, noise=0.2), RATE)
    np.testing.assert_allclose(found.noise, 0.2 / np.sqrt(6), rtol=0.08)  # of averages of six frames
    np.testing.assert_allclose(found.rest, 0, atol=0.01)
    np.testing.assert_allclose(found.size, 0.2 * 0.6745, rtol=0.05)
    assert found.samples.tolist() == [36000] * 6 and found.missing.sum() == 0 == found.repeated


def test_missing_samples_change_no_measure(good):
    holed = good.copy()
    holed[3000:3030] = np.nan
    holed[generator(1, "tests", "holes").random(good.shape) < 0.02] = np.nan
    whole, found = measure(good, RATE), measure(holed, RATE)
    np.testing.assert_allclose(found.rest, whole.rest, atol=0.01)
    np.testing.assert_allclose(found.noise, whole.noise, rtol=0.2)
    assert found.missing.tolist() == np.isnan(holed).sum(axis=0).tolist() and found.repeated == 0
    assert doubts(holed) == {}
    holed[:, 4] = np.where(np.arange(FRAMES) < 6000, np.nan, holed[:, 4])
    table = plausibility(holed, RATE, neurons=np.arange(NEURONS) + 100).set_index("check")
    share = np.isnan(holed).mean()
    assert table.loc["missing samples", "found"] == f"{share:.2%}, most in neuron 104"


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        (lambda x: (x - x.mean(0)) / x.std(0), "zero of dF/F", "100% of neurons z-scored, 100% with the mean at 0"),
        (lambda x: x - x.mean(0), "zero of dF/F", "0% of neurons z-scored, 100% with the mean at 0"),
        (lambda x: x - 0.3, "baseline", "below 0 in 100% of neurons, far above in 0%"),
        (lambda x: 1 + x, "baseline", "below 0 in 0% of neurons, far above in 100%"),
        (lambda x: np.minimum(x, 0.8), "saturation", "12 neurons (0, 1, 2, 3, 4, 5, 6, 7, ...), up to"),
        (lambda x: np.repeat(x[::2], 2, axis=0), "repeated frames", "4500 of 9000 are as the one before"),
        (lambda x: x[:, [0, 1, 0, 3, 1]], "identical traces", "2 as 0, 4 as 1"),
        (lambda x: x[:600], "duration", "20 s (600 frames)"),
        (lambda x: np.where(np.arange(12) == 5, 100 * x, x), "size of dF/F", "above 30: neuron 5"),
    ],
)
def test_faults_are_found(change, check, found, good):
    assert found in doubts(change(good))[check]


def test_rates_of_another_unit(good):
    assert doubts(good, rate=0.03)["sampling rate"] == "0.03 Hz"


def test_bleaching():
    values, decline = 300 * (1 + dff()), np.exp(-np.arange(FRAMES) / 15000)[:, None]
    found = doubts(values * decline, made=dff())
    assert list(found) == ["trend"]
    # a line through exp(-t) from 0 to .6 ends at .547 / .981 of its start
    assert int(found["trend"].split()[0]) == pytest.approx(-44, abs=4)
    assert "trend" in doubts((1 + dff()) * decline - 1)


@pytest.mark.parametrize("is_dff", [True, False])
def test_a_step_between_joined_sessions(is_dff):
    values = (1 + dff(30, 18000)) * np.where(np.arange(18000) < 12000, 1, 1.3)[:, None]
    found = doubts(values - 1) if is_dff else doubts(300 * values, made=dff(30, 18000))
    assert list(found) == ["brightness step"]
    change, _, _, at, _ = found["brightness step"].split()
    assert int(change) == pytest.approx(30, abs=4) and float(at) == pytest.approx(400, abs=12)


def test_a_step_of_either_sign():
    factors = 1 + 0.4 * np.where(np.arange(30) % 2, 1, -1)
    values = (1 + dff(30, 18000)) * np.where(np.arange(18000)[:, None] < 12000, 1, factors) - 1
    assert "brightness step" in doubts(values)


def test_raw_fluorescence_declared_as_dff_is_refused(good):
    with pytest.raises(UserError, match=r"a.npy: is_dff: expected dF/F, .* like raw fluorescence.*`is_dff: false`"):
        plausibility(300 * (1 + good), RATE, path="a.npy")
    dense = np.abs(dff(6, 3000, 2.0))
    with pytest.raises(UserError, match=r"a.npy: is_dff: .* looks like dF/F in per cent. Give dF/F as a share of F0"):
        plausibility(100 * dense - 80, RATE, path="a.npy")


def test_dff_of_a_lost_baseline(good):
    made = good.copy()
    made[100, 3] = 55.0
    assert doubts(300 * (1 + good), made=made) == {
        "size of dF/F": f"median of maxima {np.median(made.max(0)):.3g}; above 30: neuron 3"
    }


def test_the_table_is_stored_in_the_recording(good):
    table = plausibility(good, RATE, left_out="constant: 3")
    recording = make_recording(
        fluorescence=good[None],
        time=np.arange(FRAMES) / RATE,
        bin_width_s=1 / RATE,
        imaging_rate_hz=RATE,
        source="a.npy",
        attributes=stored(table),
    )
    found = plausibility_table(recording)
    assert found is not None and found.equals(table)
    assert found.iloc[0].tolist() == ["neurons", "12; left out: constant: 3", "1 or more", "fine", ""]
    assert plausibility_table(recording.assign_attrs({}).drop_attrs()) is None
    words = in_words(table).splitlines()
    assert words[0] == f"Plausibility: 0 of {len(table)} checks doubtful"
    assert words[1] == "fine     neurons: 12; left out: constant: 3 (expected: 1 or more)"


def test_an_hour_of_hundreds_of_neurons_takes_a_moment():
    values = generator(1, "tests", "speed").normal(size=(36000, 600)).astype(np.float32)
    start = time.process_time()
    plausibility(values, RATE)
    assert time.process_time() - start < 4  # 1.3 s on one core of a laptop


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("allen_brain_observatory_552195520_30hz.mat", {"key": "dF_traces", "sampling_rate_hz": 30}),
        (
            "zebrafish_dp_ogb1_7.5hz.mat",
            {"key": "dF_traces", "sampling_rate_hz": 7.5, "orientation": "neurons x frames", "neurons": "usable"},
        ),
    ],
)
def test_real_recordings(file, fields, real_data):
    if not (real_data / "population" / file).exists():
        pytest.skip(f"no {file}")
    recording = read_user_file({"file": f"population/{file}", "is_dff": True, **fields}, real_data)
    table = plausibility_table(recording)
    assert table is not None and table[table["verdict"] == DOUBTFUL].empty
