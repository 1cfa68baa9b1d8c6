"""Every number of a simulated two-photon session, and what it means."""

import math
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    Count,
    NotNegative,
    NotNegativeWhole,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    PositiveNumbers,
    Share,
)


class Indicator(NamedTuple):
    """What spikes do to an indicator: each adds exp(-t/decay) - exp(-t/rise), scaled to a peak of 1, to calcium.

    Attributes:
        rise_time_s: of the faster exponential, s.
        decay_time_s: of the slower one, s.
        amplitude: peak dF/F after one spike.
        hill_coefficient: of the curve from calcium to dF/F, as in `fluorescence.hill_curve`.
        half_saturation: calcium, in spikes, at which the curve is at its half.
        resting: calcium at rest, in spikes.
    """

    rise_time_s: float
    decay_time_s: float
    amplitude: float
    hill_coefficient: float
    half_saturation: float
    resting: float


#: Time constants that give a single spike, after the Hill curve, the time to its peak, its half decay and amplitude in
#: mouse visual cortex, in round numbers: Chen et al. 2013 (Nature 499:295), GCaMP6f 45 ms, 140 ms, 0.19 and GCaMP6s
#: 180 ms, 550 ms, 0.23; jGCaMP8m after Zhang et al. 2023 (Nature 615:884): about 20 ms, 120 ms, 0.4. Hill coefficients
#: are near those of the purified proteins; where rest and saturation lie is our choice.
INDICATORS = {
    "GCaMP6f": Indicator(0.0155, 0.24, 0.19, 2.3, 8.0, 1.0),
    "GCaMP6s": Indicator(0.061, 0.97, 0.23, 2.5, 6.0, 1.0),
    "jGCaMP8m": Indicator(0.0055, 0.18, 0.40, 1.9, 8.0, 2.0),
}


class TwoPhotonSessionParameters(ParameterSection):
    """Parameters of one session; the defaults are 20 minutes of 600 cells at 30 Hz with GCaMP6s."""

    neurons: Count = 600
    """Cells."""
    non_cells: NotNegativeWhole = 200
    """Regions of neuropil that are no cells, as a segmentation finds them, too."""
    duration_s: Positive = 1200.0
    """Of the session, s."""
    imaging_rate_hz: Positive = 30.0
    """Frames a second."""
    frame_size: Annotated[int, Numeric(whole=True), Field(ge=64)] = 512
    """Lines, and pixels a line, of a frame."""

    conditions: Count = 8
    """Stimuli; every one comes once in each block of trials."""
    trial_s: Positive = 2.0
    """Length of a trial, s."""
    interval_s: tuple[Positive, Positive] = (1.5, 2.56)
    """Shortest and longest pause between trials, s: uniformly distributed."""

    latents: Annotated[int, Numeric(whole=True), Field(ge=3)] = 8
    """Dimension of the latent state: pairs that answer to the stimuli, spontaneous ones, and the last: arousal."""
    stimulus_latents: NotNegativeWhole = 4
    """Latents (an even number) that rotate for some time after a trial's start, from a phase that its condition has."""
    stimulus_share: Share = 0.7
    """Of these latents' variance that is locked to trials; the rest is spontaneous."""
    rotation_frequencies_hz: PositiveNumbers = (1.0, 2.0)
    """Of the rotations, one pair of latents after the other (over again, where there are more pairs)."""
    response_decay_s: Positive = 0.6
    """Of the rotations, s; they rise with a quarter of it."""
    trial_variability: NotNegative = 0.3
    """Sd from trial to trial: of the logarithm of a rotation's size, and of its phase in radians."""
    time_constants_s: PositiveNumbers = (0.1, 0.2, 0.4, 0.8)
    """Of the two filters of spontaneous fluctuations, s, one latent after the other (over again)."""
    arousal_time_constant_s: Positive = 4.0
    """Of the two filters of arousal, s."""

    mean_rate_hz: Positive = 0.8
    """Mean firing rate over cells, 1/s."""
    rate_spread: NotNegative = 0.8
    """Sd over cells of the logarithm of their mean rates."""
    modulation: NotNegative = 1.1
    """Sd over time of the logarithm of a cell's firing rate, on average over cells."""
    modulation_spread: NotNegative = 0.2
    """Sd over cells of its logarithm."""
    latent_share: Share = 0.85
    """Of the variance of a driven cell's log firing rate that the latents explain; the rest is private."""
    private_time_constant_s: Positive = 1.0
    """Of the two filters of private fluctuations, s."""
    undriven_share: Share = 0.1
    """Of cells that follow private fluctuations only."""
    largest_rate_hz: Positive = 50.0
    """Firing rates are cut at it, 1/s."""

    indicator: Literal["GCaMP6f", "GCaMP6s", "jGCaMP8m"] = "GCaMP6s"
    """Its constants stand in `INDICATORS`."""
    response: Literal["hill", "linear"] = "hill"
    """hill: calcium passes through a Hill curve that keeps the peak of a single spike; linear: spikes add up."""
    amplitude_spread: NotNegative = 0.3
    """Sd over cells of the logarithm of dF/F after one spike."""
    spike_size_noise_sd: NotNegative = 0.1
    """Sd of the size of a spike, relative to its mean."""
    noise_level: NotNegative = 0.015
    """Sd of the noise of dF/F, of the mean cell, at one frame a second; at r frames a second it is sqrt(r) times
    that, as a frame then has 1/r of the light."""
    noise_spread: NotNegative = 0.3
    """Sd over cells of its logarithm."""
    shot_share: Share = 0.7
    """Of the variance of the noise at the mean fluorescence that grows with fluorescence; the rest is constant."""
    neuropil_coefficient: NotNegative = 0.7
    """Part of the neuropil around a cell that is in its fluorescence."""
    neuropil_modulation: NotNegative = 0.08
    """Sd over time of the neuropil, relative to its mean."""
    neuropil_share: Share = 0.6
    """Of the variance of neuropil that follows the activity of cells nearby and of all; the rest is its own."""
    neuropil_radius: Positive = 80.0
    """Distance over which neuropil is alike, pixel."""
    drift: NotNegative = 0.03
    """Sd of the slow drift of each cell's baseline, relative to it."""
    drift_time_constant_s: Positive = 60.0
    """Of the two filters of that drift, s."""
    bleaching: Share = 0.15
    """Part of the fluorescence that is lost over the session."""
    motion_rate_hz: NotNegative = 1 / 120
    """Bouts of motion of the brain a second, in which frames are bad."""
    motion_s: Positive = 0.2
    """Mean length of a bout of motion, s."""

    speed_mean_cm_s: Number = 4.0
    """Of the drive whose softplus is the running speed."""
    speed_sd_cm_s: NotNegative = 10.0
    """Of that drive."""
    speed_coupling: Share = 0.8
    """Share of the drive's variance that comes from arousal."""
    behaviour_rate_hz: Positive = 50.0
    """Samples of the running speed a second."""

    @property
    def frames(self) -> int:
        """Frames of the session."""
        return round(self.duration_s * self.imaging_rate_hz)

    @property
    def steps(self) -> int:
        """Steps a frame in which firing rates are constant, at least 60 a second."""
        return max(1, math.ceil(60 / self.imaging_rate_hz))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.stimulus_latents % 2 or self.stimulus_latents > self.latents - 1:
            expected = f"an even number below latents ({self.latents})"
            raise self.wrong("stimulus_latents", expected, self.stimulus_latents)
        if self.interval_s[1] < self.interval_s[0]:
            raise self.wrong("interval_s", "the shortest and the longest pause", list(self.interval_s))
        if self.mean_rate_hz >= self.largest_rate_hz / 4:
            raise self.wrong("largest_rate_hz", f"above 4 mean_rate_hz ({self.mean_rate_hz})", self.largest_rate_hz)
        if self.frames < 100:
            raise self.wrong("duration_s", f"at least 100 frames at {self.imaging_rate_hz} Hz", self.duration_s)
        return self
