"""From a trained model to event rates, factors and inferred inputs of every trial."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch, TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
from calcium_latents.models.lfads.trials import UNUSED, VALIDATION, Trials, trial_durations
from calcium_latents.progress import progress
from calcium_latents.recordings.inferred import DISTRIBUTION, WARNINGS, make_inferred
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
    keep_spread: bool = False,
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
        keep_spread: return standard deviations over draws, too; inputs' include that of the posterior of each draw.

    Returns:
        `mean` `[n, T, N]` per sample, `factors` `[n, T, F]`, `inferred_inputs` `[n, T, U]`, `initial_condition`
        `[n, I]` (posterior means); if asked for, `event_probability`, `event_shape`, `event_scale` `[n, T, N]`, and
        `mean_sd`, `factors_sd`, `inferred_inputs_sd` of the shapes of what they are of.
    """
    model.eval()
    trials = torch.arange(store.trials) if trials is None else trials
    results: dict[str, np.ndarray] = {}
    first = 0
    for chunk in progress(trials.split(TRIALS_AT_ONCE), "infer", unit="batch"):
        for name, value in _infer_chunk(model, store.batch(chunk), samples, streams, member, keep_distribution).items():
            if not keep_spread and name.endswith("_sd"):
                continue
            if name not in results:
                results[name] = np.empty((len(trials), *value.shape[1:]), np.float32)
            results[name][first : first + len(chunk)] = value.cpu().numpy()
        first += len(chunk)
    model.train()
    return results


def _infer_chunk(
    model: LFADS, batch: Batch, samples: int, streams: Streams | None, member: int, keep_distribution: bool
) -> dict[str, Tensor]:
    """Return everything that `infer_rates` may return, of one batch; events are encoded once for all draws."""
    observation = model.observation
    full = observation if keep_distribution and isinstance(observation, ZeroInflatedGammaObservation) else None
    draws, inputs = max(1, samples), model.sizes.inferred_inputs
    encoded = model.encode(batch)
    sums: dict[str, Tensor] = {}

    def add(**values: Tensor) -> None:
        for name, value in values.items():
            sums[name] = sums[name] + value if name in sums else value

    for _ in range(draws):
        posterior = model.draw(encoded, streams=streams if samples else None)
        logits = model.logits(posterior.factors)
        mean = observation.mean(logits)[member]
        factors = posterior.factors[:, member].transpose(0, 1)
        input_mean, log_variance = posterior.inputs[:, member].transpose(0, 1).split(inputs, -1)
        add(mean=mean, factors=factors, mean_squares=mean**2, factors_squares=factors**2)
        add(inputs=input_mean, inputs_squares=input_mean**2 + torch.exp(log_variance))
        if full is not None:
            drawn = full.distribution(logits)
            values = (drawn.event_probability, drawn.shape, drawn.scale)
            add(**{name: value[member] for name, value in zip(DISTRIBUTION, values, strict=True)})

    def spread(name: str) -> Tensor:
        return torch.sqrt((sums[f"{name}_squares"] / draws - (sums[name] / draws) ** 2).clamp_min(0))

    averages = {name: sums[name] / draws for name in ("mean", "factors", *(DISTRIBUTION if full is not None else ()))}
    averages |= {"inferred_inputs": sums["inputs"] / draws, "initial_condition": encoded[0][member]}
    if samples > 1:
        averages |= {"mean_sd": spread("mean"), "factors_sd": spread("factors"), "inferred_inputs_sd": spread("inputs")}
    return averages


def to_inferred(
    rates: dict[str, np.ndarray], trials: Trials, recording: xr.Dataset, name: str, warnings: Sequence[str] = ()
) -> xr.Dataset:
    """Inferred box of a trained model: event rates in events per second (mean event per sample x imaging rate).

    `rates` are what `infer_rates` returns: `mean` `[n, T, N]` and so on. `warnings` become an attribute.
    """
    split = np.where(trials.split == VALIDATION, 1, 0).astype(np.int8)
    more = (*DISTRIBUTION, "factors_sd", "inferred_inputs_sd")
    others: dict[str, Any] = {name: rates[name] for name in more if name in rates}
    if "mean_sd" in rates:
        others["event_rate_sd"] = np.multiply(rates["mean_sd"], np.float32(trials.imaging_rate), out=rates["mean_sd"])
    # in place: a long session's rates fill a good part of the memory
    np.multiply(rates["mean"], np.float32(trials.imaging_rate), out=rates["mean"])
    return make_inferred(
        event_rate=rates["mean"],
        time=trials.time,
        model=name,
        split=split,
        factors=rates["factors"],
        inferred_inputs=rates["inferred_inputs"],
        initial_condition=rates["initial_condition"],
        trial_stop=_stops(recording),
        **others,
        recording=recording,
        attributes={
            "unused_trials": int((trials.split == UNUSED).sum()),
            **({WARNINGS: json.dumps(list(warnings))} if warnings else {}),
        },
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
