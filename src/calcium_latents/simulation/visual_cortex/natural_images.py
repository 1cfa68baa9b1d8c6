"""Images with the statistics of natural scenes: dead leaves, and crops of freely licensed photographs."""

from functools import lru_cache
from math import cos, pi, sin

import numpy as np

from calcium_latents.compiling import njit
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import DeadLeaves

SOURCES = ("dead leaves", "photographs", "mixed")
#: Files inside scikit-image (all CC0 or public domain, as its docstrings say) and scikit-learn (CC BY 2.0).
SKIMAGE_FILES = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "grass.png"),
    *("gravel.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg"),
)
SKLEARN_FILES = ("china.jpg", "flower.jpg")
SCALES = (1, 2, 3, 4, 6, 8)  # pixels of a photograph that one pixel of a crop averages, along each axis
TEST_COLUMNS = 0.25  # share of each photograph, at its right, that only test images come from


def natural_images(
    count: int,
    shape: tuple[int, int],
    random: np.random.Generator,
    image_source: str = "dead leaves",
    parameters: DeadLeaves | None = None,
    part: str = "all",
) -> np.ndarray:
    """Return [count, y, x] images of `image_source`: one of `SOURCES`; "mixed": half of each, in random order.

    Args:
        count: number of images.
        shape: (height, width), px.
        random: generator.
        image_source: one of `SOURCES`.
        parameters: of the dead leaves.
        part: "all", "training" or "test": the columns of each photograph that crops come from (see `photographs`).
    """
    if image_source not in SOURCES:
        raise DeadLeaves.wrong("image_source", f"one of {', '.join(SOURCES)}", image_source)
    crops = {"dead leaves": 0, "photographs": count, "mixed": count // 2}[image_source]
    images = np.concatenate(
        [dead_leaves(count - crops, shape, random, parameters), photographs(crops, shape, random, part)]
    )
    return images[random.permutation(count)] if image_source == "mixed" else images


def dead_leaves(
    count: int, shape: tuple[int, int], random: np.random.Generator, parameters: DeadLeaves | None = None
) -> np.ndarray:
    """Return [count, y, x] pictures of opaque elliptical leaves, float32, of zero mean each.

    Leaves fall one behind the other until every pixel is covered, so that a picture is a window into an endless one.
    The standard deviation of each image is its contrast, log-normal with median 1.
    """
    chosen = DeadLeaves() if parameters is None else parameters
    images = np.zeros((count, *shape), np.float32)
    if count == 0:
        return images
    largest = 0.64 * min(shape) if chosen.largest_px is None else chosen.largest_px
    _paint(
        images,
        random,
        chosen.smallest_px,
        max(largest, 1.01 * chosen.smallest_px),
        chosen.aspect,
        chosen.grating_share,
        np.log(chosen.grating_cpp),
        chosen.grating_contrast,
    )
    if chosen.blur > 0:
        images += chosen.blur * (_binomial(images) - images)
    contrast = np.exp(chosen.contrast_spread * random.normal(size=count))
    return _scaled(images, np.clip(contrast, *chosen.contrast_range))


@njit
def _paint(images, random, smallest, largest, aspect, grating_share, log_cpp, grating_contrast):
    """Fill [image, y, x] with leaves, from the front to the back; a pixel keeps the first leaf that covers it."""
    count, height, width = images.shape
    low, high = smallest**-2, largest**-2
    free = np.empty((height, width), np.bool_)
    for image in range(count):
        leaves = 0
        # An image within one leaf has no contrast that could be scaled.
        while leaves < 3:
            leaves, left = 0, height * width
            free[:] = True
            while left > 0:
                radius = (low + random.random() * (high - low)) ** -0.5
                y0 = -largest + random.random() * (height - 1 + 2 * largest)
                x0 = -largest + random.random() * (width - 1 + 2 * largest)
                if y0 < -radius or x0 < -radius or y0 > height - 1 + radius or x0 > width - 1 + radius:
                    continue
                angle, ratio = pi * random.random(), aspect + (1 - aspect) * random.random()
                luminance, amplitude = random.normal(), 0.0
                if random.random() < grating_share:
                    amplitude = grating_contrast * random.exponential()
                turn = 2 * pi * np.exp(log_cpp[0] + random.random() * (log_cpp[1] - log_cpp[0]))
                wave, phase = pi * random.random(), 2 * pi * random.random()
                wave_y, wave_x = turn * sin(wave), turn * cos(wave)
                long_y, long_x = sin(angle) / radius, cos(angle) / radius
                covered = 0
                for y in range(max(0, int(np.ceil(y0 - radius))), min(height, int(y0 + radius) + 1)):
                    for x in range(max(0, int(np.ceil(x0 - radius))), min(width, int(x0 + radius) + 1)):
                        along = long_x * (x - x0) + long_y * (y - y0)
                        across = (long_x * (y - y0) - long_y * (x - x0)) / ratio
                        if free[y, x] and along * along + across * across <= 1:
                            value = luminance
                            if amplitude > 0:
                                value += amplitude * cos(wave_x * (x - x0) + wave_y * (y - y0) + phase)
                            images[image, y, x] = value
                            free[y, x] = False
                            covered += 1
                left -= covered
                leaves += covered > 0


def _binomial(images: np.ndarray) -> np.ndarray:
    """Blur [image, y, x] with weights 1/4, 1/2, 1/4 along both axes; edges continue."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (1, 1)
        padded = np.pad(images, padding, mode="edge")
        size = images.shape[axis]
        parts = [np.take(padded, np.arange(start, start + size), axis=axis) for start in range(3)]
        images = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return images


def photographs(count: int, shape: tuple[int, int], random: np.random.Generator, part: str = "all") -> np.ndarray:
    """Return [count, y, x] random crops of photographs, float32, of zero mean each.

    A crop comes from one of 13 photographs at one of several scales (pixels are means of 1 x 1 to 8 x 8 pixels of the
    photograph) and is turned over at random. Its standard deviation is the square root of its contrast relative to
    a typical crop's, clipped to 0.25-2.5. There are few photographs, so crops overlap; `part` "training" takes
    the left 3/4 of each and "test" the rest, so that no pixel is in both.

    From scikit-image, as its documentation says: astronaut (NASA, public domain), brick and gravel (CC0 Textures,
    CC0), camera (Lav Varshney, CC0), cell (CC0), chelsea (Stefan van der Walt, CC0), coffee (Rachel Michetti, CC0),
    grass (linolafett on DeviantArt, CC0), hubble_deep_field (NASA, public domain), retina (Haeggstroem 2014, CC0),
    rocket (SpaceX, public domain). From scikit-learn: china (danielbuechele on Flickr, CC BY 2.0), flower (vultilion
    on Flickr, CC BY 2.0).
    """
    if part not in ("all", "training", "test"):
        raise DeadLeaves.wrong("part", "all, training or test", part)
    if count == 0:
        return np.zeros((0, *shape), np.float32)
    pictures = [view for view in _views(part) if view.shape[0] >= shape[0] and view.shape[1] >= shape[1]]
    if not pictures:
        raise DeadLeaves.wrong("shape", "images that fit into the photographs", shape)
    images = np.empty((count, *shape), np.float32)
    spread = np.empty(count)
    for index in range(count):
        while True:
            picture = pictures[random.integers(len(pictures))]
            y = random.integers(picture.shape[0] - shape[0] + 1)
            x = random.integers(picture.shape[1] - shape[1] + 1)
            crop = picture[y : y + shape[0], x : x + shape[1]]
            flips = random.integers(0, 2, 2)
            spread[index] = crop.std()
            if spread[index] > 2 / 255:  # less is sky with the noise of compression
                break
        images[index] = crop[:: 1 - 2 * flips[0], :: 1 - 2 * flips[1]]
    # Crops of sky and of bricks differ more than clipping could take; the root keeps their order.
    contrast = np.sqrt(spread / _typical_spread(tuple(shape)))
    return _scaled(images, np.clip(contrast, *DeadLeaves().contrast_range))


@lru_cache(maxsize=1)
def _pictures() -> tuple[np.ndarray, ...]:
    """Return the luminance [y, x], 0 to 1, of all photographs."""
    from importlib.resources import as_file, files

    from skimage.color import rgb2gray
    from skimage.io import imread

    pictures = []
    places = [("skimage.data", name) for name in SKIMAGE_FILES]
    for package, name in [*places, *(("sklearn.datasets.images", name) for name in SKLEARN_FILES)]:
        with as_file(files(package) / name) as path:
            picture = imread(path)
        pictures.append(rgb2gray(picture[..., :3]) if picture.ndim == 3 else picture / 255.0)
    return tuple(pictures)


@lru_cache(maxsize=3)
def _views(part: str) -> tuple[np.ndarray, ...]:
    """Return the photographs [y, x], 0 to 1, at all `SCALES`, cut to the columns of `part`."""
    views = []
    for grey in _pictures():
        border = round(grey.shape[1] * (1 - TEST_COLUMNS))
        grey = {"all": grey, "training": grey[:, :border], "test": grey[:, border:]}[part]
        for scale in SCALES:
            height, width = (size // scale * scale for size in grey.shape)
            blocks = grey[:height, :width].reshape(height // scale, scale, width // scale, scale)
            views.append(blocks.mean(axis=(1, 3)).astype(np.float32))
    return tuple(views)


@lru_cache(maxsize=8)
def _typical_spread(shape: tuple[int, int]) -> float:
    """Return the median standard deviation of crops of this shape, side by side in all photographs at all scales."""
    height, width = shape
    medians = []
    for view in _views("all"):
        rows, columns = view.shape[0] // height, view.shape[1] // width
        if rows and columns:
            tiles = view[: rows * height, : columns * width].reshape(rows, height, columns, width)
            medians.append(np.median(tiles.std(axis=(1, 3))))
    return float(np.median(medians))


def _scaled(images: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return [image, y, x] of zero mean and the given standard deviation each."""
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    return (centred * (contrast[:, None, None] / np.maximum(spread, 1e-6))).astype(np.float32)


def amplitude_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (frequency in cycles per pixel, mean amplitude) of [image, y, x], averaged over orientations.

    Images are multiplied by a Hann window, so that their borders do not count as edges.
    """
    height, width = images.shape[1:]
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    amplitude = np.abs(np.fft.fft2(images * window)).mean(axis=0)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    step = 1 / min(height, width)
    ring = np.rint(radius / step).astype(int)
    # A Hann window spreads the mean over two rings; beyond 0.5 only corners are left.
    rings = np.arange(2, int(0.5 / step) + 1)
    frequency = np.array([radius[ring == number].mean() for number in rings])
    return frequency, np.array([amplitude[ring == number].mean() for number in rings])


def amplitude_slope(images: np.ndarray) -> float:
    """Return the slope of log amplitude of `images` [image, y, x] against log frequency; natural scenes: about -1.

    The window leaks from low to high frequencies: in images of 26 x 26 px the slopes of noise of known slopes -1, -1.2
    and -1.4 come out as -1.05, -1.27 and -1.50.
    """
    frequency, amplitude = amplitude_spectrum(images)
    return float(np.polyfit(np.log(frequency), np.log(amplitude), 1)[0])
