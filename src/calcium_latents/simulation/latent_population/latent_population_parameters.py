"""Every number of the simulated populations that read a low-dimensional latent state, and what it means."""

from dataclasses import dataclass, fields

from calcium_latents.parameter_section import ParameterSection

CHOICES = {
    "paradigm": ("stimulus", "spontaneous"),
    "manifold": ("ring", "sphere", "gaussian"),
    "nonlinearity": ("power", "linear"),
    "thresholds": ("tuned", "normal"),
    "noise": ("gamma", "gaussian"),
}
#: Size of the latent state where none is chosen; on the ring it can be no other.
LATENT_SIZES = {"ring": 2, "sphere": 3, "gaussian": 40}
GAUSSIAN_MARGIN = 5.0


@dataclass(frozen=True)
class LatentPopulationParameters(ParameterSection):
    """Parameters of one session of a population whose expected activity is one nonlinear step from a latent z.

    - `paradigm`: 'stimulus' (each presentation has a latent state, one time bin each) or 'spontaneous' (one
      trial of smooth latents).
    - `manifold` of z: 'ring' (the direction of a grating), 'sphere' (uniform on the unit sphere) or 'gaussian'
      (standard normal, as high-dimensional as natural images).
    - `latent_size`: dimension of z; None: 2 on the ring, 3 on the sphere, 40 gaussian.
    - `integer_degrees`: directions on the ring are whole degrees from 0 to 359, as the gratings were shown.

    Tuning of neuron i, m_i(z) = baseline_i + gain_i sigma(u_i . z + c_i), u_i uniform on the unit sphere:

    - `nonlinearity`: 'power' for sigma(x) = [x]_+^p, 'linear' for sigma(x) = x without threshold (the null).
    - `exponent`: p; 0 is a step.
    - `thresholds`: 'tuned' for c_i = -U(0, `threshold_range`), or 'normal' for N(`threshold_mean`,
      `threshold_sd`). Draws that would leave a neuron active for less than `active_fraction_minimum` of the
      latent states (or, with p < 1, inactive for less) are drawn again.
    - `baseline`: smallest expected activity, in units of a neuron's signal sd. The linear population's baseline
      is higher by the gain times the largest |z|, so that its activity is not negative either.
    - `noise`: 'gamma', shot-like, its variance in proportion to expected activity; or 'gaussian', of one variance:
      baselines are then higher by `GAUSSIAN_MARGIN` noise sds, so that next to nothing is cut at zero. Only with
      gaussian noise and gaussian latents is a linear estimate of z from linear responses the best there is.
    - `noise_level`: sd of the noise relative to the sd of the signal. The best possible R2 is then
      1 / (1 + noise_level^2).

    Session:

    - `neurons`.
    - `stimuli`: number of stimuli (paper: 720 gratings, 1866 images); `repeats` of each, every repeat in a new
      random order; `response_window_s`: window in which activity is averaged (paper: 0.5 s for images, 2.0 s
      for gratings); `onset_interval_s`: from onset to onset.
    - `duration_s` of a spontaneous session (paper: 10 minutes).
    - `rate_hz`: frames per second (paper: resampled at 5 Hz).
    - `latent_time_constant_s`: of the two filters that smooth spontaneous latents.

    Running speed (spontaneous sessions):

    - `speed_mean_cm_s`, `speed_sd_cm_s` of the drive, whose softplus is the speed.
    - `speed_coupling`: share of the drive's variance that comes from the latents.
    - `speed_time_constant_s`: of the filters of the other, independent share.
    """

    paradigm: str = "stimulus"
    manifold: str = "sphere"
    latent_size: int | None = None
    integer_degrees: bool = False

    nonlinearity: str = "power"
    exponent: float = 1.0
    thresholds: str = "tuned"
    threshold_range: float = 0.9
    threshold_mean: float = -0.6
    threshold_sd: float = 0.3
    active_fraction_minimum: float = 0.01
    baseline: float = 0.1
    noise: str = "gamma"
    noise_level: float = 0.5

    neurons: int = 250
    stimuli: int = 800
    repeats: int = 2
    response_window_s: float = 0.5
    onset_interval_s: float = 2.0
    duration_s: float = 600.0
    rate_hz: float = 5.0
    latent_time_constant_s: float = 2.0

    speed_mean_cm_s: float = 3.0
    speed_sd_cm_s: float = 10.0
    speed_coupling: float = 0.8
    speed_time_constant_s: float = 5.0

    def __post_init__(self) -> None:
        self.check_choices(CHOICES)
        if not isinstance(self.integer_degrees, bool):
            raise self.wrong("integer_degrees", "true or false", self.integer_degrees)
        if self.latent_size is None:
            object.__setattr__(self, "latent_size", LATENT_SIZES[self.manifold])
        for field in fields(self):
            kind = {"latent_size": int}.get(field.name, field.type)
            if kind in (int, float):
                least = None if field.name in _MAY_BE_NEGATIVE else 0
                self.check_numbers(field.name, least=least, above=field.name not in _MAY_BE_ZERO, whole=kind is int)
        self._check_together()

    def _check_together(self) -> None:
        if self.manifold == "ring" and self.latent_size != 2:
            raise self.wrong("latent_size", "2 (a ring lies in the plane)", self.latent_size)
        if self.manifold == "sphere" and self.latent_size < 2:
            raise self.wrong("latent_size", "at least 2 on the sphere", self.latent_size)
        if self.integer_degrees and (self.manifold != "ring" or self.paradigm != "stimulus"):
            found = f"true with manifold {self.manifold} and paradigm {self.paradigm}"
            raise self.wrong("integer_degrees", "false except for stimuli on the ring", found)
        if not self.active_fraction_minimum < 0.5:
            raise self.wrong("active_fraction_minimum", "less than 0.5", self.active_fraction_minimum)
        if self.speed_coupling > 1:
            raise self.wrong("speed_coupling", "a share from 0 to 1", self.speed_coupling)
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

    @property
    def frames(self) -> int:
        """Frames of a spontaneous session."""
        return round(self.duration_s * self.rate_hz)

    @property
    def ceiling_r2(self) -> float:
        """R2 that the true expected activity reaches on average over the latent distribution."""
        return 1 / (1 + self.noise_level**2)


_MAY_BE_ZERO = {
    "exponent",
    "threshold_range",
    "threshold_sd",
    "baseline",
    "noise_level",
    "speed_coupling",
    "speed_sd_cm_s",
}
_MAY_BE_NEGATIVE = {"threshold_mean", "speed_mean_cm_s"}
