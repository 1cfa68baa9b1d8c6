"""The weighted log-likelihood in compiled loops, with its gradient: the same as `likelihood.plain_likelihood`.

Zeros need one logit (the event probability, or the log rate), by one matrix product over the sampled entries; events,
a few percent of them, need the others too, by dot products of their own. The likelihood is a sum, so every entry's
gradient is known when its value is: it is formed on the way, and no array of all entries is kept.
"""

import math

import numpy as np
import torch
from torch import Tensor

from calcium_latents.distributions.excess import RELATIVE_GAP
from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.compiled.math import (
    compiled,
    exponential,
    log_gamma_and_digamma,
    log_one_plus_exp,
    sigmoid,
)
from calcium_latents.models.lfads.compiled.tasks import array, run_tasks
from calcium_latents.models.lfads.observation import LOGIT_BOUND, PARAMETER_FLOOR, PoissonObservation

TILE = 256  # rows a matrix product
LANES = 8  # sums are kept in so many parts, whatever the number of threads: the result does not depend on it


def compiled_likelihood(model, factors: Tensor, batch: Batch, weights) -> Tensor:
    """See `likelihood.log_likelihood`: factors `[T, P, B, F]` to `[P]`."""
    scale = getattr(model.observation, "sigmoid_scale", None)
    if scale is None:
        scale = factors.new_zeros(model.population, 2, model.sizes.neurons)
    return _Likelihood.apply(
        factors,
        model.readout_weight,
        model.readout_bias,
        scale,
        model.observation,
        batch,
        weights,
        torch.is_grad_enabled(),
    )


class _Likelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx, factors, weight, bias, scale, observation, batch, weights, needed):
        (T, P, B, F), (_, _, K, N) = factors.shape, weight.shape
        poisson = isinstance(observation, PoissonObservation)
        rows = array(factors.transpose(0, 1))  # [P, T, B, F]
        new = factors.new_zeros
        total = np.zeros((LANES, P))
        to_rows = new(P, T, B, F) if needed else new(P, 0, 0, 0)
        drawn = new(0, 0) if weights.drawn is None else weights.drawn
        mask = new(0) if batch.slot_weight is None else batch.slot_weight.to(factors.dtype)
        of_neurons = torch.ones(N, dtype=factors.dtype) if weights.neurons is None else weights.neurons
        zeros = array(weights.zeros.to(factors.dtype))
        common = zeros, array(of_neurons.to(factors.dtype)), array(drawn.to(factors.dtype)), array(mask)
        lanes_weight, lanes_bias = new(LANES, P, K, N, F), new(LANES, P, K, N)
        lanes_scale = new(LANES, P, 2, N)
        by_neuron = array(weight.permute(0, 2, 3, 1))  # [P, K, N, F]
        chosen = [torch.arange(B * T) if which is None else which for which, _ in batch.patterns]
        columns = [torch.arange(N) if neurons is None else neurons for _, neurons in batch.patterns]
        sums = total, rows, to_rows.numpy(), lanes_weight.numpy(), lanes_bias.numpy()
        run_tasks(
            _zeros,
            LANES,
            *sums,
            by_neuron,
            array(bias),
            *_joined(chosen),
            *_joined(columns),
            *common,
            poisson,
            needed,
        )
        minimum = 0.0 if poisson else observation.event_minimum
        run_tasks(
            _events,
            LANES,
            *sums,
            lanes_scale.numpy(),
            by_neuron,
            array(bias),
            array(scale),
            batch.event_row.numpy(),
            batch.event_neuron.numpy(),
            batch.event_slot.numpy(),
            array(batch.event_value),
            array(weights.events.to(factors.dtype)),
            *common,
            minimum,
            RELATIVE_GAP * max(minimum, 1e-6),
            poisson,
            weights.sizes,
            needed,
        )
        ctx.gradients = (to_rows, lanes_weight.sum(0), lanes_bias.sum(0), lanes_scale.sum(0)) if needed else None
        return torch.from_numpy(total.sum(0)).to(factors.dtype)

    @staticmethod
    def backward(ctx, grad):
        to_rows, to_weight, to_bias, to_scale = (
            value.mul_(grad.view(-1, *[1] * (value.dim() - 1))) for value in ctx.gradients
        )
        ctx.gradients = None
        return to_rows.transpose(0, 1), to_weight.permute(0, 3, 1, 2), to_bias, to_scale, None, None, None, None


def _joined(parts: list[Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """All parts one after another, and where each starts and the last ends."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    return torch.cat([*parts, torch.arange(0)]).numpy(), starts


@compiled
def _zeros(
    first,
    step,
    total,
    rows,
    to_rows,
    to_weight,
    to_bias,
    readouts,
    biases,
    chosen,
    first_chosen,
    columns,
    first_column,
    zeros,
    of_neurons,
    drawn,
    mask,
    poisson,
    needed,
):
    """Every sampled entry as if it were zero, pattern by pattern; `chosen` are rows in the order trial, bin."""
    P, T, B, F = rows.shape
    K, kind = readouts.shape[1], rows.dtype
    bound, nothing, one = kind.type(LOGIT_BOUND), kind.type(0), kind.type(1)
    x, to_x = np.empty((TILE, F), kind), np.empty((TILE, F), kind)
    for lane in range(first, LANES, step):
        offset = 0
        for pattern in range(len(first_chosen) - 1):
            which = chosen[first_chosen[pattern] : first_chosen[pattern + 1]]
            neurons = columns[first_column[pattern] : first_column[pattern + 1]]
            n, tiles = len(neurons), (len(which) + TILE - 1) // TILE
            logits, to_readout = np.empty((TILE, n), kind), np.empty((n, F), kind)
            readout, readout_transposed = np.empty((n, F), kind), np.empty((F, n), kind)
            bias, to_offset, weight = np.empty(n, kind), np.empty(n, kind), np.empty(n, kind)
            for p in range(P):
                for j in range(n):
                    readout[j] = readouts[p, K - 1, neurons[j]]
                    readout_transposed[:, j] = readout[j]
                    bias[j] = biases[p, K - 1, neurons[j]]
                for tile in range(lane, tiles, LANES):
                    low = tile * TILE
                    size = min(TILE, len(which) - low)
                    for i in range(size):
                        b, t = which[low + i] // T, which[low + i] % T
                        x[i] = rows[p, t, b]
                    np.dot(x[:size], readout_transposed, logits[:size])
                    to_offset[:] = nothing
                    for i in range(size):
                        slot, logit_row = offset + (low + i) * n, logits[i]
                        for j in range(n):
                            weight[j] = zeros[p] * of_neurons[neurons[j]]
                        if drawn.size:
                            for j in range(n):
                                weight[j] *= drawn[p, slot + j]
                        if mask.size:
                            for j in range(n):
                                weight[j] *= mask[slot + j]
                        here = nothing
                        if poisson:
                            for j in range(n):
                                value = -weight[j] * exponential(logit_row[j] + bias[j])
                                here += value
                                logit_row[j] = value
                        else:
                            for j in range(n):
                                logit = logit_row[j] + bias[j]
                                inside = one if abs(logit) <= bound else nothing
                                logit = bound if logit > bound else logit
                                logit = -bound if logit < -bound else logit
                                here -= weight[j] * log_one_plus_exp(logit)
                                logit_row[j] = -weight[j] * sigmoid(logit) * inside
                        total[lane, p] += here
                        if needed:
                            for j in range(n):
                                to_offset[j] += logit_row[j]
                    if needed:
                        np.dot(logits[:size], readout, to_x[:size])
                        np.dot(logits[:size].T, x[:size], to_readout)
                        for j in range(n):
                            to_weight[lane, p, K - 1, neurons[j]] += to_readout[j]
                            to_bias[lane, p, K - 1, neurons[j]] += to_offset[j]
                        for i in range(size):
                            b, t = which[low + i] // T, which[low + i] % T
                            to_rows[p, t, b] = to_x[i]
            offset += len(which) * n


@compiled
def _events(
    first,
    step,
    total,
    rows,
    to_rows,
    to_weight,
    to_bias,
    to_scale,
    weight,
    bias,
    scale,
    event_row,
    event_neuron,
    event_slot,
    event_value,
    event_weight,
    zeros,
    of_neurons,
    drawn,
    mask,
    minimum,
    gap,
    poisson,
    sizes,
    needed,
):
    """What events have above the zeros that `_zeros` took them for."""
    P, T, B, F = rows.shape
    K, kind = weight.shape[1], rows.dtype
    floor = PARAMETER_FLOOR
    logits, to_logits = np.empty(K, kind), np.empty(K, kind)
    values, kept, to_values = np.empty(2), np.empty(2), np.empty(2)
    for lane in range(first, LANES, step):
        # a row belongs to one lane: rows are in order, and lanes are stretches of rows
        start = np.searchsorted(event_row, lane * T * B // LANES)
        stop = np.searchsorted(event_row, (lane + 1) * T * B // LANES)
        for p in range(P):
            for e in range(start, stop):
                b, t, neuron = event_row[e] // T, event_row[e] % T, event_neuron[e]
                x, h, taken = rows[p, t, b], float(event_weight[p, e]), float(zeros[p] * of_neurons[neuron])
                if drawn.size:
                    taken *= drawn[p, event_slot[e]]
                if mask.size:
                    taken *= mask[event_slot[e]]
                if h == 0 and taken == 0:
                    continue
                scored = sizes and h != 0
                for k in range(0 if scored else K - 1, K):
                    sum_ = bias[p, k, neuron]
                    for j in range(F):
                        sum_ += x[j] * weight[p, k, neuron, j]
                    logits[k] = sum_
                logit = float(logits[K - 1])
                to_logits[:] = 0
                if poisson:
                    rate = math.exp(logit)
                    value = float(event_value[e])
                    if sizes:
                        total[lane, p] += (taken - h) * rate + h * (value * logit - math.lgamma(value + 1.0))
                        to_logits[0] = (taken - h) * rate + h * value
                    else:
                        total[lane, p] += taken * rate + h * math.log(-math.expm1(-rate))
                        to_logits[0] = taken * rate + h * rate / math.expm1(rate)
                else:
                    inside = abs(logit) <= LOGIT_BOUND
                    logit = min(max(logit, -LOGIT_BOUND), LOGIT_BOUND)
                    zero = -max(logit, 0.0) - math.log1p(math.exp(-abs(logit)))
                    total[lane, p] += (h - taken) * zero + h * logit
                    if inside:
                        to_logits[2] = h - (h - taken) / (1.0 + math.exp(-logit))
                    if scored:
                        for k in range(2):
                            values[k] = 1.0 / (1.0 + math.exp(-float(logits[k])))
                            top = max(scale[p, k, neuron] - floor, floor)
                            value = values[k] * scale[p, k, neuron]
                            kept[k] = min(max(value, floor), top)
                            to_values[k] = 1.0 if floor <= value <= top else 0.0
                        size = max(float(event_value[e]) - minimum, gap)
                        shape, spread = kept
                        log_gamma, digamma = log_gamma_and_digamma(shape)
                        log_size, log_spread = math.log(size), math.log(spread)
                        total[lane, p] += h * (
                            (shape - 1.0) * log_size - size / spread - shape * log_spread - log_gamma
                        )
                        slopes = (log_size - log_spread - digamma, (size / spread - shape) / spread)
                        for k in range(2):
                            s = h * slopes[k]
                            # beyond the upper clamp the parameter is the scale itself, less a constant
                            above = kept[k] < values[k] * scale[p, k, neuron] and scale[p, k, neuron] > 2 * floor
                            to_scale[lane, p, k, neuron] += s * (values[k] * to_values[k] + (1.0 if above else 0.0))
                            slope = to_values[k] * scale[p, k, neuron] * values[k] * (1.0 - values[k])
                            to_logits[k] = s * slope
                if needed:
                    for k in range(K):
                        d = to_logits[k]
                        if d != 0:
                            to_bias[lane, p, k, neuron] += d
                            for j in range(F):
                                to_weight[lane, p, k, neuron, j] += d * x[j]
                            for j in range(F):
                                to_rows[p, t, b, j] += d * weight[p, k, neuron, j]
