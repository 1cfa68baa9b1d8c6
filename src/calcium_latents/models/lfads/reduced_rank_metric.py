"""How much of hidden events the factors explain, through the few directions that serve all neurons.

A model's own likelihood also judges its readouts: hundreds of neurons with tens of weights each, which overfit while
the factors still improve. So they are fitted anew, to training trials, by reduced-rank regression of events on factors.

With factors z (whitened over all samples), an entry's event y in {0, 1} and a neuron's event fraction q, a readout
b_n of neuron n gains, to second order in b_n, the log-likelihood per entry

    g_n = <(y - q_n) / s_n b_n . z> - <(b_n . z)^2> / 2,        s_n^2 = q_n (1 - q_n)

above none. On training trials it is largest at b_n = <(y - q_n) z> / s_n, which the samples of one neuron determine
badly; the first k singular vectors of all neurons' b (weighted by the root of their samples) keep what they share.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch, TrialStore
from calcium_latents.models.lfads.inference import TRIALS_AT_ONCE
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.validation import FOLDS, factors_without
from calcium_latents.seeds import integer

MOST_TRIALS = 512  # of training: more would make the readouts little better
SMALLEST_VARIANCE = 1e-9  # of a direction of the factors, over the largest


@torch.no_grad()
def reduced_rank_nll(
    model: LFADS, store: TrialStore, training_trials: Tensor, validation_trials: Tensor, seed: int
) -> Tensor:
    """Minus the gain in log-likelihood (nats a sampled entry) of validation trials at the best rank, `[P]`.

    Args:
        model: the population; decodes posterior means.
        store: the trials.
        training_trials: indices of the trials that readouts are fitted to; `MOST_TRIALS` of them, evenly, if more.
        validation_trials: indices of those that are scored.
        seed: of the folds. Every event is scored where it is hidden from the encoder.

    NaN for a member whose factors are not finite.
    """
    chosen = training_trials[:: -(-len(training_trials) // MOST_TRIALS)]
    random = torch.Generator().manual_seed(integer(seed, "reduced-rank folds"))
    fitted, scored = (_sums(model, store, trials, random) for trials in (chosen, validation_trials))
    moments = torch.cat([fitted.second, scored.second], 1)
    finite = torch.isfinite(moments).flatten(1).all(1)
    for sums in (fitted, scored):
        for part in (sums.rows, sums.second, sums.events, sums.sampled):
            part[~finite] = 0.0
    return torch.where(finite, -_gain(fitted, scored), torch.nan).to(torch.get_default_dtype())


@dataclass
class _Sums:
    """Sums over some trials; R rows (a time bin of a trial), averaged over folds.

    Attributes:
        count: R.
        rows: `[P, F]`, factors.
        second: `[P, F, F]`, their products.
        events: `[P, F, N]`, factors at events.
        sampled: `[P, F, N]`, factors at sampled entries.
        event_count, sampled_count: `[N]`.
    """

    count: int
    rows: Tensor
    second: Tensor
    events: Tensor
    sampled: Tensor
    event_count: Tensor
    sampled_count: Tensor

    def covariation(self, mean: Tensor, fraction: Tensor) -> Tensor:
        """Sum of (y - q) (z - mean) over sampled entries, `[P, F, N]`."""
        events = self.events - mean[..., None] * self.event_count
        return events - fraction * (self.sampled - mean[..., None] * self.sampled_count)

    def moment(self, mean: Tensor) -> Tensor:
        """Second moment of the factors about `mean`, `[P, F, F]`."""
        cross = self.rows[:, :, None] * mean[:, None]
        return (self.second - cross - cross.mT) / self.count + mean[:, :, None] * mean[:, None]


def _sums(model: LFADS, store: TrialStore, trials: Tensor, random: torch.Generator) -> _Sums:
    P, F, N = model.population, model.sizes.factors, model.sizes.neurons
    device = store.value.device
    count, event_count, sampled_count = 0, *(torch.zeros(N, device=device, dtype=torch.float64) for _ in range(2))
    rows, second = (torch.zeros(P, F, *more, device=device, dtype=torch.float64) for more in ((), (F,)))
    events, sampled = (torch.zeros(P, F, N, device=device, dtype=torch.float64) for _ in range(2))
    for chunk in trials.split(TRIALS_AT_ONCE):
        batch = store.batch(chunk)
        fold_of = torch.randint(FOLDS, (len(batch.event_value),), generator=random).to(device)
        count += batch.shape[0] * batch.shape[1]
        ones = torch.ones(1, 1, batch.shape[0] * batch.shape[1], device=device, dtype=torch.float64)
        sampled_count += _at_sampled(ones, batch)[0, 0]
        event_count += torch.bincount(batch.event_neuron, minlength=N)
        for fold in range(FOLDS):
            hidden = fold_of == fold
            factors = factors_without(model, batch, hidden).permute(1, 3, 2, 0).flatten(2).double()  # [P, F, B T]
            rows += factors.sum(2) / FOLDS
            second += factors @ factors.mT / FOLDS
            sampled += _at_sampled(factors, batch) / FOLDS
            events.index_add_(2, batch.event_neuron[hidden], factors[:, :, batch.event_row[hidden]])
    return _Sums(count, rows, second, events, sampled, event_count, sampled_count)


def _at_sampled(factors: Tensor, batch: Batch) -> Tensor:
    """Sum of factors `[P, F, R]` over each neuron's sampled rows, `[P, F, N]`."""
    N = batch.shape[2]
    if batch.slot_weight is not None:
        return factors @ batch.slot_weight.view(-1, N).double()
    total = factors.new_zeros(*factors.shape[:2], N)
    for which, neurons in batch.patterns:
        part = (factors if which is None else factors[:, :, which]).sum(2, keepdim=True)
        total[:, :, slice(None) if neurons is None else neurons] += part
    return total


def _gain(fitted: _Sums, scored: _Sums) -> Tensor:
    """Gain of the scored trials at the best rank, `[P]`; at least that of rank 0, which is 0."""
    fraction = fitted.event_count / fitted.sampled_count.clamp_min(1)
    deviation = torch.sqrt(fraction * (1 - fraction))
    inverse = torch.where(deviation > 0, 1 / deviation, 0.0)  # neurons without events (or nothing else) are left out
    mean = fitted.rows / fitted.count
    variance, axes = torch.linalg.eigh(fitted.moment(mean))
    least = SMALLEST_VARIANCE * variance[:, -1:].clamp_min(1e-300)
    whiten = axes * torch.where(variance > least, variance.clamp_min(1e-300).rsqrt(), 0.0)[:, None]
    readout = whiten.mT @ fitted.covariation(mean, fraction) * inverse / fitted.sampled_count.clamp_min(1)
    shared = torch.linalg.svd(readout * fitted.sampled_count.sqrt(), full_matrices=False).U
    project = (whiten @ shared).mT
    readout = shared.mT @ readout
    along = project @ scored.covariation(mean, fraction) * inverse
    linear = (readout * along).sum(2).cumsum(1)
    quadratic = (readout * scored.sampled_count) @ readout.mT * (project @ scored.moment(mean) @ project.mT)
    quadratic = quadratic.cumsum(1).cumsum(2).diagonal(dim1=1, dim2=2)
    gain = (linear - 0.5 * quadratic) / scored.sampled_count.sum()
    return gain.max(1).values.clamp_min(0.0)
