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
        to_weight, to_bias = new(P, K, N, F), new(P, K, N)
        to_scale = new(P, 2, N)
        drawn = new(0, 0) if weights.drawn is None else weights.drawn
        mask = new(0) if batch.slot_weight is None else batch.slot_weight.to(factors.dtype)
        of_neurons = torch.ones(N, dtype=factors.dtype) if weights.neurons is None else weights.neurons
        zeros, every = array(weights.zeros.to(factors.dtype)), torch.arange(N)
        common = (array(drawn.to(factors.dtype)), array(mask))
        offset = 0
        for which, neurons in batch.patterns:
            columns = every if neurons is None else neurons
            chosen = torch.arange(B * T) if which is None else which
            readout = weight[:, :, K - 1][..., columns].contiguous()  # [P, F, n]
            dense, dense_bias = new(LANES, P, F, len(columns)), new(LANES, P, len(columns))
            run_tasks(
                _zeros,
                LANES,
                total,
                rows,
                to_rows.numpy(),
                dense.numpy(),
                dense_bias.numpy(),
                chosen.numpy(),
                array(readout),
                array(readout.mT),
                array(bias[:, K - 1][:, columns]),
                zeros,
                array(of_neurons[columns].to(factors.dtype)),
                *common,
                offset,
                poisson,
                needed,
            )
            if needed:
                to_weight[:, K - 1, columns] += dense.sum(0).mT
                to_bias[:, K - 1, columns] += dense_bias.sum(0)
            offset += len(chosen) * len(columns)
        lanes_weight, lanes_bias = new(LANES, P, K, N, F), new(LANES, P, K, N)
        lanes_scale = new(LANES, P, 2, N)
        minimum = 0.0 if poisson else observation.event_minimum
        run_tasks(
            _events,
            LANES,
            total,
            rows,
            to_rows.numpy(),
            lanes_weight.numpy(),
            lanes_bias.numpy(),
            lanes_scale.numpy(),
            array(weight.permute(0, 2, 3, 1)),
            array(bias),
            array(scale),
            batch.event_row.numpy(),
            batch.event_neuron.numpy(),
            batch.event_slot.numpy(),
            array(batch.event_value),
            array(weights.events.to(factors.dtype)),
            zeros,
            array(of_neurons.to(factors.dtype)),
            *common,
            minimum,
            RELATIVE_GAP * max(minimum, 1e-6),
            poisson,
            weights.sizes,
            needed,
        )
        if needed:
            to_weight += lanes_weight.sum(0)
            to_bias += lanes_bias.sum(0)
            to_scale += lanes_scale.sum(0)
        ctx.gradients = (to_rows, to_weight, to_bias, to_scale)
        return torch.from_numpy(total.sum(0)).to(factors.dtype)

    @staticmethod
    def backward(ctx, grad):
        to_rows, to_weight, to_bias, to_scale = (
            value.mul_(grad.view(-1, *[1] * (value.dim() - 1))) for value in ctx.gradients
        )
        ctx.gradients = None
        return to_rows.transpose(0, 1), to_weight.permute(0, 3, 1, 2), to_bias, to_scale, None, None, None, None


@compiled
def _zeros(
    first,
    step,
    total,
    rows,
    to_rows,
    to_weight,
    to_bias,
    chosen,
    readout,
    readout_transposed,
    bias,
    zeros,
    of_neurons,
    drawn,
    mask,
    offset,
    poisson,
    needed,
):
    """Every sampled entry as if it were zero; `chosen` are rows in the order trial, bin."""
    P, T, B, F = rows.shape
    n, kind = readout.shape[2], rows.dtype
    bound, nothing, one = kind.type(LOGIT_BOUND), kind.type(0), kind.type(1)
    x, logits, to_x = np.empty((TILE, F), kind), np.empty((TILE, n), kind), np.empty((TILE, F), kind)
    to_readout = np.empty((F, n), kind)
    weight = np.empty(n, kind)
    tiles = (len(chosen) + TILE - 1) // TILE
    for lane in range(first, LANES, step):
        for p in range(P):
            for tile in range(lane, tiles, LANES):
                low = tile * TILE
                size = min(TILE, len(chosen) - low)
                for i in range(size):
                    b, t = chosen[low + i] // T, chosen[low + i] % T
                    x[i] = rows[p, t, b]
                np.dot(x[:size], readout[p], logits[:size])
                for i in range(size):
                    slot = offset + (low + i) * n
                    for j in range(n):
                        weight[j] = zeros[p] * of_neurons[j]
                    if drawn.size:
                        for j in range(n):
                            weight[j] *= drawn[p, slot + j]
                    if mask.size:
                        for j in range(n):
                            weight[j] *= mask[slot + j]
                    here = nothing
                    if poisson:
                        for j in range(n):
                            value = -weight[j] * exponential(logits[i, j] + bias[p, j])
                            here += value
                            logits[i, j] = value
                    else:
                        for j in range(n):
                            logit = logits[i, j] + bias[p, j]
                            inside = one if abs(logit) <= bound else nothing
                            logit = bound if logit > bound else logit
                            logit = -bound if logit < -bound else logit
                            here -= weight[j] * log_one_plus_exp(logit)
                            logits[i, j] = -weight[j] * sigmoid(logit) * inside
                    total[lane, p] += here
                if needed:
                    np.dot(logits[:size], readout_transposed[p], to_x[:size])
                    np.dot(x[:size].T, logits[:size], to_readout)
                    to_weight[lane, p] += to_readout
                    for i in range(size):
                        b, t = chosen[low + i] // T, chosen[low + i] % T
                        to_rows[p, t, b] = to_x[i]
                        for j in range(n):
                            to_bias[lane, p, j] += logits[i, j]


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
