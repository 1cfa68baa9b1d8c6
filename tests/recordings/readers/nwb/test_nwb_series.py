"""The right series of an NWB file, the right way round, in its units."""

import tracemalloc

import h5py
import numpy as np
import pytest

pytest.importorskip("pynwb")
from hdmf.backends.hdf5.h5_utils import H5DataIO
from nwb_files import NwbWriter, dots, raw_traces

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import nwb


def test_turned_data_are_refused_and_read_where_the_entry_says_so(tmp_path):
    data, writer = raw_traces(90, 10), NwbWriter()
    table = writer.table([[(i, i, 0, 1.0)] for i in range(10)], "voxel_mask")
    with pytest.warns(UserWarning, match="transposed"):
        writer.series(data.T, table, "dff", "DfOverF")
    path = writer.write(tmp_path / "a.nwb")
    message = (
        r"a.nwb: ophys/DfOverF/dff: expected data of shape \(frames, 10\) for the 10 ROIs of "
        r"ophys/ImageSegmentation/rois, found shape \(10, 90\). It is turned: .*orientation: neurons x frames"
    )
    with pytest.raises(UserError, match=message):
        nwb.read(path, {})
    traces = nwb.read(path, {"orientation": "neurons x frames"})
    np.testing.assert_array_equal(traces.values, data)
    assert traces.values.dtype == np.float32 and traces.is_dff
    np.testing.assert_array_equal(traces.position, np.repeat(np.arange(10.0), 2).reshape(10, 2))
    some = nwb.read(path, {"orientation": "neurons x frames", "neurons": [7, 2]})
    np.testing.assert_array_equal(some.values, data[:, [2, 7]])


def test_an_orientation_that_does_not_hold_is_refused(tmp_path):
    writer = NwbWriter()
    writer.series(raw_traces(20, 5), writer.table(dots(5)))
    path = writer.write(tmp_path / "a.nwb")
    with pytest.raises(UserError, match=r"shape \(5, frames\) for the 5 ROIs .*\(20, 5\).*leave out `orientation`"):
        nwb.read(path, {"orientation": "neurons x frames"})
    with pytest.raises(UserError, match="orientation: expected neurons x frames or frames x neurons, found 'up'"):
        nwb.read(path, {"orientation": "up"})
    with h5py.File(path, "r+") as file:
        del file["processing/ophys/Fluorescence/traces/data"]
        file["processing/ophys/Fluorescence/traces/data"] = np.zeros((20, 6))
        file["processing/ophys/Fluorescence/traces/data"].attrs.update({"unit": "n.a.", "conversion": 1.0})
    with pytest.raises(UserError, match=r"traces: expected data of shape \(frames, 5\) .* \(20, 6\). Correct the file"):
        nwb.read(path, {})


def test_as_many_frames_as_rois_are_read_as_nwb_says(tmp_path):
    data, writer = raw_traces(5, 5), NwbWriter()
    writer.series(data, writer.table(dots(5)))
    np.testing.assert_array_equal(nwb.read(writer.write(tmp_path / "a.nwb"), {}).values, data)


def test_a_single_roi_needs_no_second_dimension(tmp_path):
    data, writer = raw_traces(50, 1), NwbWriter()
    writer.series(data[:, 0], writer.table(dots(1)), conversion=0.5)
    np.testing.assert_array_equal(nwb.read(writer.write(tmp_path / "a.nwb"), {}).values, data / 2)


@pytest.mark.parametrize("chunks", [None, (300, 1), (7, 5), (40, 2)])
def test_conversion_and_offset_whatever_the_chunks(chunks, tmp_path, monkeypatch):
    counts = np.random.default_rng(2).integers(0, 2**15, (300, 5)).astype(np.int16)
    writer = NwbWriter()
    table = writer.table(dots(5))
    stored = counts if chunks is None else H5DataIO(counts, chunks=chunks)
    writer.series(stored, table, "traces", conversion=0.25, offset=-10.0)
    writer.series(counts, table, "traces", "Neuropil", conversion=2.0)
    path = writer.write(tmp_path / "a.nwb")
    for block in (8, 100, 2**23):
        monkeypatch.setattr("calcium_latents.recordings.readers.stored.BLOCK", block)
        traces = nwb.read(path, {"neurons": [1, 4]})
        np.testing.assert_array_equal(traces.values, counts[:, [1, 4]] * 0.25 - 10)
        np.testing.assert_array_equal(traces.neuropil, counts[:, [1, 4]] * 2.0)
    assert traces.attributes["nwb_neuropil"] == "ophys/Neuropil/traces"


def test_samples_are_held_once_in_single_precision(tmp_path, monkeypatch):
    monkeypatch.setattr("calcium_latents.recordings.readers.stored.BLOCK", 2**16)
    writer = NwbWriter()
    data = np.random.default_rng(3).random((40000, 50))
    writer.series(H5DataIO(data, chunks=(1000, 10)), writer.table(dots(50)), conversion=2.0)
    path = writer.write(tmp_path / "a.nwb")
    nwb.read(path, {})  # imports and specifications are not counted
    tracemalloc.start()
    traces = nwb.read(path, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(traces.values, (2 * data).astype(np.float32))
    assert peak < 1.7 * traces.values.nbytes  # the file's float64 are 2 times that


def test_neuropil_goes_by_table_and_name_not_by_shape(tmp_path):
    writer = NwbWriter()
    tables = [writer.table(dots(5), name=f"rois{plane}") for plane in (0, 1)]
    for plane, table in enumerate(tables):
        writer.series(raw_traces(seed=plane), table, f"plane{plane}")
    writer.series(np.full((300, 5), 300.0), tables[1], "plane1", "Neuropil")
    path = writer.write(tmp_path / "a.nwb")
    first, second = (nwb.read(path, {"key": f"Fluorescence/plane{plane}"}) for plane in (0, 1))
    assert first.neuropil is None and first.attributes["nwb_neuropil"] == "none"
    np.testing.assert_array_equal(second.neuropil, 300)
    # One table of ROIs, two channels: the neuropil is that of the same channel.
    writer = NwbWriter()
    table = writer.table(dots(5))
    for number, channel in enumerate(("", "_chan2")):
        writer.series(raw_traces(seed=number), table, "plane0", f"Fluorescence{channel}")
        writer.series(np.full((300, 5), 10.0 + number), table, "plane0", f"Neuropil{channel}")
    path = writer.write(tmp_path / "b.nwb")
    for number, channel in enumerate(("", "_chan2")):
        traces = nwb.read(path, {"key": f"Fluorescence{channel}"})
        np.testing.assert_array_equal(traces.values, raw_traces(seed=number))
        assert np.unique(traces.neuropil) == 10 + number
    with pytest.raises(UserError, match=r"found 2 that match \(ophys/Fluorescence/plane0, ophys/Fluorescence_chan2"):
        nwb.read(path, {})


def _neuroconv(tmp_path, *names):
    writer = NwbWriter()
    table = writer.table(dots(5))
    for number, name in enumerate(names):
        writer.series(raw_traces(seed=number), table, name)
    return writer.write(tmp_path / "a.nwb")


def test_one_container_for_all_kinds_of_traces(tmp_path):
    path = _neuroconv(tmp_path, "RoiResponseSeries", "Neuropil", "Denoised", "Deconvolved", "Baseline")
    traces = nwb.read(path, {})
    np.testing.assert_array_equal(traces.values, raw_traces(seed=0))
    np.testing.assert_array_equal(traces.neuropil, raw_traces(seed=1))
    assert traces.is_dff is False
    path = _neuroconv(tmp_path, "RoiResponseSeries", "Neuropil", "DfOverF", "Denoised")
    traces = nwb.read(path, {})
    np.testing.assert_array_equal(traces.values, raw_traces(seed=2))
    assert traces.is_dff and traces.neuropil is None
    np.testing.assert_array_equal(nwb.read(path, {"key": "Denoised"}).values, raw_traces(seed=3))
    with pytest.raises(UserError, match=r"key: expected one RoiResponseSeries, found none among \['ophys/Fluoresc"):
        nwb.read(_neuroconv(tmp_path, "Denoised", "Deconvolved"), {})


def test_series_of_an_extension_are_read_by_its_cached_specification(tmp_path):
    from hdmf.build import BuildManager
    from pynwb import NWBHDF5IO, get_type_map
    from pynwb.core import DynamicTableRegion
    from pynwb.spec import NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

    builder = NWBNamespaceBuilder("Like ndx-microscopy", "ndx-like", version="0.1.0", author="a", contact="c")
    builder.include_namespace("core")
    masks = NWBDatasetSpec("masks", name="image_mask", neurodata_type_inc="VectorData", shape=[None] * 3, quantity="?")
    builder.add_spec(
        "x.yaml",
        NWBGroupSpec(
            "ROIs",
            neurodata_type_def="PlanarSegmentation",
            neurodata_type_inc="DynamicTable",
            datasets=[masks],
        ),
    )
    rois = NWBDatasetSpec("the ROIs", name="rois", neurodata_type_inc="DynamicTableRegion")
    data = NWBDatasetSpec("signals", name="data", dtype="numeric", shape=[None, None])
    builder.add_spec(
        "x.yaml",
        NWBGroupSpec(
            "traces",
            neurodata_type_def="MicroscopyResponseSeries",
            neurodata_type_inc="TimeSeries",
            datasets=[data, rois],
        ),
    )
    builder.export("ndx-like.namespace.yaml", outdir=str(tmp_path))
    types = get_type_map()  # a copy: the reader below knows nothing of the extension
    types.load_namespaces(str(tmp_path / "ndx-like.namespace.yaml"))
    table_class = types.get_dt_container_cls("PlanarSegmentation", "ndx-like")
    series_class = types.get_dt_container_cls("MicroscopyResponseSeries", "ndx-like")
    masks = np.zeros((3, 40, 30))
    for number in range(3):
        masks[number, 10 * number : 10 * number + 3, 5 * number : 5 * number + 2] = 1
    writer = NwbWriter()
    table = table_class(name="cells", description="c", id=[10, 11, 12])
    table.add_column(name="image_mask", description="m", data=masks)
    writer.module.add(table)
    region = DynamicTableRegion(name="rois", description="two", data=[2, 0], table=table)
    traces = raw_traces(100, 2)
    writer.module.add(series_class(name="raw", data=traces, unit="a.u.", conversion=2.0, rate=20.0, rois=region))
    with NWBHDF5IO(str(tmp_path / "a.nwb"), "w", manager=BuildManager(types)) as io:
        io.write(writer.file)
    found = nwb.read(tmp_path / "a.nwb", {"sample_offsets": "from_positions"})
    np.testing.assert_array_equal(found.values, 2 * traces)
    assert found.neurons.tolist() == [12, 10] and found.sampling_rate_hz == 20 and found.is_dff is False
    # Masks are [ROI, y, x] there.
    np.testing.assert_allclose(found.position, [[10.5, 21], [0.5, 1]])
    np.testing.assert_allclose(found.frame_fraction, [21 / 40, 1 / 40])


def test_files_of_nwb_2_0_2(tmp_path):
    data, writer = raw_traces(), NwbWriter()
    writer.series(data, writer.table(dots(5), Accepted=[1, 1, 0, 1, 1]), conversion=2.0, starting_time=1.5)
    path = writer.write(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        del file["specifications"], file.attrs[".specloc"]
        file.attrs["nwb_version"] = "2.0.2"
        del file["processing/ophys/Fluorescence/traces/data"].attrs["offset"]
    traces = nwb.read(path, {})
    np.testing.assert_array_equal(traces.values, 2 * data[:, [0, 1, 3, 4]])
    assert traces.start_s == 1.5


def test_the_recording_says_which_series_it_is_made_of(tmp_path):
    writer = NwbWriter()
    writer.series(raw_traces(), writer.table(dots(5)))
    writer.write(tmp_path / "a.nwb")
    recording = read_user_file({"file": "a.nwb"}, tmp_path)
    assert recording.attrs["nwb_series"] == "ophys/Fluorescence/traces"
    assert recording.attrs["nwb_neuropil"] == "none" and recording.attrs["nwb_mask_axes"] == "x y"
