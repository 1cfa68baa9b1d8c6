"""What the microscope sees of the cells: places, dF/F, neuropil, drift, bleaching, noise, motion."""

from typing import NamedTuple

import numpy as np

from calcium_latents.seeds import generator
from calcium_latents.simulation import fluorescence as shared
from calcium_latents.simulation import laser_scanning
from calcium_latents.simulation.smooth_noise import smooth_noise
from calcium_latents.simulation.two_photon_session.activity import standardised
from calcium_latents.simulation.two_photon_session.parameters import INDICATORS, TwoPhotonSessionParameters

#: Mean fluorescence of a cell at rest and of neuropil, in the units of the file.
CELL_LEVEL, NEUROPIL_LEVEL = 400.0, 250.0
#: Noise of neuropil beside a cell's: it is averaged over some ten times as many pixels.
NEUROPIL_NOISE = 0.3
#: Least distance of a region from the border, pixel.
BORDER = 12
#: Largest part of a region's light that a bout of motion takes away.
MOTION_LOSS = 0.6


class Regions(NamedTuple):
    """What is fixed for each region of interest, cells and others.

    Attributes:
        is_cell: [roi].
        position: [roi, 2], x and y of the centre, pixel.
        resting: [roi], fluorescence at rest.
        neuropil: [roi], mean of the neuropil around it.
        coefficient: [roi], part of that neuropil that is in the region's fluorescence.
        noise_sd: [roi], sd of a sample's noise relative to `resting`.
    """

    is_cell: np.ndarray
    position: np.ndarray
    resting: np.ndarray
    neuropil: np.ndarray
    coefficient: np.ndarray
    noise_sd: np.ndarray


def draw_regions(parameters: TwoPhotonSessionParameters, seed: int) -> Regions:
    """Draw all regions; cells stand anywhere among the others, as in a file of a segmentation."""
    random = generator(seed, "regions")
    count = parameters.neurons + parameters.non_cells
    is_cell = random.permutation(np.arange(count) < parameters.neurons)
    inner = parameters.frame_size - 2 * BORDER
    position = BORDER + inner * laser_scanning.positions(count, random)
    # The middle of the field of view is the brightest.
    distance = np.linalg.norm(position / parameters.frame_size - 0.5, axis=1)
    neuropil = NEUROPIL_LEVEL * (1.2 - distance) * np.exp(0.1 * random.standard_normal(count))
    resting = CELL_LEVEL * np.exp(0.4 * random.standard_normal(count))
    level = parameters.noise_level * np.sqrt(parameters.imaging_rate_hz)
    return Regions(
        is_cell=is_cell,
        position=position,
        resting=np.where(is_cell, resting, 0.3 * neuropil),
        neuropil=neuropil,
        # A region that is no cell is neuropil through and through.
        coefficient=np.where(is_cell, parameters.neuropil_coefficient, 1.0),
        noise_sd=level * np.exp(parameters.noise_spread * random.standard_normal(count)),
    )


def sample_offsets(regions: Regions, parameters: TwoPhotonSessionParameters) -> np.ndarray:
    """Return [roi], s: when in its frame the laser is at the line of the region's centre."""
    return regions.position[:, 1] / parameters.frame_size / parameters.imaging_rate_hz


def dff_of_spikes(
    times: np.ndarray, sizes: np.ndarray, offset_s: float, amplitude: float, parameters: TwoPhotonSessionParameters
) -> np.ndarray:
    """Return noiseless dF/F [frame] of spikes at `times` [spike] (s) of `sizes` [spike], sampled `offset_s` into a
    frame."""
    kind, rate = INDICATORS[parameters.indicator], parameters.imaging_rate_hz
    constants = (kind.rise_time_s, kind.decay_time_s, offset_s, 1 / rate, parameters.frames)
    calcium = shared.calcium_at_samples(times, sizes, *constants)
    if parameters.response == "hill":
        calcium = shared.hill_curve(calcium, kind.hill_coefficient, kind.half_saturation, kind.resting)
    return amplitude * calcium


def neuropil_field(dff: np.ndarray, regions: Regions, parameters: TwoPhotonSessionParameters, seed: int) -> np.ndarray:
    """Return the neuropil around each region [roi, frame], float32, relative to its mean.

    A smooth field over the field of view: at nodes `neuropil_radius` apart, the activity dff [cell, frame] of cells
    nearby and of all, and a fluctuation of the node's own.
    """
    radius, size = parameters.neuropil_radius, parameters.frame_size
    along = np.linspace(0, size, int(np.ceil(size / radius)) + 1)
    nodes = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    square = ((regions.position[:, None] - nodes) ** 2).sum(axis=-1)  # [roi, node]
    near = np.exp(-square / (2 * radius**2))
    near_cells = near[regions.is_cell].astype(np.float32)
    local = standardised(dff.T @ (near_cells / near_cells.sum(axis=0).clip(1e-6)))
    driven = local + standardised(dff.mean(axis=0))[:, None]
    own = smooth_noise(parameters.frames, len(nodes), 0.5 * parameters.imaging_rate_hz, generator(seed, "neuropil"))
    weight = (near / near.sum(axis=1, keepdims=True)).astype(np.float32)
    share = parameters.neuropil_share
    # Averages over nodes lose variance, and the one more than the other: both are scaled where they are seen.
    field = _scaled_rows(weight @ driven.T, np.sqrt(share))
    field += _scaled_rows(weight @ own.T.astype(np.float32), np.sqrt(1 - share))
    field *= parameters.neuropil_modulation
    field += 1
    # Light is never negative.
    return np.maximum(field, 0.05, out=field)


def _scaled_rows(values: np.ndarray, sd: float) -> np.ndarray:
    """Give each row of `values` mean 0 and this sd, in place; rows that do not vary become 0."""
    values -= values.mean(axis=1, keepdims=True)
    found = values.std(axis=1, keepdims=True)
    values *= np.float32(sd) / np.where(found > 0, found, np.float32(1))
    return values


def bad_frames(parameters: TwoPhotonSessionParameters, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the bouts of motion: which frames are bad [frame], and the number of each frame's bout [frame]."""
    random, rate = generator(seed, "motion"), parameters.imaging_rate_hz
    starts = np.sort(
        random.integers(0, parameters.frames, random.poisson(parameters.motion_rate_hz * parameters.duration_s))
    )
    bout = np.zeros(parameters.frames, int)
    for number, start in enumerate(starts, start=1):
        bout[start : start + 1 + int(random.exponential(parameters.motion_s) * rate)] = number
    return bout > 0, bout


def bleaching_curve(parameters: TwoPhotonSessionParameters) -> np.ndarray:
    """Return the part of the light that is left [frame]: it falls exponentially, by `bleaching` in all, to a floor."""
    fraction = np.arange(parameters.frames) / parameters.frames
    return 1 - parameters.bleaching * (1 - np.exp(-3 * fraction)) / (1 - np.exp(-3.0))


def slow_drift(parameters: TwoPhotonSessionParameters, random: np.random.Generator) -> np.ndarray:
    """Draw the drift of a region's baseline relative to it [frame]."""
    seconds = int(np.ceil(parameters.duration_s)) + 1
    path = smooth_noise(seconds, 1, parameters.drift_time_constant_s, random)[:, 0]
    at = np.arange(parameters.frames) / parameters.imaging_rate_hz
    return np.maximum(parameters.drift * np.interp(at, np.arange(seconds), path), -0.9)
