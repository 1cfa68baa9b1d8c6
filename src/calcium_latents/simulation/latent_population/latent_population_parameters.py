"""Every number of the simulated populations that read a low-dimensional latent state, and what it means."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    Count,
    Flag,
    NotNegative,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    Share,
)

#: Size of the latent state where none is chosen; on the ring it can be no other.
LATENT_SIZES = {"ring": 2, "sphere": 3, "gaussian": 40}
GAUSSIAN_MARGIN = 5.0


class LatentPopulationParameters(ParameterSection):
    """Parameters of one session of a population whose expected activity is one nonlinear step from a latent z.

    Tuning of neuron i is m_i(z) = baseline_i + gain_i sigma(u_i . z + c_i), u_i uniform on the unit sphere.
    """

    paradigm: Literal["stimulus", "spontaneous"] = "stimulus"
    """stimulus: each presentation has a latent state, one time bin each; spontaneous: one trial of smooth latents."""
    manifold: Literal["ring", "sphere", "gaussian"] = "sphere"
    """Of z: ring (the direction of a grating), sphere (uniform on the unit sphere) or gaussian (standard normal, as
    high-dimensional as natural images)."""
    latent_size: Count | None = None
    """Dimension of z; null: 2 on the ring, 3 on the sphere, 40 gaussian."""
    integer_degrees: Flag = False
    """Directions on the ring are whole degrees from 0 to 359, as the gratings were shown."""

    nonlinearity: Literal["power", "linear"] = "power"
    """power: sigma(x) = [x]_+^p; linear: sigma(x) = x without threshold (the null)."""
    exponent: NotNegative = 1.0
    """p; 0 is a step."""
    thresholds: Literal["tuned", "normal"] = "tuned"
    """tuned: c_i = -U(0, `threshold_range`); normal: N(`threshold_mean`, `threshold_sd`). Draws that would leave a
    neuron active for less than `active_fraction_minimum` of the latent states (or, with p < 1, inactive for less) are
    drawn again."""
    threshold_range: NotNegative = 0.9
    """Of tuned thresholds."""
    threshold_mean: Number = -0.6
    """Of normal thresholds."""
    threshold_sd: NotNegative = 0.3
    """Of normal thresholds."""
    active_fraction_minimum: Annotated[float, Numeric(), Field(gt=0, lt=0.5)] = 0.01
    """Least share of the latent states in which a neuron is active."""
    baseline: NotNegative = 0.1
    """Smallest expected activity, in units of a neuron's signal sd. The linear population's baseline is higher by the
    gain times the largest |z|, so that its activity is not negative either."""
    noise: Literal["gamma", "gaussian"] = "gamma"
    """gamma: shot-like, its variance in proportion to expected activity; gaussian: of one variance: baselines are then
    higher by `GAUSSIAN_MARGIN` noise sds, so that next to nothing is cut at zero. Only with gaussian noise and gaussian
    latents is a linear estimate of z from linear responses the best there is."""
    noise_level: NotNegative = 0.5
    """Sd of the noise relative to the sd of the signal. The best possible R2 is then 1 / (1 + noise_level^2)."""

    neurons: Count = 250
    """Number of neurons."""
    stimuli: Annotated[int, Numeric(whole=True), Field(ge=3)] = 800
    """Number of stimuli (paper: 720 gratings, 1866 images)."""
    repeats: Count = 2
    """Of each stimulus, every repeat in a new random order."""
    response_window_s: Positive = 0.5
    """Window in which activity is averaged (paper: 0.5 s for images, 2.0 s for gratings)."""
    onset_interval_s: Positive = 2.0
    """From onset to onset."""
    duration_s: Positive = 600.0
    """Of a spontaneous session (paper: 10 minutes)."""
    rate_hz: Positive = 5.0
    """Frames per second (paper: resampled at 5 Hz)."""
    latent_time_constant_s: Positive = 2.0
    """Of the two filters that smooth spontaneous latents."""

    speed_mean_cm_s: Number = 3.0
    """Of the drive whose softplus is the running speed (spontaneous sessions)."""
    speed_sd_cm_s: NotNegative = 10.0
    """Of that drive."""
    speed_coupling: Share = 0.8
    """Share of the drive's variance that comes from the latents."""
    speed_time_constant_s: Positive = 5.0
    """Of the filters of the other, independent share."""

    @property
    def dimension(self) -> int:
        """Of z, also where it is left out."""
        return LATENT_SIZES[self.manifold] if self.latent_size is None else self.latent_size

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.latent_size is None:
            object.__setattr__(self, "latent_size", self.dimension)
        if self.manifold == "ring" and self.latent_size != 2:
            raise self.wrong("latent_size", "2 (a ring lies in the plane)", self.latent_size)
        if self.manifold == "sphere" and self.dimension < 2:
            raise self.wrong("latent_size", "at least 2 on the sphere", self.latent_size)
        if self.integer_degrees and (self.manifold != "ring" or self.paradigm != "stimulus"):
            found = f"true with manifold {self.manifold} and paradigm {self.paradigm}"
            raise self.wrong("integer_degrees", "false except for stimuli on the ring", found)
        if self.paradigm == "stimulus":
            if self.repeats < 2:
                raise self.wrong(
                    "repeats", "at least 2 (activity is predicted from one repeat to another)", self.repeats
                )
            if self.onset_interval_s < self.response_window_s:
                expected = f"at least response_window_s ({self.response_window_s})"
                raise self.wrong("onset_interval_s", expected, self.onset_interval_s)
        elif self.frames < 2:
            raise self.wrong("duration_s", f"at least two frames at {self.rate_hz} Hz", self.duration_s)
        return self

    @property
    def frames(self) -> int:
        """Frames of a spontaneous session."""
        return round(self.duration_s * self.rate_hz)

    @property
    def ceiling_r2(self) -> float:
        """R2 that the true expected activity reaches on average over the latent distribution."""
        return 1 / (1 + self.noise_level**2)
