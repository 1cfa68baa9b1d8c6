"""Every number of the simulated two-photon recordings, with where it comes from.

Pages and sections refer to Zhu et al. 2022 (RADICaL), Methods, "Simulation experiments".
"""

from dataclasses import dataclass, fields

from calcium_latents.parameter_section import ParameterSection

CHOICES = {
    "integrator": ("euler", "runge_kutta"),
    "indicator": ("linear", "gcamp6f"),
    "signal_dependent": ("sd", "variance"),
}


@dataclass(frozen=True)
class LorenzRecordingParameters(ParameterSection):
    """Parameters of one simulated recording; the defaults are the paper's 7 Hz dataset.

    Lorenz system ("Generating spike trains from an underlying Lorenz system"):

    - `sigma`, `rho`, `beta`: "standard values (sigma: 10, rho: 28, and beta: 8/3)".
    - `integrator`: 'euler' or 'runge_kutta'. The paper names none; Euler steps give Z peaks at 4.3, 7.2,
      10.0, 12.9, 15.7 and 20.0 Hz, which are the paper's labels 4 to 20, Runge-Kutta steps give 4.0 to 18.5
      Hz.
    - `time_step`: "t was set to 0.01" (units of Lorenz time).
    - `downsampling`: keep every so many steps; 3, 5, 7, 9, 11, 14 for 4, 7, 10, 13, 15, 20 Hz.
    - `duration_s`: length of a trial, 0.9 s (1.2 s at 4 Hz).
    - `conditions`: 8 random initial states; 0 gives every trial a state of its own (Extended Data Fig. 3).
    - `trials_per_condition`: 60.
    - `trials`: number of trials when `conditions` is 0 (otherwise unused), 480.
    - `burn_in_steps`: steps before the trial starts, so that it runs on the attractor (our choice: the paper
      says "a random initial state vector", and states far off the attractor would last for a part of the
      trial only).

    Spikes (same section):

    - `neurons`: 278.
    - `baseline_rate_hz`: "Scaling factors were applied so the baseline firing rate for all neurons was 3
      spikes/sec"; the rate of a neuron at the mean latent state: rate = baseline * exp(w . z), z-scored
      states z.
    - `readout_sd`: sd of w . z over neurons and states; w ~ N(0, 1) * readout_sd / sqrt(3) (the paper says
      "random weights"; 1 gives the published correlation of events with spikes).
    - `bin_width_s`: "Each bin represents 10 ms".

    Fluorescence ("Generating fluorescence signals from synthetic spike trains"):

    - `spike_size_noise_sd`: "Independent Gaussian noise (sd = 0.1) was added to each spike".
    - `rise_time_s`, `decay_time_s`: 20 and 400 ms, equation 4.
    - `indicator`: 'linear' (fluorescence follows calcium) or 'gcamp6f' (a Hill curve).
      Why 'linear' is the default: `fluorescence.hill_curve`.
    - `hill_coefficient`, `half_saturation_nm`: 2.27 and 375 nM, calcium binding of purified GCaMP6f as
      commonly quoted after Chen et al. 2013 (Nature 499:295); the paper's own curve is given only as a
      drawing (Extended Data Fig. 2c).
    - `resting_calcium_nm`, `calcium_per_spike_nm`: 50 and 100 nM, round values for a pyramidal cell soma; our
      choice, they set where on the Hill curve a single spike lies.
    - `noise_mean`, `noise_sd`, `noise_minimum`: "sn = d was sampled independently from a truncated normal
      distribution N(0.12, 0.02) with the tail below 0.06 removed".
    - `noise_multiplier`: "the Gaussian noise added to the fluorescence traces was increased by 2x or 4x".
    - `signal_dependent`: noise that grows with the signal F is Gaussian with sd d * sqrt(F) ('sd') or with
      variance d * F ('variance'). The paper's sentence reads as either; only 'sd' gives its correlation of
      0.32.

    Laser scanning ("Recreating variability in sampling times due to 2p laser scanning"):

    - `imaging_rate_hz`: 33.3; 16, 8 and 2 in Extended Data Fig. 4. Realised as one bin out of
      round(1 / (imaging_rate_hz * bin_width_s)): 3, 6, 12, 50 bins, that is 33.3, 16.7, 8.3, 2 Hz.
    - `phases`: the field of view is cut in so many bands, sampled one after another (3: top, middle, bottom).
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8.0 / 3.0
    integrator: str = "euler"
    time_step: float = 0.01
    downsampling: int = 5
    duration_s: float = 0.9
    conditions: int = 8
    trials_per_condition: int = 60
    trials: int = 480
    burn_in_steps: int = 5000

    neurons: int = 278
    baseline_rate_hz: float = 3.0
    readout_sd: float = 1.0
    bin_width_s: float = 0.01

    spike_size_noise_sd: float = 0.1
    rise_time_s: float = 0.02
    decay_time_s: float = 0.4
    indicator: str = "linear"
    hill_coefficient: float = 2.27
    half_saturation_nm: float = 375.0
    resting_calcium_nm: float = 50.0
    calcium_per_spike_nm: float = 100.0
    noise_mean: float = 0.12
    noise_sd: float = 0.02
    noise_minimum: float = 0.06
    noise_multiplier: float = 1.0
    signal_dependent: str = "sd"

    imaging_rate_hz: float = 33.3
    phases: int = 3

    def __post_init__(self) -> None:
        self.check_choices(CHOICES)
        for field in fields(self):
            if field.type is not str:
                self.check_numbers(field.name, above=field.name not in _MAY_BE_ZERO, whole=field.type is int)
        if self.rise_time_s >= self.decay_time_s:
            raise self.wrong("rise_time_s", f"less than decay_time_s ({self.decay_time_s})", self.rise_time_s)
        if self.number_of_trials < 1:
            which = "trials_per_condition" if self.conditions else "trials"
            raise self.wrong(which, "at least 1", getattr(self, which))
        if self.trial_bins < 1:
            raise self.wrong("duration_s", f"at least one bin of {self.bin_width_s} s", self.duration_s)
        if self.sample_spacing < self.phases:
            raise self.wrong(
                "imaging_rate_hz",
                f"at most {1 / (self.phases * self.bin_width_s):.4g} (each of the {self.phases} phases needs "
                f"a bin of {self.bin_width_s} s in the frame)",
                self.imaging_rate_hz,
            )
        if self.noise_minimum > self.noise_mean + 6 * self.noise_sd:
            raise self.wrong(
                "noise_minimum", "within six sd above noise_mean, or nothing can be drawn", self.noise_minimum
            )

    @property
    def trial_bins(self) -> int:
        """Bins in a trial."""
        return round(self.duration_s / self.bin_width_s)

    @property
    def number_of_trials(self) -> int:
        """Trials in the session."""
        return self.conditions * self.trials_per_condition if self.conditions else self.trials

    @property
    def sample_spacing(self) -> int:
        """Bins from one sample of a neuron to its next."""
        return max(1, round(1.0 / (self.imaging_rate_hz * self.bin_width_s)))


#: Fields that may be zero; every other number must be above zero.
_MAY_BE_ZERO = {
    "conditions",
    "trials_per_condition",
    "trials",
    "burn_in_steps",
    "spike_size_noise_sd",
    "readout_sd",
    "noise_mean",
    "noise_sd",
    "noise_minimum",
    "noise_multiplier",
}
