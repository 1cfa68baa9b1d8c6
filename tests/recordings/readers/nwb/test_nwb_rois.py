"""Which ROIs of an NWB file are neurons, their numbers, and where they lie."""

import h5py
import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("pynwb")
from nwb_files import RATE, NwbWriter, dots, raw_traces

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import caiman, nwb, suite2p

COLUMNS = {
    "suite2p, with the probability": ({"iscell": [[1, 0.9], [0, 0.4], [1, 0.6], [0, 0.1], [1, 1.0]]}, [0, 2, 4]),
    "suite2p, without": ({"iscell": [1, 0, 1, 0, 1]}, [0, 2, 4]),
    "roiextractors, float": ({"iscell": [1.0, 0.0, 1.0, 0.0, 1.0]}, [0, 2, 4]),
    "roiextractors, truth": ({"is_accepted": [False, True, True, False, False]}, [1, 2]),
    "capital": ({"Accepted": [1, 0, 1, 0, 1]}, [0, 2, 4]),
    "rejected": ({"rejected": [True, False, False, False, True]}, [1, 2, 3]),
    "both must agree": (
        {"iscell": [1, 1, 1, 0, 0], "is_accepted": [True, False, True, True, False]},
        [0, 2],
    ),
    "CaImAn: lists correct the automatic choice": (
        {
            "keep": [True, True, False, False, True],
            "accepted": [False, False, True, False, False],
            "rejected": [True, False, False, False, False],
        },
        [1, 2, 4],
    ),
    "nothing said": ({"snr": [1.0, 2.0, 3.0, 4.0, 5.0]}, [0, 1, 2, 3, 4]),
}


def _write(path, masks=None, rows=None, ids=None, **columns):
    writer = NwbWriter()
    table = writer.table(dots(5) if masks is None else masks, ids=ids, **columns)
    count = 5 if rows is None else len(rows)
    writer.series(raw_traces(count=count), table, rows=rows)
    return writer.write(path)


@pytest.mark.parametrize("name", COLUMNS)
def test_accepted_rois(name, tmp_path):
    columns, expected = COLUMNS[name]
    path = _write(tmp_path / "a.nwb", **columns)
    traces = nwb.read(path, {})
    assert traces.neurons.tolist() == expected
    np.testing.assert_array_equal(traces.values, raw_traces()[:, expected])
    np.testing.assert_array_equal(traces.position, [[3 * i, 5 * i + 1] for i in expected])
    everything = nwb.read(path, {"neurons": "all"})
    np.testing.assert_array_equal(everything.values, raw_traces())


def test_a_list_may_name_rejected_rois(tmp_path):
    _write(tmp_path / "a.nwb", ids=[40, 10, 30, 20, 50], iscell=[1, 0, 1, 0, 1])
    recording = read_user_file({"file": "a.nwb", "neurons": [10, 30]}, tmp_path)
    assert recording.neuron.values.tolist() == [10, 30]
    np.testing.assert_array_equal(recording.position, [[3, 6], [6, 11]])
    assert read_user_file({"file": "a.nwb", "neurons": "usable"}, tmp_path).neuron.values.tolist() == [40, 30, 50]
    for wanted in ([10, 11], [11]):
        with pytest.raises(UserError, match="neurons: expected numbers of neurons in the file, found 11, not there"):
            read_user_file({"file": "a.nwb", "neurons": wanted}, tmp_path)


def test_none_accepted_is_refused(tmp_path):
    path = _write(tmp_path / "a.nwb", iscell=[[0, 0.1]] * 5)
    message = r"a.nwb: ophys/ImageSegmentation/rois/iscell: expected at least one accepted ROI, found none of 5.*all"
    with pytest.raises(UserError, match=message):
        nwb.read(path, {})
    assert nwb.read(path, {"neurons": "all"}).values.shape == (300, 5)
    path = _write(tmp_path / "b.nwb", accepted=["yes", "no", "yes", "no", "yes"])
    with pytest.raises(UserError, match="rois/accepted: expected a number or truth a ROI, found .* of shape"):
        nwb.read(path, {})


def test_a_part_of_the_table(tmp_path):
    path = _write(tmp_path / "a.nwb", rows=[4, 1, 3], ids=[7, 8, 9, 10, 11], Accepted=[1, 1, 1, 0, 1])
    traces = nwb.read(path, {})
    assert traces.neurons.tolist() == [11, 8]
    np.testing.assert_array_equal(traces.values, raw_traces(count=3)[:, :2])
    np.testing.assert_array_equal(traces.position, [[12, 21], [3, 6]])


def test_numbers_that_come_twice_give_way_to_columns(tmp_path):
    assert nwb.read(_write(tmp_path / "a.nwb", ids=[3, 3, 4, 5, 6]), {}).neurons.tolist() == [0, 1, 2, 3, 4]


VOXELS = [[(i, 2 * i, 3 * i, 1.0), (i + 2, 2 * i, 3 * i, 3.0)] for i in range(5)]


def test_masks_of_voxels_have_a_depth(tmp_path):
    writer = NwbWriter()
    writer.series(raw_traces(), writer.table(VOXELS, "voxel_mask"))
    traces = nwb.read(writer.write(tmp_path / "a.nwb"), {})
    np.testing.assert_allclose(traces.position, [[i + 1.5, 2 * i, 3 * i] for i in range(5)])


@pytest.mark.parametrize(
    ("script", "description", "given", "axes"),
    [
        (None, "r", None, "x y"),
        ("NeuroConv provenance record\nneuroconv_version: 0.10.2", "Segmented ROIs", None, "y x"),
        (None, "suite2p output", None, "y x"),
        (None, "r", "y x", "y x"),
        ("Created using NeuroConv v0.4.7", "r", "x y", "x y"),
    ],
)
def test_who_writes_rows_first(script, description, given, axes, tmp_path):
    told = {} if script is None else {"source_script": script, "source_script_file_name": "a.py"}
    writer = NwbWriter(**told)
    writer.series(raw_traces(), writer.table(dots(5), description=description))
    path = writer.write(tmp_path / "a.nwb")
    traces = nwb.read(path, {"mask_axes": given})
    places = np.array([[3 * i, 5 * i + 1] for i in range(5)])
    np.testing.assert_array_equal(traces.position, places if axes == "x y" else places[:, ::-1])
    assert traces.attributes["nwb_mask_axes"] == axes
    with pytest.raises(UserError, match=r"a.nwb: mask_axes: expected one of \['x y', 'y x'\], found 'z'"):
        nwb.read(path, {"mask_axes": "z"})


def test_axes_of_image_masks(tmp_path):
    masks = np.zeros((5, 20, 40))
    for number in range(5):
        masks[number, 3 * number, 7 * number] = 1
    writer = NwbWriter()
    writer.series(raw_traces(), writer.table(masks, "image_mask"))
    path = writer.write(tmp_path / "a.nwb")
    entry = {"sample_offsets": "from_positions"}
    traces, turned = nwb.read(path, entry), nwb.read(path, entry | {"mask_axes": "y x"})
    np.testing.assert_array_equal(traces.position, [[3 * i, 7 * i] for i in range(5)])
    np.testing.assert_allclose(traces.frame_fraction, 7 * np.arange(5) / 40)
    np.testing.assert_array_equal(turned.position, traces.position[:, ::-1])
    np.testing.assert_allclose(turned.frame_fraction, 3 * np.arange(5) / 20)
    assert nwb.read(path, {}).frame_fraction is None


def test_the_height_of_the_field_of_view_comes_from_its_images(tmp_path):
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage
    from pynwb.ophys import TwoPhotonSeries

    _write(tmp_path / "a.nwb")
    entry = {"file": "a.nwb", "sample_offsets": "from_positions"}
    with pytest.raises(UserError, match="sample_offsets: expected positions .* in a field of view of known"):
        read_user_file(entry, tmp_path)
    offsets = (5 * np.arange(5) + 1) / 50 / RATE
    for source in ("summary", "film"):
        writer = NwbWriter()
        writer.series(raw_traces(), writer.table(dots(5)))
        if source == "summary":
            writer.module.add(Images(name="summary", images=[GrayscaleImage(name="mean", data=np.ones((30, 50)))]))
        else:
            options = {"imaging_plane": writer.plane, "unit": "n.a.", "rate": RATE}
            writer.file.add_acquisition(TwoPhotonSeries(name="film", data=np.ones((4, 30, 50)), **options))
        writer.write(tmp_path / "a.nwb")
        np.testing.assert_allclose(read_user_file(entry, tmp_path).sample_offset.values[0], offsets, rtol=1e-5)


PIXELS = [
    np.array([[10 + 9 * i, 4 + i], [10 + 9 * i, 5 + i], [11 + 9 * i, 5 + i], [11 + 9 * i, 9 + i]]) for i in range(5)
]
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0])


def _suite2p_folder(folder, planes=1):
    for plane in range(planes):
        place = folder / f"plane{plane}"
        place.mkdir(parents=True)
        np.save(place / "F.npy", raw_traces(seed=plane).T)
        np.save(place / "Fneu.npy", raw_traces(seed=9 + plane).T)
        np.save(place / "iscell.npy", np.stack([np.arange(5) != 2, np.full(5, 0.7)], axis=1))
        # suite2p's `med` is the pixel nearest to the medians, here (10.5, 5): the first of two as near.
        parts = [
            {"ypix": p[:, 0], "xpix": p[:, 1], "lam": WEIGHTS, "med": p[1].tolist(), "iplane": plane} for p in PIXELS
        ]
        np.save(place / "stat.npy", np.array(parts, object), allow_pickle=True)
        np.save(place / "ops.npy", np.array({"fs": RATE, "Ly": 64, "Lx": 48, "nplanes": planes}, object))
    return folder


def _suite2p_nwb(path, planes=1):
    """As suite2p's save_nwb: (y, x) in the masks, [y, x] images, series named by plane, one table."""
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage

    writer, masks = NwbWriter(), []
    for plane in range(planes):
        depth = [(plane,)] if planes > 1 else [()]
        masks += [[(*pixel, *depth[0], weight) for pixel, weight in zip(p, WEIGHTS, strict=True)] for p in PIXELS]
        images = [GrayscaleImage(name="meanImg", data=np.ones((64, 48)))]
        writer.module.add(Images(name=f"Backgrounds_{plane}", images=images))
    kind = "voxel_mask" if planes > 1 else "pixel_mask"
    cells = np.stack([np.tile(np.arange(5) != 2, planes), np.full(5 * planes, 0.7)], axis=1)
    table = writer.table(masks, kind, "PlaneSegmentation", "suite2p output", iscell=cells)
    for plane in range(planes):
        rows = range(5 * plane, 5 * plane + 5)
        for container, seed in (("Fluorescence", plane), ("Neuropil", 9 + plane), ("Deconvolved", 5)):
            writer.series(raw_traces(seed=seed), table, f"plane{plane}", container, rows, unit="lumens")
    return writer.write(path)


def _same(left, right):
    for name in ("values", "neuropil", "neurons"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    np.testing.assert_allclose(left.position, right.position)
    np.testing.assert_allclose(left.frame_fraction, right.frame_fraction)
    assert left.scanned_by_line == right.scanned_by_line
    assert left.sampling_rate_hz == right.sampling_rate_hz and left.is_dff is right.is_dff


def test_suite2p_gives_the_same_through_its_folder_and_nwb(tmp_path):
    folder = suite2p.read(_suite2p_folder(tmp_path / "one"), {})
    _same(nwb.read(_suite2p_nwb(tmp_path / "a.nwb"), {}), folder)
    # NeuroConv: one container, another name of every series, (row, column), images [x, y].
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage

    told = "NeuroConv provenance record\nneuroconv_version: 0.10.2"
    writer = NwbWriter(source_script=told, source_script_file_name="convert.py")
    masks = [[(*pixel, weight) for pixel, weight in zip(p, WEIGHTS, strict=True)] for p in PIXELS]
    table = writer.table(masks, description="Segmentation data from Suite2p.", iscell=np.arange(5) != 2)
    writer.series(raw_traces(seed=0), table, "RoiResponseSeries")
    writer.series(raw_traces(seed=9), table, "Neuropil")
    writer.module.add(Images(name="SegmentationImages", images=[GrayscaleImage(name="m", data=np.ones((48, 64)))]))
    _same(nwb.read(writer.write(tmp_path / "b.nwb"), {}), folder)


def test_planes_of_suite2p_follow_each_other_within_a_frame(tmp_path):
    folders = _suite2p_folder(tmp_path / "two", planes=2)
    path = _suite2p_nwb(tmp_path / "a.nwb", planes=2)
    joined = nwb.read(path, {})
    assert joined.neurons.tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    for plane in range(2):
        folder = suite2p.read(folders / f"plane{plane}", {})
        part = slice(4 * plane, 4 * plane + 4)
        np.testing.assert_array_equal(joined.values[:, part], folder.values)
        np.testing.assert_array_equal(joined.neuropil[:, part], folder.neuropil)
        np.testing.assert_allclose(joined.position[part], folder.position)
        np.testing.assert_allclose(joined.frame_fraction[part], folder.frame_fraction)
        alone = nwb.read(path, {"key": f"plane{plane}"})
        np.testing.assert_allclose(alone.frame_fraction, folder.frame_fraction)
        np.testing.assert_array_equal(alone.neuropil, folder.neuropil)


def test_caiman_gives_the_same_through_its_results_and_nwb(tmp_path):
    shape, count = (40, 30), 4
    images = np.zeros((count, *shape))
    for number in range(count):
        images[number, 9 * number : 9 * number + 3, 6 * number : 6 * number + 5] = 1 + np.arange(5)
    footprints = scipy.sparse.csc_matrix(np.array([image.ravel(order="F") for image in images]).T)
    spatial = np.linspace(1, 2, shape[0] * shape[1]).reshape(shape)
    temporal = np.linspace(300, 330, 300)[:, None]
    components, rest = raw_traces(count=count).T, raw_traces(count=count, seed=2).T - 480
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["params/data/fr"], file["dims"] = RATE, shape
        for name in ("data", "indices", "indptr", "shape"):
            file[f"estimates/A/{name}"] = getattr(footprints, name)
        file["estimates/C"], file["estimates/YrA"] = components, rest
        file["estimates/idx_components"] = np.array([0, 1, 3])
        file["estimates/b"], file["estimates/f"] = spatial.ravel(order="F")[:, None], temporal.T
    # As its save_NWB: footprints, flattened by column, are folded by row; backgrounds are rows of the table, too.
    from pynwb import TimeSeries

    folded = [*footprints.T.toarray().reshape(-1, *shape), spatial.ravel(order="F").reshape(shape)]
    keep = [True, True, False, True, False]
    writer = NwbWriter()
    no = [False] * 5
    table = writer.table(folded, "image_mask", "PlaneSegmentation", "CNMF_ROIs", accepted=no, rejected=no, keep=keep)
    times = {"timestamps": np.arange(300) / RATE}
    writer.series(components.T, table, "RoiResponseSeries", rows=range(4), unit="lumens", **times)
    writer.series(temporal, table, "Background_Fluorescence_Response", rows=[4], unit="lumens", **times)
    writer.module.add(TimeSeries(name="residuals", data=rest.T, unit="NA", **times))
    path = writer.write(tmp_path / "a.nwb")
    entry = {"sample_offsets": "from_positions"}
    found, expected = nwb.read(path, entry), caiman.read(tmp_path / "a.hdf5", entry)
    assert found.neurons.tolist() == expected.neurons.tolist() == [0, 1, 3]
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)
    np.testing.assert_allclose(found.position, expected.position)
    np.testing.assert_allclose(found.frame_fraction, expected.frame_fraction)
    np.testing.assert_allclose(found.neuropil, expected.neuropil, rtol=1e-6)
    assert found.is_dff is expected.is_dff is False
    assert found.neuropil_coefficient == expected.neuropil_coefficient == 1
    # Said to be dF/F, it is taken as it is, free of background.
    taken = nwb.read(path, {"is_dff": True})
    np.testing.assert_allclose(taken.values, (components + rest)[[0, 1, 3]].T, atol=1e-3)
    assert taken.neuropil is None
