"""From a trained model to event rates, factors and inferred inputs of every trial."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
from calcium_latents.models.lfads.trials import UNUSED, VALIDATION, Trials, trial_durations
from calcium_latents.progress import progress
from calcium_latents.recordings.inferred import DISTRIBUTION, make_inferred
from calcium_latents.training.streams import Streams

TRIALS_AT_ONCE = 96


@torch.no_grad()
def infer_rates(
    model: LFADS,
    store: TrialStore,
    samples: int,
    streams: Streams | None = None,
    member: int = 0,
    trials: Tensor | None = None,
    keep_distribution: bool = False,
) -> dict[str, np.ndarray]:
    """Average event rates, factors, inputs and initial conditions over draws from the posterior.

    The event rate of equation 3 is averaged itself: the mean of products is the estimate of the mean, while the
    original averages the three parameters first.

    Args:
        model: the population.
        store: the trials.
        samples: draws; 0 decodes the posterior means, once.
        streams: where the draws come from.
        member: whose results to return.
        trials: `[n]` indices; default all.
        keep_distribution: with zero-inflated gamma observations, return the parameters too, each averaged over draws
            (as the original averages them); the density at averages is close to, not equal to, the average density.

    Returns:
        `mean` `[n, T, N]` per sample, `factors` `[n, T, F]`, `inferred_inputs` `[n, T, U]`, `initial_condition`
        `[n, I]` (posterior means); if asked for, `event_probability`, `event_shape`, `event_scale` `[n, T, N]`.
    """
    model.eval()
    trials = torch.arange(store.trials) if trials is None else trials
    parts: dict[str, list[Tensor]] = {
        "mean": [],
        "factors": [],
        "inferred_inputs": [],
        "initial_condition": [],
    }
    observation = model.observation
    full = observation if keep_distribution and isinstance(observation, ZeroInflatedGammaObservation) else None
    kept = () if full is None else DISTRIBUTION
    parts |= {name: [] for name in kept}
    for chunk in progress(trials.split(TRIALS_AT_ONCE), "infer", unit="batch"):
        batch = store.batch(chunk)
        mean = factors = torch.zeros((), device=model.input_scale.device)
        averages = dict.fromkeys(kept, mean)
        for _ in range(max(1, samples)):
            posterior = model.posterior(batch, streams=streams if samples else None)
            logits = model.logits(posterior.factors)
            mean = mean + observation.mean(logits)[member]
            if full is not None:
                drawn = full.distribution(logits)
                for name, value in zip(kept, (drawn.event_probability, drawn.shape, drawn.scale), strict=True):
                    averages[name] = averages[name] + value[member]
            factors = factors + posterior.factors[:, member].transpose(0, 1)
        # pyrefly: ignore[unbound-name]  # the loop runs at least once
        inputs = posterior.inputs[:, member, :, : model.sizes.inferred_inputs].transpose(0, 1)
        parts["mean"].append(mean / max(1, samples))
        parts["factors"].append(factors / max(1, samples))
        for name, value in averages.items():
            parts[name].append(value / max(1, samples))
        parts["inferred_inputs"].append(inputs)
        parts["initial_condition"].append(posterior.initial_mean[member])
    model.train()
    return {name: torch.cat(values).cpu().numpy() for name, values in parts.items()}


def to_inferred(rates: dict[str, np.ndarray], trials: Trials, recording: xr.Dataset, name: str) -> xr.Dataset:
    """Inferred box of a trained model: event rates in events per second (mean event per sample x imaging rate).

    `rates` are what `infer_rates` returns: `mean` `[n, T, N]` and so on.
    """
    split = np.where(trials.split == VALIDATION, 1, 0).astype(np.int8)
    distribution: dict[str, Any] = {name: rates[name] for name in DISTRIBUTION if name in rates}
    return make_inferred(
        event_rate=rates["mean"] * trials.imaging_rate,
        time=trials.time,
        model=name,
        split=split,
        factors=rates["factors"],
        inferred_inputs=rates["inferred_inputs"],
        initial_condition=rates["initial_condition"],
        trial_stop=_stops(recording),
        **distribution,
        recording=recording,
        attributes={"unused_trials": int((trials.split == UNUSED).sum())},
    )


def _stops(recording: xr.Dataset) -> np.ndarray | None:
    """Return the ends of trials [trial], s in the session, where some are shorter than their bins; else None."""
    if recording.attrs.get("cut") != "trials":
        return None  # windows that end in a gap go on
    width, time = recording.attrs["bin_width_s"], recording["time"].values
    # On a finer grid a sample stands for one imaging period.
    frame = 1 / recording.attrs["imaging_rate_hz"] - width
    lengths = np.minimum(trial_durations(recording["events"].values, width) + frame, time.size * width)
    if lengths.min() > (time.size - 0.5) * width:
        return None
    return recording["trial_start"].values + time[0] + lengths
