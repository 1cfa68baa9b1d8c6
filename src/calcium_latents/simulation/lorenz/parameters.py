"""Every number of the simulated two-photon recordings (Zhu et al. 2022, Methods, "Simulation experiments").

What the paper says of them stands beside their values in config/scale/paper/radical.yaml.
"""

from typing import Literal, Self

from pydantic import model_validator

from calcium_latents.parameter_section import Count, NotNegative, NotNegativeWhole, ParameterSection, Positive


class LorenzRecordingParameters(ParameterSection):
    """Parameters of one simulated recording; the defaults are the paper's 7 Hz dataset."""

    sigma: Positive = 10.0
    """Of the Lorenz system."""
    rho: Positive = 28.0
    """Of the Lorenz system."""
    beta: Positive = 8.0 / 3.0
    """Of the Lorenz system."""
    integrator: Literal["euler", "runge_kutta"] = "euler"
    """Of the Lorenz system; with euler, the paper's downsampling gives Z peaks at its labels, 4 to 20 Hz."""
    time_step: Positive = 0.01
    """In units of Lorenz time."""
    downsampling: Count = 5
    """Keep every so many steps: the speed of the latents."""
    duration_s: Positive = 0.9
    """Length of a trial, s."""
    conditions: NotNegativeWhole = 8
    """Random initial states; 0 gives every trial a state of its own."""
    trials_per_condition: NotNegativeWhole = 60
    """Trials from each initial state."""
    trials: NotNegativeWhole = 480
    """Number of trials when `conditions` is 0 (otherwise unused)."""
    burn_in_steps: NotNegativeWhole = 5000
    """Steps before the trial starts: states far off the attractor would last for a part of the trial only."""

    neurons: Count = 278
    """Number of neurons."""
    baseline_rate_hz: Positive = 3.0
    """Rate of a neuron at the mean latent state: rate = baseline * exp(w . z), z-scored states z."""
    readout_sd: NotNegative = 1.0
    """Sd of w . z over neurons and states; w ~ N(0, 1) * readout_sd / sqrt(3)."""
    bin_width_s: Positive = 0.01
    """Of spikes and events, s."""

    spike_size_noise_sd: NotNegative = 0.1
    """Sd of the Gaussian noise of each spike's size."""
    rise_time_s: Positive = 0.02
    """Of the fluorescence of a spike, s (equation 4)."""
    decay_time_s: Positive = 0.4
    """Of the fluorescence of a spike, s (equation 4)."""
    indicator: Literal["linear", "gcamp6f"] = "linear"
    """Linear: fluorescence follows calcium; gcamp6f: a Hill curve. Why linear is the default:
    `fluorescence.hill_curve`."""
    hill_coefficient: Positive = 2.27
    """Calcium binding of purified GCaMP6f as commonly quoted after Chen et al. 2013 (Nature 499:295); the paper's own
    curve is given only as a drawing (Extended Data Fig. 2c)."""
    half_saturation_nm: Positive = 375.0
    """nM, from the same source."""
    resting_calcium_nm: Positive = 50.0
    """nM, a round value for a pyramidal cell soma; our choice: it sets where on the Hill curve a single spike lies."""
    calcium_per_spike_nm: Positive = 100.0
    """nM, as `resting_calcium_nm`."""
    noise_mean: NotNegative = 0.12
    """Of the truncated normal distribution of the neurons' noise d."""
    noise_sd: NotNegative = 0.02
    """Of that distribution."""
    noise_minimum: NotNegative = 0.06
    """Where its tail is removed."""
    noise_multiplier: NotNegative = 1.0
    """All noise of the fluorescence is multiplied by it."""
    signal_dependent: Literal["sd", "variance"] = "sd"
    """Noise that grows with the signal F has the sd d * sqrt(F), or the variance d * F."""

    imaging_rate_hz: Positive = 33.3
    """Frames a second, realised as one bin out of round(1 / (imaging_rate_hz * bin_width_s))."""
    phases: Count = 3
    """The field of view is cut in so many bands, sampled one after another (3: top, middle, bottom)."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
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
        return self

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
