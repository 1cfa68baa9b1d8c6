"""NETCAL's exports: what its exporter writes is read as it was; what it does not write is named, with its place."""

import json

import h5py
import numpy as np
import pytest
import scipy.io
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcium_latents.configuration.sections import RecordingsFile
from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import netcal
from calcium_latents.seeds import generator
from calcium_latents.studies.recordings.commands import import_recording

RATE, FRAMES, ROIS = 33.0, 300, 5
NUMBERS = [1, 2, 4, 7, 12]


@pytest.fixture
def traces() -> np.ndarray:
    """Smooth traces [frame, ROI] with six decimals, as exported."""
    noise = generator(1, "tests", "netcal").normal(size=(FRAMES + 20, ROIS))
    smooth = [np.convolve(column, np.exp(-np.arange(21) / 8), "valid") for column in noise.T]
    return np.round(np.stack(smooth, axis=1), 6)


def export(path, traces, numbers=NUMBERS, rate=RATE, start=0.0, decimals=6, time=None):
    """Write traces [frame, ROI] as NETCAL's exporter does: CSV, or TXT without a header."""
    separator = ", " if path.suffix == ".csv" else " "
    time = start + np.arange(len(traces)) / rate if time is None else time
    lines = [separator.join(["time (s)", *map(str, numbers)])] if path.suffix == ".csv" else []
    lines += [separator.join(f"{value:.{decimals}f}" for value in row) for row in np.column_stack([time, traces])]
    path.write_text("\n".join(lines) + "\n")
    return path


def entry(name, **fields):
    return {"file": name, "is_dff": True} | fields


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_an_export_is_read_as_it_was(name, traces, tmp_path, provenance):
    export(tmp_path / name, traces, start=2.0)
    recording = read_user_file(entry(name), tmp_path)
    np.testing.assert_array_equal(recording["fluorescence"].values[0], np.float32(traces))
    assert recording["neuron"].values.tolist() == (NUMBERS if name == "a.csv" else list(range(ROIS)))
    assert recording.attrs["imaging_rate_hz"] == pytest.approx(RATE, rel=1e-6)
    assert recording.attrs["source_format"] == "netcal"
    np.testing.assert_allclose(recording["time"], 2 + np.arange(FRAMES) / RATE, atol=1e-6)
    write_recording(recording, tmp_path / "r.nc", provenance)
    assert read_recording(tmp_path / "r.nc").equals(recording)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.floats(2, 100),
    start=st.floats(0, 900),
    decimals=st.integers(3, 7),
    frames=st.integers(30, 120),
    seed=st.integers(0, 99),
)
def test_rounded_times_do_not_change_the_rate(rate, start, decimals, frames, seed, tmp_path):
    values = np.round(generator(seed, "tests", "rounded times").normal(size=(frames, 3)), decimals)
    export(tmp_path / "a.csv", values, [1, 2, 3], rate, start, decimals)
    found = netcal.read(tmp_path / "a.csv", {})
    np.testing.assert_array_equal(found.values, values)
    # A least-squares slope: the worst roundings (each half a digit) make three halves of a digit over the recording.
    assert abs((frames - 1) / found.sampling_rate_hz - (frames - 1) / rate) <= 1.51 * 10.0**-decimals
    read_user_file(entry("a.csv", sampling_rate_hz=rate), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(", ", ","),
        lambda text: text.replace(", ", " ,   ").replace("\n", " \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text.rstrip("\n"),
        lambda text: text.replace("time (s)", '"Time (s)"'),
        lambda text: "\n" + text.replace("\n", "\n\n"),
    ],
    ids=["no blanks", "more blanks", "Windows", "byte order mark", "quotes", "blank lines"],
)
def test_files_that_other_programs_saved_again(change, traces, tmp_path):
    export(tmp_path / "a.csv", traces)
    text = change((tmp_path / "a.csv").read_text())
    (tmp_path / "a.csv").write_bytes(text.encode())
    found = netcal.read(tmp_path / "a.csv", {})
    np.testing.assert_array_equal(found.values, traces)
    assert found.neurons.tolist() == NUMBERS


def test_dropped_frames_and_missing_samples_are_nan(traces, tmp_path):
    kept = np.delete(np.arange(FRAMES), [50, 51])
    export(tmp_path / "a.csv", traces[kept], time=kept / RATE)
    text = (tmp_path / "a.csv").read_text().splitlines()
    cells = text[10].split(", ")
    text[10] = ", ".join([*cells[:2], "NaN", *cells[3:]])
    (tmp_path / "a.csv").write_text("\n".join(text))
    found = read_user_file(entry("a.csv"), tmp_path)
    missing = np.isnan(found["fluorescence"].values[0])
    assert found.sizes["time"] == FRAMES
    assert missing[[50, 51]].all() and missing[9].tolist() == [False, True, False, False, False]
    assert missing.sum() == 2 * ROIS + 1


def test_rois_are_chosen_by_their_numbers_and_keep_their_names(traces, tmp_path):
    export(tmp_path / "a.csv", traces)
    found = read_user_file(entry("a.csv", neurons=[4, 12]), tmp_path)
    np.testing.assert_array_equal(found["fluorescence"].values[0], np.float32(traces[:, [2, 4]]))
    assert found["neuron"].values.tolist() == [4, 12]
    with pytest.raises(UserError, match="a.csv: neurons: expected numbers of neurons in the file, found 3"):
        read_user_file(entry("a.csv", neurons=[3]), tmp_path)
    export(tmp_path / "b.csv", traces, ["soma 1", "soma 2", "x", "y", "z"])
    named = read_user_file(entry("b.csv"), tmp_path)
    assert named["neuron"].values.tolist() == [0, 1, 2, 3, 4]
    assert named.attrs["roi_names"] == '["soma 1", "soma 2", "x", "y", "z"]'


def test_whether_traces_are_dff_must_be_said(traces, tmp_path):
    export(tmp_path / "a.csv", 100 * (1 + 0.02 * traces))
    with pytest.raises(UserError, match="a.csv: is_dff: expected true or false, found none"):
        read_user_file({"file": "a.csv"}, tmp_path)
    found = read_user_file({"file": "a.csv", "is_dff": False}, tmp_path)["fluorescence"].values[0]
    assert np.corrcoef(found[:, 0], traces[:, 0])[0, 1] > 0.95 and np.abs(found).max() < 0.5


def test_text_without_times_needs_a_rate(traces, tmp_path):
    np.savetxt(tmp_path / "a.txt", traces, fmt="%.6f")
    with pytest.raises(UserError, match="a.txt: sampling_rate_hz: expected imaging frames per second, found none"):
        read_user_file(entry("a.txt"), tmp_path)
    found = read_user_file(entry("a.txt", sampling_rate_hz=20), tmp_path)
    np.testing.assert_array_equal(found["fluorescence"].values[0], np.float32(traces))
    assert found.attrs["imaging_rate_hz"] == 20


def test_one_frame_has_no_rate(tmp_path):
    (tmp_path / "a.csv").write_text("time (s), 1\n0.0, 3.0\n")
    with pytest.raises(UserError, match="a.csv: file: expected rows of numbers, two frames or more, found 1"):
        netcal.read(tmp_path / "a.csv", {})


def _lines(*changes):
    """Return a change of the file's lines: (number from one, old, new)."""

    def change(text):
        lines = text.splitlines()
        for number, old, new in changes:
            assert old in lines[number - 1]
            lines[number - 1] = lines[number - 1].replace(old, new)
        return "\n".join(lines)

    return change


BAD = {
    "missing header": (
        lambda text: text.split("\n", 1)[1],
        {"format": "netcal"},
        "a.csv: file: expected a header 'time (s), ...' with the ROIs in the first line, found '0.000000'. "
        "Export it from NETCAL as CSV, with its header.",
    ),
    "other header": (
        _lines((1, "time (s)", "frame")),
        {"format": "netcal"},
        "a.csv: file: expected a header 'time (s), ...' with the ROIs in the first line, found 'frame'. ",
    ),
    "other header, format to be told": (
        _lines((1, "time (s)", "frame")),
        {},
        "a.csv: format: expected a .npy, HDF5 or .mat file, found none of these. Set `format` in the entry",
    ),
    "unequal rows": (
        _lines((7, ", ", ", abc, ")),
        {},
        "a.csv: file: expected 6 values in each line, as in the first, found 11 in line 7. Export it again.",
    ),
    "no number": (
        lambda text: text.replace("\n", "\nx", 1),
        {},
        "a.csv: file: expected numbers (NaN where nothing was sampled), found 'x0.000000' in line 2, column 1 "
        "('time (s)'). Correct this cell, or export it again.",
    ),
    "decimal comma": (
        lambda text: text.replace(".", ","),
        {},
        "a.csv: file: expected 6 values in each line, as in the first, found 12 in line 2. Export it again.",
    ),
    "cut line": (
        lambda text: text.rstrip("\n").rsplit(",", 2)[0],
        {},
        f"a.csv: file: expected 6 values in each line, as in the first, found 4 in line {FRAMES + 1}. Export it again.",
    ),
    "ROI twice": (
        _lines((1, "12", "7")),
        {},
        "a.csv: header: expected each ROI once, found '7' more than once. Export it again.",
    ),
    "wrong rate": (
        lambda text: text,
        {"sampling_rate_hz": 30},
        "a.csv: sampling_rate_hz: expected 33 as in the file's times, found 30, but frames 0.030303 s apart. "
        "Correct the entry.",
    ),
    "irregular times": (
        _lines((30, "0.848485", "0.864000")),
        {},
        "a.csv: timestamps: expected frames about 0.03",
    ),
    "times that go back": (
        _lines((30, "0.848485", "0.248485")),
        {},
        "a.csv: timestamps: expected two or more finite, increasing times in s, found [0.818182, ",
    ),
    "missing time": (
        _lines((30, "0.848485", "NaN")),
        {},
        "a.csv: timestamps: expected two or more finite, increasing times in s, found [0.818182, ",
    ),
    "no ROI": (
        lambda text: "\n".join(line.split(",")[0] for line in text.splitlines()),
        {},
        "a.csv: columns: expected at least one ROI beside the time, found none. Export the traces of all ROIs.",
    ),
    "empty": (lambda text: "", {"format": "netcal"}, "a.csv: file: expected rows of numbers"),
    "header alone": (lambda text: text.split("\n")[0], {}, "a.csv: file: expected rows of numbers"),
    "constant trace": (
        lambda text: "\n".join(
            line if i == 0 else ", ".join([*line.split(", ")[:5], "1"]) for i, line in enumerate(text.splitlines())
        ),
        {},
        "found 1 of 5 neurons without (neurons 12; the first is constant). Add `neurons: usable`",
    ),
    "infinite": (
        _lines((40, ", ", ",")),
        {"sampling_rate_hz": "33"},
        "sampling_rate_hz: expected a number, found '33'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_exports(name, traces, tmp_path):
    change, fields, message = BAD[name]
    export(tmp_path / "a.csv", traces)
    (tmp_path / "a.csv").write_text(change((tmp_path / "a.csv").read_text()))
    with pytest.raises(UserError) as error:
        read_user_file(entry("a.csv", **fields), tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("cell", "number", "found"),
    [
        ("abc", 40, "'abc' in line 40, column 3 ('2')"),
        ("", 2, "'' in line 2, column 3 ('2')"),
        ("1 2", 301, "'1 2' in"),
    ],
)
def test_a_cell_that_is_no_number_is_named(cell, number, found, traces, tmp_path):
    export(tmp_path / "a.csv", traces)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    cells = lines[number - 1].split(", ")
    lines[number - 1] = ", ".join([*cells[:2], cell, *cells[3:]])
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(UserError) as error:
        netcal.read(tmp_path / "a.csv", {})
    assert f"a.csv: file: expected numbers (NaN where nothing was sampled), found {found}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n4 5\n6 7 8\n", "expected 3 values in each line, as in the first, found 2 in line 2"),
        ("1 2 3\n4 x 6\n6 7 8\n", "found 'x' in line 2, column 2. Correct this cell"),
        ("\n1 2 3\n\n4 x 6\n6 7 8\n", "found 'x' in line 4, column 2. Correct this cell"),
        ("time (s) 1\n0 1\n1 2\n", "expected 3 values in each line, as in the first, found 2 in line 2"),
        ("1 2 3\n", "expected rows of numbers, two frames or more, found 1"),
        ("", "expected rows of numbers, two frames or more, found 0"),
    ],
)
def test_malformed_text(text, message, tmp_path):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError, match="a.txt: file: expected") as error:
        read_user_file(entry("a.txt", sampling_rate_hz=10), tmp_path)
    assert message in str(error.value)


def _save(path, content, version):
    if version == 5:
        scipy.io.savemat(path, content)
        return
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            fields = {f"{name}/{field}": item for field, item in value.items()} if isinstance(value, dict) else {}
            for field, item in (fields or {name: value}).items():
                # MATLAB 7.3 stores the transpose of what it shows.
                file[field] = np.asarray(item).T if not isinstance(item, str) else item


@pytest.mark.parametrize("version", [5, 7.3])
@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_matlab_files_with_times(version, struct, transposed, traces, tmp_path):
    time = (np.arange(FRAMES) / RATE)[:, None]
    content = {
        "traces": traces.T if transposed else traces,
        "t": time,
        "rawTraces": 2 * traces[::2],
        "rawT": time[::2],
        "name": "well 12",
    }
    _save(tmp_path / "a.mat", {"experiment": content} if struct else content, version)
    found = read_user_file(entry("a.mat", format="netcal"), tmp_path)
    np.testing.assert_array_equal(found["fluorescence"].values[0], np.float32(traces))
    assert found.attrs["imaging_rate_hz"] == pytest.approx(RATE)
    raw = netcal.read(tmp_path / "a.mat", {"key": "experiment/rawTraces" if struct else "rawTraces"})
    np.testing.assert_array_equal(raw.values, 2 * traces[::2])
    assert raw.sampling_rate_hz == pytest.approx(RATE / 2)
    with pytest.raises(UserError, match="a.mat: key: expected one of .*traces.*, found 'F'"):
        netcal.read(tmp_path / "a.mat", {"key": "F"})


@pytest.mark.parametrize("version", [5, 7.3])
def test_matlab_files_without_times(version, traces, tmp_path):
    _save(tmp_path / "a.mat", {"F": traces}, version)
    found = read_user_file(entry("a.mat", format="netcal", sampling_rate_hz=RATE), tmp_path)
    np.testing.assert_array_equal(found["fluorescence"].values[0], np.float32(traces))
    with pytest.raises(UserError, match="sampling_rate_hz: expected imaging frames per second, found none"):
        read_user_file(entry("a.mat", format="netcal"), tmp_path)
    _save(tmp_path / "b.mat", {"traces": traces, "t": np.arange(7.0)[:, None]}, version)
    with pytest.raises(UserError, match=r"b.mat: t: expected one time a frame of traces \(300, 5\), found 7"):
        netcal.read(tmp_path / "b.mat", {})
    _save(tmp_path / "c.mat", {"F": traces, "G": traces}, version)
    with pytest.raises(UserError, match="c.mat: key: expected the name of a matrix of traces, found 2 in the file"):
        netcal.read(tmp_path / "c.mat", {})


def test_the_import_writes_nothing_where_it_fails(traces, tmp_path):
    export(tmp_path / "a.csv", traces)
    output = tmp_path / "new" / "recording.nc"
    given = ["--base-directory", str(tmp_path), "--output", str(output), "--parameters"]
    with pytest.raises(UserError, match="a.csv: is_dff"):
        import_recording.main([*given, json.dumps({"file": "a.csv"})])
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    import_recording.main([*given, json.dumps(entry("a.csv"))])
    assert read_recording(output).sizes["neuron"] == ROIS


def test_what_is_told_from_the_file(traces, tmp_path):
    assert netcal.recognises(export(tmp_path / "a.csv", traces)) and netcal.recognises(
        export(tmp_path / "a.TXT", traces)
    )
    (tmp_path / "b.csv").write_text("start_s,condition\n1,2\n")
    assert (
        not netcal.recognises(tmp_path / "b.csv")
        and not netcal.recognises(tmp_path)
        and not netcal.recognises(tmp_path / "c.txt")
    )
    (tmp_path / "d.mat").write_text("x")
    with pytest.raises(UserError, match="d.mat: file: expected a MATLAB file, found an unreadable one"):
        netcal.read(tmp_path / "d.mat", {})
    with pytest.raises(UserError, match="e.npy: format: expected a .csv, .txt or .mat file of NETCAL, found '.npy'"):
        netcal.read(tmp_path / "e.npy", {})


def test_the_entry_is_valid(repository):
    entries = {"recordings": {"a": {"file": "a.txt", "format": "netcal", "is_dff": True}}}
    assert RecordingsFile.from_mapping(entries).recordings["a"].format == "netcal"
    text = (repository / "config/recordings.yaml").read_text()
    shown = "recordings:\n" + "\n".join(
        line.replace("  # ", "  ", 1) for line in text.split("## NETCAL")[1].split("## HDF5")[0].splitlines()[1:]
    )
    found = yaml.safe_load(shown)
    assert [entry["is_dff"] for entry in found["recordings"].values()] == [False, False]
    RecordingsFile.from_mapping(found)
