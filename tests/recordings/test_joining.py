"""Several recordings as one set of traces: every neuron stays what it was, and gaps are bridged or named."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording, read_recording, write_recording
from calcium_latents.recordings.joining import bridge_gaps, join_recordings
from calcium_latents.recordings.rates import resample_traces
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.traces_matrix import trace_matrix
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.commands import join_recordings as command

ALLEN = "population/allen_brain_observatory_552195520_30hz.mat"
ZEBRAFISH = "population/zebrafish_dp_ogb1_7.5hz.mat"


def recording(frames=100, neurons=3, rate=10.0, seed=1, start=0.0, values=None, **options):
    if values is None:
        values = generator(seed, "tests", "joining").normal(size=(frames, neurons))
    return make_recording(
        fluorescence=values[None],
        time=start + np.arange(len(values)) / rate,
        bin_width_s=1 / rate,
        imaging_rate_hz=rate,
        trial_start=np.zeros(1),
        neuron=5 + np.arange(values.shape[1]),
        source=f"file-{seed}.csv",
        **options,
    )


def test_recordings_of_one_rate_are_stacked_and_cut_to_the_shortest():
    control, treated, other = (recording(n, k, seed=s, start=s) for n, k, s in ((100, 3, 1), (90, 2, 2), (120, 4, 3)))
    joined = join_recordings({"control": {"a": control}, "tau": {"b": treated, "c": other}}, 10, label="three wells")
    assert dict(joined.sizes) == {"trial": 1, "time": 90, "neuron": 9}
    expected = np.concatenate([item["fluorescence"].values[0, :90] for item in (control, treated, other)], axis=1)
    np.testing.assert_array_equal(joined["fluorescence"].values[0], expected)
    assert joined["culture"].values.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2] and joined["culture"].dtype == "int32"
    assert joined["group"].values.tolist() == ["control"] * 3 + ["tau"] * 6
    assert joined["neuron"].values.tolist() == list(range(9))
    assert joined["neuron_in_recording"].values.tolist() == [5, 6, 7, 5, 6, 5, 6, 7, 8]
    np.testing.assert_allclose(joined["time"], np.arange(90) / 10)
    assert json.loads(joined.attrs["cultures"]) == [
        {"culture": 0, "group": "control", "name": "a"},
        {"culture": 1, "group": "tau", "name": "b"},
        {"culture": 2, "group": "tau", "name": "c"},
    ]
    assert joined.attrs["label"] == "three wells"
    assert joined.attrs["source"] == "file-1.csv, file-2.csv, file-3.csv"
    assert [item["duration_s"] for item in json.loads(joined.attrs["joined_from"])] == pytest.approx([10, 9, 12])
    assert trace_matrix(joined, "joined").shape == (9, 90)


def test_a_single_recording_comes_back_as_it_was(provenance, tmp_path):
    single = recording(position=np.ones((3, 2)), position_units="mm")
    joined = join_recordings({"control": {"a": single}}, 10)
    np.testing.assert_array_equal(joined["fluorescence"], single["fluorescence"])
    assert joined.attrs["label"] == "a"
    assert joined["position"].attrs["units"] == "mm" and joined["position"].shape == (3, 2)
    write_recording(joined, tmp_path / "a.nc", provenance)
    back = read_recording(tmp_path / "a.nc")
    assert back.equals(joined)
    assert back["group"].values.tolist() == ["control"] * 3
    # Positions in other units, or none, are not mixed.
    assert "position" not in join_recordings({"x": {"a": single, "b": recording()}}, 10)
    other = recording(position=np.ones((3, 2)))
    assert "position" not in join_recordings({"x": {"a": single, "b": other}}, 10)


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.floats(4, 40), min_size=1, max_size=3),
    rate=st.floats(4, 40),
    seconds=st.lists(st.floats(8, 12), min_size=3, max_size=3),
)
def test_every_recording_is_resampled_and_cut_alike(rates, rate, seconds):
    items = {str(i): recording(int(s * r), 2, r, i) for i, (r, s) in enumerate(zip(rates, seconds, strict=False))}
    joined = join_recordings({"x": items}, rate)
    shortest = min(item.sizes["time"] / r for item, r in zip(items.values(), rates, strict=True))
    assert joined.sizes["time"] == int(shortest * rate + 0.05)
    assert joined.attrs["imaging_rate_hz"] == rate
    for i, (item, own) in enumerate(zip(items.values(), rates, strict=True)):
        expected = resample_traces(trace_matrix(item, "x"), own, rate, shortest)
        found = joined["fluorescence"].values[0, :, 2 * i : 2 * i + 2].T
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_short_gaps_are_bridged_linearly_and_long_ones_named():
    values = np.arange(50.0)[:, None] * [1.0, -2.0, 1.0] + [0, 0, 3]
    truth = values.copy()
    values[[10, 11, 30], 1] = np.nan
    values[:2, 2] = np.nan
    bridged, count = bridge_gaps(recording(values=values), 0.2, "x")
    assert count == 5
    truth[:2, 2] = truth[2, 2]  # at the ends the nearest sample
    np.testing.assert_allclose(bridged["fluorescence"].values[0], truth, atol=1e-5)
    joined = join_recordings({"x": {"a": recording(values=values)}}, 10)
    assert json.loads(joined.attrs["joined_from"])[0]["bridged_samples"] == 5
    values[20:23, 0] = np.nan
    with pytest.raises(UserError) as error:
        join_recordings({"x": {"a": recording(values=values, start=100)}}, 10)
    expected = (
        "a (file-1.csv): fluorescence: expected gaps of at most 0.2 s (2 samples), found 3 missing in a row (0.3 s) of "
        "neuron 5 from 102 s on. Raise longest_gap_s, or leave such neurons out (`neurons` in the entry)."
    )
    assert str(error.value) == expected
    assert join_recordings({"x": {"a": recording(values=values)}}, 10, longest_gap_s=0.3).sizes["neuron"] == 3
    with pytest.raises(UserError, match=r"expected gaps of at most 0 s \(0 samples\)"):
        join_recordings({"x": {"a": recording(values=values)}}, 10, longest_gap_s=0)


@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, 39), length=st.integers(1, 39), allowed=st.integers(0, 10), rate=st.floats(1, 60))
def test_gaps_at_the_edge_of_what_is_allowed(start, length, allowed, rate):
    values = np.random.default_rng(3).normal(size=(40, 2))
    values[start : start + length, 1] = np.nan
    length = int(np.isnan(values).sum())
    whole = recording(values=values, rate=rate)
    if length > allowed:
        with pytest.raises(UserError, match=rf"\({allowed} samples\), found {length} missing in a row"):
            bridge_gaps(whole, allowed / rate, "x")
        return
    found = bridge_gaps(whole, allowed / rate, "x")[0]["fluorescence"].values[0]
    known = np.isfinite(values)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[known], np.float32(values[known]))


def _changed(**options):
    return lambda item: item.assign_attrs(**options)


BAD = {
    "nothing": ({}, {}, "the recordings: conditions: expected at least one, found none"),
    "no recording": ({"control": {}}, {}, "the recordings: control: expected at least one recording, found none"),
    "no name": ({"": {"a": recording()}}, {}, "the recordings: condition: expected a name, found ''"),
    "twice": (
        {"control": {"a": recording()}, "tau": {"a": recording()}},
        {},
        "the recordings: name: expected each recording once, found 'a' in 'control' and in 'tau'. Correct the",
    ),
    "too long": (
        {"control": {"a": recording()}, "tau": {"b": recording(80, seed=2)}},
        {"duration_s": 9.0},
        "b (file-2.csv): duration_s: expected a recording of at least 9 s, found 8 s. Ask for a shorter duration",
    ),
    "no duration": ({"x": {"a": recording()}}, {"duration_s": 0.0}, "a (file-1.csv): duration_s: expected a positive"),
    "no rate": ({"x": {"a": recording()}}, {"rate_hz": 0.0}, "a (file-1.csv): to_rate_hz: expected a positive number"),
    "no gap": ({"x": {"a": recording()}}, {"longest_gap_s": -1}, "the recordings: longest_gap_s: expected a duration"),
    "one neuron": (
        {"x": {"a": recording(), "b": recording(neurons=1, seed=2)}},
        {},
        "b (file-2.csv): neuron: expected at least 2 neurons, found one neuron. Give a recording of more neurons.",
    ),
    "constant": (
        {"x": {"a": recording(values=np.ones((50, 2)))}},
        {},
        "a (file-1.csv): fluorescence: expected traces that change over time, found no variance in 2 neurons (5, 6).",
    ),
    "constant after the cut": (
        {"x": {"a": recording(values=np.outer(np.arange(100) > 50, [1.0, 1.0])), "b": recording(40, seed=2)}},
        {"label": "both"},
        "both: fluorescence: expected traces that change over time, found no variance in 2 neurons (0, 1).",
    ),
    "short after the cut": (
        {"x": {"a": recording()}},
        {"duration_s": 1.5, "label": "both"},
        "both: time: expected at least 16 samples of each neuron, found 15.",
    ),
    "events": (
        {"x": {"a": recording(values=np.ones((50, 2))).rename(fluorescence="events")}},
        {},
        "a (file-1.csv): fluorescence: expected traces of dF/F, found none.",
    ),
    "sub-frame": (
        {"x": {"a": recording().assign_attrs(imaging_rate_hz=5.0)}},
        {},
        "a (file-1.csv): bin_width_s: expected imaging frames of 0.2 s, found 0.1 s.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_joined_is_named(name):
    recordings, options, message = BAD[name]
    with pytest.raises(UserError) as error:
        join_recordings(recordings, **{"rate_hz": 10.0} | options)
    assert message in str(error.value)


def test_trials_cannot_be_joined(recording):
    with pytest.raises(UserError, match=r"a \(test\): trial: expected one continuous trial, found 4 trials"):
        join_recordings({"x": {"a": recording}}, 10)


@pytest.fixture
def files(tmp_path, provenance):
    for seed, name in ((1, "control"), (2, "tau")):
        write_recording(recording_of(seed), tmp_path / f"{name}.nc", provenance)
    return tmp_path


def recording_of(seed):
    return recording(100, 3, seed=seed)


def test_the_command(files):
    given = [
        *("--recording", f"control=well 12={files / 'control.nc'}", "--recording", f"tau=well 42={files / 'tau.nc'}"),
        *("--rate-hz", "5", "--label", "wells", "--output", str(files / "traces.nc")),
    ]
    command.main(given)
    found = read_recording(files / "traces.nc")
    expected = join_recordings(
        {"control": {"well 12": recording_of(1)}, "tau": {"well 42": recording_of(2)}}, 5, label="wells"
    )
    np.testing.assert_array_equal(found["fluorescence"], expected["fluorescence"])
    assert found["group"].values.tolist() == ["control"] * 3 + ["tau"] * 3
    assert found.attrs["label"] == "wells"
    first = (files / "traces.nc").read_bytes()
    command.main(given)
    assert (files / "traces.nc").read_bytes() == first
    command.main([*given, "--duration-s", "4"])
    part = read_recording(files / "traces.nc")
    assert part.sizes["time"] == 20
    assert part.attrs["config_digest"] != found.attrs["config_digest"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--duration-s", "11"], r"well 12 \(file-1.csv\): duration_s: expected a recording of at least 11 s"),
        (["--rate-hz", "-1"], "to_rate_hz: expected a positive number, found -1.0"),
        (["--recording", "x=y=nowhere.nc"], "nowhere.nc: file: expected a netCDF file, found no such file"),
        (
            ["--recording", "control=well 12=a.nc"],
            "a.nc: --recording: expected each recording once, found 'well 12' tw",
        ),
        (["--longest-gap-s", "-1"], "longest_gap_s: expected a duration in s, 0 or more, found -1.0"),
    ],
)
def test_nothing_is_written_where_the_command_fails(files, more, message):
    given = ["--recording", f"control=well 12={files / 'control.nc'}", "--rate-hz", "5", "--label", "wells"]
    with pytest.raises(UserError, match=message):
        command.main([*given, "--output", str(files / "new" / "traces.nc"), *more])
    assert sorted(path.name for path in files.iterdir()) == ["control.nc", "tau.nc"]


@pytest.mark.parametrize("text", ["file.nc", "control=file.nc", "=a=file.nc", "control==file.nc", "control=a="])
def test_the_form_of_a_named_recording(text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--recording", text, "--rate-hz", "5", "--label", "a", "--output", str(tmp_path / "a.nc")])
    assert f"expected CONDITION=NAME=FILE, found '{text}'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert command.named_recording("a=b=c=d.nc") == ("a", "b", "c=d.nc")


def test_real_recordings_as_two_conditions(data_directory, provenance, tmp_path):
    for file in (ALLEN, ZEBRAFISH):
        if not (data_directory / file).exists():
            pytest.skip(f"no {data_directory / file}")
    allen = read_user_file({"file": ALLEN, "key": "dF_traces", "sampling_rate_hz": 30, "is_dff": True}, data_directory)
    entry = {"file": ZEBRAFISH, "sampling_rate_hz": 7.5, "orientation": "neurons x frames", "neurons": "usable"}
    fish = read_user_file(entry | {"is_dff": True}, data_directory)
    joined = join_recordings({"mouse": {"allen": allen}, "zebrafish": {"dp": fish}}, 7.5, label="two animals")
    assert dict(joined.sizes) == {"trial": 1, "time": 260, "neuron": 74 + 1003}
    np.testing.assert_array_equal(joined["fluorescence"].values[..., 74:], fish["fluorescence"].values)
    # The mouse's traces, a quarter of the samples: about the mean of the five frames around each.
    smooth = uniform_filter1d(allen["fluorescence"].values[0], 5, axis=0)[:1040:4]
    found = joined["fluorescence"].values[0, :, :74]
    agreement = [np.corrcoef(found[:, i], smooth[:, i])[0, 1] for i in range(74)]
    assert min(agreement) > 0.85
    assert (found.std(axis=0) < allen["fluorescence"].values[0, :1040].std(axis=0)).all()
    assert joined["group"].values.tolist() == ["mouse"] * 74 + ["zebrafish"] * 1003
    write_recording(joined, tmp_path / "traces.nc", provenance)
    assert trace_matrix(read_recording(tmp_path / "traces.nc"), "traces.nc").shape == (1077, 260)


def test_two_exports_of_netcal_from_file_to_traces(tmp_path):
    random = generator(1, "tests", "joined exports")
    for name, frames in (("control", 330), ("tau", 300)):
        rows = np.column_stack([np.arange(frames) / 33, random.normal(size=(frames, 4))])
        lines = ["time (s), 1, 2, 3, 4"] + [", ".join(f"{value:.6f}" for value in row) for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    items = {
        n: {f"well {n}": read_user_file({"file": f"{n}.csv", "is_dff": True}, tmp_path)} for n in ("control", "tau")
    }
    joined = join_recordings(items, 16.5)
    # As in the paper: every other frame, the treated culture's length and the control's made equal.
    assert dict(joined.sizes) == {"trial": 1, "time": 150, "neuron": 8}
    assert joined["culture"].values.tolist() == [0] * 4 + [1] * 4
