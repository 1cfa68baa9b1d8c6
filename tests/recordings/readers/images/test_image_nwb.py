"""NWB files: whichever way they say which image came when, and whatever activity they hold, responses are the same."""

import datetime

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers.images.image_nwb import count_spikes, mean_activity
from calcium_latents.recordings.readers.images.image_responses import read_image_entry
from calcium_latents.seeds import generator

pynwb = pytest.importorskip("pynwb")

IMAGES, HEIGHT, WIDTH, NEURONS, RATE = 6, 4, 5, 3, 10.0
SHOWN = np.array([0, 5, 1, 2, -1, 5, 3, 4, 5])  # image 5 three times, a blank screen
ONSETS = 1 + 0.8 * np.arange(len(SHOWN))
FRAMES = 100


def pictures():
    return generator(1, "tests", "nwb images").integers(0, 255, (IMAGES, HEIGHT, WIDTH)).astype(np.uint8)


def spikes():
    """Neuron n fires 1 + image + n spikes in the window, and others on either side of it."""
    trains = []
    for neuron in range(NEURONS):
        times = []
        for onset, image in zip(ONSETS, SHOWN, strict=True):
            count = 1 + image + neuron
            times += [onset + 0.04, *(onset + 0.05 + 0.29 * np.arange(count) / max(count, 1)), onset + 0.36]
        trains.append(np.array(times))
    return trains


def expected_counts():
    shown = SHOWN[SHOWN >= 0]
    return shown, 1.0 + shown[:, None] + np.arange(NEURONS)


def traces():
    """dF/F [frame, neuron], and frame times at 0.02, 0.12, ... s."""
    return generator(2, "tests", "nwb traces").gamma(1, 1, (FRAMES, NEURONS)), 0.02 + np.arange(FRAMES) / RATE


def write(path, stimulus="index", activity="units", images=None, shown=SHOWN):
    """Write a tiny NWB file; `stimulus`: how it says what was shown, `activity`: what neurons did."""
    start = datetime.datetime(2021, 5, 4, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="test", identifier="id", session_start_time=start)
    images = pictures() if images is None else images
    _add_stimulus(file, stimulus, images, np.asarray(shown))
    if activity in ("units", "both"):
        for times in spikes():
            file.add_unit(spike_times=times)
    if activity in ("traces", "both"):
        _add_traces(file)
    if activity == "curated traces":
        _add_traces(file, accepted=[1, 0, 1], conversion=3.0)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    if stimulus == "index of series":  # as files of earlier years have it; pynwb reads but no longer writes it
        with h5py.File(path, "r+") as opened:
            order = opened["stimulus/presentation/order"]
            del order["indexed_images"]
            order["indexed_timeseries"] = h5py.SoftLink("/stimulus/templates/scenes")
    return path


def _add_stimulus(file, stimulus, images, shown):
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage, ImageSeries, IndexSeries, OpticalSeries, RGBImage

    if stimulus in ("index", "index of series", "table names", "colour"):
        kind = RGBImage if stimulus == "colour" else GrayscaleImage
        container = Images(
            name="pictures", images=[kind(name=f"scene {9 - i}", data=image) for i, image in enumerate(images)]
        )
        if stimulus != "table names":
            from pynwb.base import ImageReferences

            container.order_of_images = ImageReferences(name="order_of_images", data=[*container.images.values()])
        file.add_stimulus_template(container)
    if stimulus in ("table", "index of series"):
        series = {"name": "scenes", "data": images, "unit": "n.a.", "format": "raw", "rate": 1.0}
        file.add_stimulus_template(ImageSeries(**series))
    if stimulus in ("index", "colour", "index of series"):
        kept = shown >= 0
        index = {"name": "order", "data": shown[kept].astype(np.uint32), "unit": "N/A", "timestamps": ONSETS[kept]}
        file.add_stimulus(IndexSeries(**index, indexed_images=container))
    elif stimulus.startswith("table"):
        table = pynwb.epoch.TimeIntervals(name="presentations", description="p")
        table.add_column("frame" if stimulus == "table" else "image_name", "image")
        for onset, image in zip(ONSETS, shown, strict=True):
            if stimulus == "table":
                value = {"frame": int(image)}
            else:
                value = {"image_name": "grey" if image < 0 else f"scene {9 - image}"}
            table.add_row(start_time=onset, stop_time=onset + 0.5, **value)
        file.add_time_intervals(table)
    elif stimulus == "frames":
        options = {"distance": 0.15, "field_of_view": [0.55, 0.31, 0.1], "orientation": "upright"}
        kept = shown >= 0
        data = images[shown[kept]]
        file.add_stimulus(
            OpticalSeries(name="shown", data=data, unit="n.a.", format="raw", timestamps=ONSETS[kept], **options)
        )


def _add_traces(file, accepted=None, conversion=1.0):
    from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel, RoiResponseSeries

    device = file.create_device("microscope")
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="c", description="c", emission_lambda=500.0),
        description="p",
        device=device,
        excitation_lambda=900.0,
        indicator="GCaMP6s",
        location="V1",
    )
    module = file.create_processing_module("ophys", "test")
    segmentation, container = ImageSegmentation(), DfOverF()
    module.add(segmentation)
    module.add(container)
    table = segmentation.create_plane_segmentation(name="rois", description="r", imaging_plane=plane)
    for _ in range(NEURONS):
        table.add_roi(image_mask=np.ones((3, 3)))
    if accepted is not None:
        table.add_column(name="accepted", description="a", data=accepted)
    rois = table.create_roi_table_region("all", region=list(range(NEURONS)))
    values, times = traces()
    options = {"rois": rois, "timestamps": times, "conversion": conversion}
    container.add_roi_response_series(RoiResponseSeries(name="traces", data=values, unit="n.a.", **options))


def read(path, **fields):
    return read_image_entry({"file": path.name, "validation_share": 0.2, **fields}, path.parent, "mine", 1)


def check_images(found, numbers=range(IMAGES)):
    luminance = found["images"].values * found.attrs["luminance_sd"] + found.attrs["luminance_mean"]
    np.testing.assert_allclose(luminance, pictures()[list(numbers)], atol=1e-3)


@pytest.mark.parametrize("stimulus", ["index", "index of series", "table", "table names"])
def test_spike_counts_whichever_way_images_are_told(stimulus, tmp_path):
    fields = {"blanks": ["grey"], "image_column": "image_name"} if stimulus == "table names" else {}
    path = write(tmp_path / "a.nwb", stimulus)
    if stimulus == "table names":  # HDF5 keeps the images by name: the last one comes first
        found = read(path, **fields)
        order = [5, 4, 3, 2, 1, 0]
    else:
        found, order = read(path), list(range(IMAGES))
    check_images(found, order)
    assert np.flatnonzero(found["part"].values == 2).tolist() == [order.index(5)]
    shown, counts = expected_counts()
    for image, row in zip(found["image_of_trial"].values, found["response"].values, strict=True):
        np.testing.assert_array_equal(row, counts[shown == order[image]][0])
    assert found.sizes["trial"] == 5 + 3
    assert found.attrs["response_kind"] == "spike count" and found.attrs["source_format"] == "nwb"


def test_frames_as_they_were_shown(tmp_path):
    found = read(write(tmp_path / "a.nwb", "frames"))
    check_images(found, [0, 5, 1, 2, 3, 4])  # in the order in which they came
    assert np.flatnonzero(found["part"].values == 2).tolist() == [1]
    assert found["response"].values[found["image_of_trial"].values == 1].tolist() == [[6, 7, 8]] * 3


def test_colours_are_averaged_and_axes_may_be_turned(tmp_path):
    colours = pictures()[..., None].astype(int) // 2 + np.array([0, 30, 60])
    path = write(tmp_path / "a.nwb", "colour", images=colours.astype(np.uint8))
    found = read(path)
    luminance = found["images"].values * found.attrs["luminance_sd"] + found.attrs["luminance_mean"]
    np.testing.assert_allclose(luminance, pictures() // 2 + 30, atol=1e-3)
    turned = read(path, image_axes="x y", image_shape=[5, 4])
    np.testing.assert_allclose(turned["images"], found["images"].values.transpose(0, 2, 1), atol=1e-6)


def test_mean_activity_in_the_window(tmp_path):
    path = write(tmp_path / "a.nwb", activity="traces")
    values, times = traces()
    found = read(path)
    raw = read(path, baseline_window_s=[-0.3, 0.0], negatives_to_zero=False)
    longer = read(path, response_window_s=[0, 0.5])
    for trial, image in enumerate(found["image_of_trial"].values[:5]):
        onset = ONSETS[image == SHOWN][0]
        window = values[(times >= onset + 0.05) & (times < onset + 0.35)].mean(0)
        before = values[(times >= onset - 0.3) & (times < onset)].mean(0)
        np.testing.assert_allclose(found["response"].values[trial], window, rtol=1e-6)
        np.testing.assert_allclose(raw["response"].values[trial], window - before, rtol=1e-5, atol=1e-6)
        window = values[(times >= onset) & (times < onset + 0.5)].mean(0)
        np.testing.assert_allclose(longer["response"].values[trial], window, rtol=1e-6)
    assert found.attrs["response_kind"] == "mean activity"


def test_accepted_rois_in_units(tmp_path):
    plain = read(write(tmp_path / "a.nwb", activity="traces"))
    found = read(write(tmp_path / "b.nwb", activity="curated traces"))
    assert found["neuron"].values.tolist() == [0, 2]
    np.testing.assert_allclose(found["response"].values, 3 * plain["response"].values[:, [0, 2]], rtol=1e-6)


def test_activity_is_chosen_by_its_name(tmp_path):
    path = write(tmp_path / "a.nwb", activity="both")
    with pytest.raises(UserError, match="key: expected one kind of activity"):
        read(path)
    assert read(path, key="units").attrs["response_kind"] == "spike count"
    assert read(path, key="DfOverF/traces").attrs["response_kind"] == "mean activity"
    with pytest.raises(UserError, match="key: expected units with spike times, found none"):
        read(write(tmp_path / "b.nwb", activity="traces"), key="units")
    with pytest.raises(UserError, match="key: expected one RoiResponseSeries, found none"):
        read(write(tmp_path / "c.nwb", activity="none"))


BAD = {
    "window": ({}, {"response_window_s": [0.3, 0.1]}, r"response_window_s: expected \[from, to\] in s"),
    "no frames": ({"activity": "traces"}, {"response_window_s": [0.05, 0.06]}, "response_window_s: expected frames"),
    "presentations": ({}, {"presentations": "x"}, r"presentations: expected one of: .*, found 0 that match"),
    "column": ({"stimulus": "table"}, {"image_column": "picture"}, "presentations: expected one of"),
    "images": ({"stimulus": "table"}, {"images": "x"}, "images: expected one of: an Images container"),
    "number": ({"stimulus": "table", "shown": SHOWN + 1}, {}, "expected images 0 to 5, found number 6"),
    "blank": ({"stimulus": "table names"}, {}, "image_column: expected names of images, .* found 'grey'.*`blanks`"),
    "no images": ({"stimulus": "none"}, {}, "presentations: expected one of"),
    "axes": ({}, {"image_axes": "z"}, "image_axes: expected one of"),
    "field": ({}, {"training_images": "a.npy"}, "training_images: expected fields among"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named(name, tmp_path):
    options, fields, message = BAD[name]
    with pytest.raises(UserError, match=message):
        read(write(tmp_path / "a.nwb", **options), **fields)


def test_images_of_several_sizes_and_files_of_another_kind(tmp_path):
    images = [*pictures()[:5], pictures()[5][:, :3]]
    with pytest.raises(UserError, match=r"images: expected images of one size, found \[\(4, 3\), \(4, 5\)\]"):
        read(write(tmp_path / "a.nwb", images=images))
    (tmp_path / "b.nwb").write_text("x")
    with pytest.raises(UserError, match="b.nwb: file: expected a readable NWB file"):
        read(tmp_path / "b.nwb")
    with pytest.raises(UserError, match="c.nwb: file: expected an existing file"):
        read(tmp_path / "c.nwb")


@given(st.lists(st.floats(0, 10), max_size=20), st.lists(st.floats(0, 10), min_size=1, max_size=5), st.floats(-1, 1))
def test_counts_are_those_of_counting(times, onsets, start):
    window = start, start + 0.5
    onsets = np.array(onsets)
    found = count_spikes([np.array(times)], onsets, window)[:, 0]
    edges = onsets[:, None] + np.array(window)
    assert found.tolist() == [sum(low <= time < high for time in times) for low, high in edges]


def test_means_leave_out_what_was_not_sampled():
    times = np.arange(6) * 0.1
    values = np.array([[1, 2], [3, np.nan], [5, 4], [np.nan, np.nan], [7, 7], [8, 8.0]])
    found = mean_activity(times, values, np.array([0.0, 0.25, 2.0]), (0.05, 0.25))
    np.testing.assert_allclose(found, [[4, 4], [7, 7], [np.nan, np.nan]])
