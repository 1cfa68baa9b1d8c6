"""Event rates of all baselines from the samples that are shown, and how well they predict neurons that are hidden."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.metrics.co_smoothing import hidden_in_turn
from calcium_latents.metrics.held_out import EventParameters, fit_constant_rate, mean_size, smoothed
from calcium_latents.metrics.held_out_scores import compare_held_out, held_out_samples, score_samples
from calcium_latents.recordings import make_inferred
from calcium_latents.recordings.hiding import RUN_S, hidden_runs, run_length
from calcium_latents.seeds import generator
from calcium_latents.studies.recordings import linear_baselines as linear
from calcium_latents.studies.recordings.study import LABELS

WINDOW_S = 10.0  # pieces of the session that neurons are hidden for, and that intervals are resampled from
MOST_SAMPLES = 10**6  # that hidden neurons are scored at


class Baselines:
    """Baselines of one recording.

    Args:
        shown: continuous Recording of one trial; NaN where samples are hidden or were not taken.
        seed: of the samples and the parts of the population that choices are made by.

    Attributes:
        choices: method -> what was chosen for it; the methods of `linear_baselines`.

    Raises UserError where the recording is cut into trials, or has too few neurons.
    """

    def __init__(self, shown: xr.Dataset, seed: int):
        if shown.sizes["trial"] != 1 or shown.sizes["neuron"] < 3:
            found = f"{shown.sizes['trial']} trials, {shown.sizes['neuron']} neurons"
            raise UserError(
                f"{shown.attrs['source']}: baselines need one trial of three neurons or more, found {found}."
            )
        self.shown, self.seed = shown, seed
        # choices are made on samples that are hidden as those of the test are
        self.run_s = float(shown.attrs.get("held_out_run_s", RUN_S))
        self.events, self.rate_hz = shown["events"].values, float(shown.attrs["imaging_rate_hz"])
        self.minimum = float(shown.attrs["event_minimum"])
        self.constant = fit_constant_rate(self.events, np.isfinite(self.events), self.minimum)
        self.parts = linear.deal(self.events.shape[2], seed)
        self.choices = linear.choose(self.events[0], self.rate_hz, self.parts, seed, self.run_s)

    def inferred(self) -> Iterator[tuple[str, xr.Dataset]]:
        """Yield method and Inferred, on the session's clock; rates of imaging frames, or of bins of about 0.05 s."""
        yield "constant", self._inferred("constant", np.ones(self.events.shape[1:], np.float32), 1, {})
        known = np.isfinite(self.events)
        rng, run = generator(self.seed, "smoothing", "validation"), run_length(self.shown, self.run_s)
        shape = (len(known), *known.shape[:0:-1])  # [trial, neuron, frame]
        validation = hidden_runs(shape, linear.CHOICE_FRACTION, run, rng).transpose(0, 2, 1)
        for method, population in (("smoothed own", False), ("smoothed population", True)):
            found, choice = smoothed(self.events, known, validation, self.constant, 1 / self.rate_hz, population)
            relative = found.probability[0] / self.constant.probability.astype(np.float32)
            yield method, self._inferred(method, relative, 1, choice)
        population = linear.Population(self.events[0], self.rate_hz, self.parts)
        for method, (fit, _, _) in linear.METHODS.items():
            choice = self.choices[method]
            found = fit(population, choice)
            rates = linear.rates_of(found, choice["share"])
            yield method, self._inferred(method, rates, population.frames, choice, found.factors)

    def co_smoothing(self) -> pd.DataFrame:
        """Return how well methods predict neurons of which nothing is seen for a while from all others.

        In every window a fifth of the neurons is hidden. As `metrics.held_out_scores.compare_held_out` with the
        constant rate.
        """
        window = round(WINDOW_S * self.rate_hz)
        hidden = hidden_in_turn(self.events.shape[1], self.parts, window)
        few = generator(self.seed, "co-smoothing").random(hidden.shape, np.float32) < MOST_SAMPLES / hidden.sum()
        samples = held_out_samples(self.events, (hidden & few)[None], window)
        seen = np.where(hidden, np.float32(np.nan), self.events[0])
        population = linear.Population(seen, self.rate_hz, self.parts)
        constant = samples.of(fit_constant_rate(seen[None], np.isfinite(seen[None]), self.minimum))
        predictions = {"constant": constant}
        for method, (fit, _, _) in linear.METHODS.items():
            rates = linear.rates_of(fit(population, self.choices[method]), self.choices[method]["share"])
            q = constant.probability * rates[samples.where[1] // population.frames, samples.where[2]]
            predictions[method] = EventParameters(constant.shape, constant.scale, q)
        return compare_held_out(score_samples(samples, predictions, self.minimum, "constant"), seed=self.seed)

    def _inferred(self, method, relative, frames, choice, factors=None) -> xr.Dataset:
        """Return rates relative to the neurons' means [bin, neuron] as an Inferred of bins of so many frames."""
        mean = self.constant.probability * mean_size(self.constant, self.minimum) * self.rate_hz
        time = self.shown["trial_start"].values[0] + self.shown["time"].values
        # recorded times jitter around this line, as where windows of whole frames are cut
        line = np.arange(len(time)) / self.rate_hz
        line += np.mean(time - line)
        described = linear.describe(method, choice) if method in linear.METHODS else LABELS[method][0]
        return make_inferred(
            event_rate=(relative * mean.astype(np.float32))[None],
            factors=None if factors is None else factors[None],
            time=line[::frames][: len(relative)],
            model=method,
            neuron=self.shown["neuron"].values,
            trial_start=np.zeros(1),
            attributes={"stitched": 1, "description": described, "choice": choice, "imaging_rate_hz": self.rate_hz},
        )
