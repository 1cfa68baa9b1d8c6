"""Gabor patterns and differences of Gaussians, many at once, as stimuli and as receptive fields.

Pixel (0, 0) is the upper left; places are (y, x) in pixels at pixel centres; orientation is the angle of the wave
vector from the x axis towards the y axis (downwards on the screen).
"""

from typing import Any

import numpy as np


def gabor(
    shape: tuple[int, int],
    y_px: Any,
    x_px: Any,
    size_px: Any,
    frequency_cpp: Any,
    contrast: Any,
    orientation_rad: Any,
    phase_rad: Any,
) -> np.ndarray:
    """Return Gabor patterns [n, y, x], float32, in units of the images (equation 1).

    0.5 contrast exp(-r^2 / (2 (size / 4)^2)) cos(2 pi frequency u + phase), where r is the distance to the centre and
    u = (x - x_px) cos(orientation) + (y - y_px) sin(orientation). The factor 0.5 makes contrast the difference between
    the brightest and the darkest point of a wide pattern, and a size is +-2 standard deviations of the envelope.

    Args:
        shape: (height, width) of the images, px.
        y_px, x_px: centre, numbers or [n] (all parameters broadcast against each other).
        size_px: 4 standard deviations of the envelope.
        frequency_cpp: cycles per pixel.
        contrast: Michelson contrast in the images' units.
        orientation_rad, phase_rad: of the carrier.
    """
    values = _columns(y_px, x_px, size_px, frequency_cpp, contrast, orientation_rad, phase_rad)
    y0, x0, size, frequency, amplitude, orientation, phase = values
    down, right = _offsets(shape, y0, x0)
    # exp(-(dx^2 + dy^2)) and cos(a + b) come apart into factors of rows and columns: no transcendental function is
    # evaluated on [n, y, x].
    width = 2 * (size / 4) ** 2
    envelope_y, envelope_x = np.exp(-(down**2) / width), np.exp(-(right**2) / width)
    turn = 2 * np.pi * frequency
    along_y = turn * np.sin(orientation) * down + phase
    along_x = turn * np.cos(orientation) * right
    column = 0.5 * amplitude * envelope_y
    even = _outer(column * np.cos(along_y), envelope_x * np.cos(along_x))
    even -= _outer(column * np.sin(along_y), envelope_x * np.sin(along_x))
    return even


def difference_of_gaussians(
    shape: tuple[int, int],
    y_px: Any,
    x_px: Any,
    centre_px: Any,
    surround_px: Any,
    surround_weight: Any,
    contrast: Any,
) -> np.ndarray:
    """Return differences of Gaussians [n, y, x], float32, in units of the images (equations 9 and 10).

    0.5 contrast ((1 + surround_weight) g(centre_px) - surround_weight g(surround_px)), g(s) = exp(-r^2 / (2 s^2)), so
    that the value at the centre is 0.5 contrast for any weight; negative contrasts are dark in the centre. As printed,
    equation 9 lets the amplitude scale the centre alone; then contrast would change the shape as well, so here it
    scales both, and with the factor 0.5 of the Gabor patterns. Centre and surround share one place, as the text says.

    Args:
        shape: (height, width) of the images, px.
        y_px, x_px: centre, numbers or [n] (all parameters broadcast against each other).
        centre_px, surround_px: standard deviations of the two Gaussians.
        surround_weight: of the surround; 0: a plain Gaussian.
        contrast: twice the value at the centre.
    """
    y0, x0, centre, surround, weight, amplitude = _columns(
        y_px, x_px, centre_px, surround_px, surround_weight, contrast
    )
    down, right = _offsets(shape, y0, x0)
    inner = 0.5 * amplitude * (1 + weight) * np.exp(-(down**2) / (2 * centre**2))
    outer = 0.5 * amplitude * weight * np.exp(-(down**2) / (2 * surround**2))
    pattern = _outer(inner, np.exp(-(right**2) / (2 * centre**2)))
    pattern -= _outer(outer, np.exp(-(right**2) / (2 * surround**2)))
    return pattern


def _columns(*values: Any) -> list[np.ndarray]:
    """Return all parameters as [n, 1], float64."""
    broadcast = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, float)) for value in values))
    return [array.reshape(-1, 1) for array in broadcast]


def _offsets(shape: tuple[int, int], y0: np.ndarray, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(shape[0]) - y0, np.arange(shape[1]) - x0


def _outer(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return [n, y, x] products of [n, y] and [n, x], float32."""
    return column.astype(np.float32)[:, :, None] * row.astype(np.float32)[:, None, :]
