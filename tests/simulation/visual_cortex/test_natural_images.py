"""Pictures of dead leaves have the spectrum of natural scenes; crops of photographs are of the part asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex import natural_images as ni

SMALL = (26, 26)


def random(*address):
    return generator(0, "tests", "natural_images", *address)


@pytest.fixture(scope="module")
def leaves() -> np.ndarray:
    return ni.dead_leaves(2000, SMALL, random("leaves"))


@pytest.mark.parametrize("exponent", [0.0, -1.0, -2.0])
def test_the_slope_of_noise_with_a_known_spectrum_is_found(exponent):
    """Noise of amplitude f^exponent, cut out of larger pictures so that it is not periodic."""
    size = 128
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(random("noise").normal(size=(100, size, size)))
    pictures = np.fft.irfft2(noise * frequency**exponent if exponent else noise, s=(size, size))[:, :32, :32]
    # The window leaks from low to high frequencies, so that steep spectra look a little different.
    assert ni.amplitude_slope(pictures) == pytest.approx(exponent, abs=0.05 - 0.1 * exponent)


@pytest.mark.parametrize("shape", [SMALL, (36, 64)])
def test_amplitude_falls_as_in_natural_scenes(shape):
    slope = ni.amplitude_slope(ni.dead_leaves(400, shape, random("slope")))
    assert -1.4 < slope < -1.0


def test_contrast_is_log_normal_and_clipped(leaves):
    assert leaves.shape == (2000, *SMALL) and leaves.dtype == np.float32
    assert np.abs(leaves.mean(axis=(1, 2))).max() < 1e-5
    contrast = leaves.std(axis=(1, 2))
    assert contrast.min() >= 0.2499 and contrast.max() <= 2.501
    assert np.median(contrast) == pytest.approx(1, abs=0.04)
    middle = np.log(contrast[(contrast > 0.26) & (contrast < 2.49)])
    assert middle.std() == pytest.approx(0.47, abs=0.04)  # 0.5 less what is clipped


def test_leaves_are_opaque_and_cover_everything():
    """Without gratings and blur a picture has few values, each of one leaf; neighbours are mostly equal."""
    plain = ni.DeadLeaves(grating_share=0, blur=0, smallest_px=2.0)
    pictures = ni.dead_leaves(50, SMALL, random("opaque"), plain)
    for picture in pictures:
        assert 3 <= np.unique(np.round(picture, 5)).size < 150
    assert (np.diff(pictures, axis=2) == 0).mean() > 0.5
    raw = np.full((4, *SMALL), np.nan, np.float32)
    ni._paint(raw, random("raw"), 1.0, 10.0, 0.35, 0.5, np.log([0.1, 0.3]), 0.5)
    assert np.isfinite(raw).all()


def test_pictures_look_alike_everywhere():
    """Borders and centre have one variance: the picture is a window, not a table with leaves thrown on it."""
    plain = ni.DeadLeaves(contrast_spread=0, blur=0)
    pictures = ni.dead_leaves(4000, SMALL, random("window"), plain)
    variance = pictures.var(axis=0)
    border = np.concatenate([variance[0], variance[-1], variance[:, 0], variance[:, -1]]).mean()
    assert border == pytest.approx(variance[8:18, 8:18].mean(), rel=0.12)
    turned = np.moveaxis(pictures, 1, 2)
    assert ni.amplitude_slope(turned) == pytest.approx(ni.amplitude_slope(pictures), abs=1e-5)


def test_gratings_bring_texture():
    """They add amplitude at their frequencies, relative to pictures of plain leaves."""
    texture, plain = (
        ni.dead_leaves(500, SMALL, random("texture"), ni.DeadLeaves(grating_share=share)) for share in (1.0, 0.0)
    )
    assert ni.amplitude_slope(texture) > ni.amplitude_slope(plain) + 0.05


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
def test_any_shape_gives_finite_pictures(height, width, count):
    pictures = ni.dead_leaves(count, (height + 3, width + 3), random("shapes"))
    assert pictures.shape == (count, height + 3, width + 3)
    assert np.isfinite(pictures).all()


def test_the_same_stream_gives_the_same_pictures():
    first, again = (ni.dead_leaves(20, SMALL, random("again")) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, ni.dead_leaves(20, SMALL, random("other")))


@pytest.mark.parametrize(
    "given",
    [
        {"smallest_px": 0.1},
        {"largest_px": 1.0},
        {"aspect": 0},
        {"grating_share": 1.2},
        {"blur": -0.1},
        {"contrast_spread": -1},
        {"grating_cpp": (0.3, 0.1)},
        {"leaf": 1},
    ],
)
def test_wrong_parameters_are_named(given):
    with pytest.raises(UserError, match=next(iter(given))):
        ni.DeadLeaves.from_mapping(given)


def test_photographs_are_crops_of_their_part():
    """Test crops share no pixel with training crops; contrast is clipped; slopes are those of natural scenes."""
    for part in ("training", "test"):
        for view in ni._views(part):
            assert view.min() >= 0 and view.max() <= 1
    for whole, training, test in zip(ni._views("all"), ni._views("training"), ni._views("test"), strict=True):
        assert training.shape[1] + test.shape[1] <= whole.shape[1]
        assert np.array_equal(training, whole[:, : training.shape[1]])
    assert len(ni._views("all")) == len(ni.SCALES) * 13
    crops = ni.photographs(600, SMALL, random("crops"))
    assert np.abs(crops.mean(axis=(1, 2))).max() < 1e-5
    contrast = crops.std(axis=(1, 2))
    assert contrast.min() > 0.2499 and contrast.max() < 2.501
    assert -1.6 < ni.amplitude_slope(crops) < -1.0
    assert np.array_equal(crops, ni.photographs(600, SMALL, random("crops")))
    with pytest.raises(UserError, match="part"):
        ni.photographs(1, SMALL, random("crops"), "validation")
    with pytest.raises(UserError, match="shape"):
        ni.photographs(1, (3000, 3000), random("crops"))


def test_sources_can_be_mixed():
    mixed = ni.natural_images(11, SMALL, random("mixed"), "mixed")
    assert mixed.shape == (11, *SMALL) and np.unique(mixed.std(axis=(1, 2))).size == 11
    only = ni.natural_images(5, SMALL, random("only"), "dead leaves")
    assert np.array_equal(only, ni.dead_leaves(5, SMALL, random("only")))
    with pytest.raises(UserError, match="image_source"):
        ni.natural_images(5, SMALL, random("only"), "paintings")
