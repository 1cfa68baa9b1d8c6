"""LFADS with a zero-inflated gamma in plain PyTorch, of the sizes of ours: modules, autograd, every entry computed."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.models.lfads.parameters import LFADSSizes

EVENT_MINIMUM, DROPOUT, KL_INITIAL, KL_INPUTS, L2, CLIP = 0.0999, 0.3, 1e-5, 1e-5, 1e-3, 300.0
FLOOR = 1e-5


class PlainLFADS(nn.Module):
    """Bidirectional `nn.GRU` encoders, and controller and generator of `nn.GRUCell` in a loop over time."""

    def __init__(self, sizes: LFADSSizes):
        super().__init__()
        self.sizes = sizes
        E, C, G, F = sizes.encoder, sizes.controller, sizes.generator, sizes.factors
        self.initial_encoder = nn.GRU(sizes.neurons, E, batch_first=True, bidirectional=True)
        self.input_encoder = nn.GRU(sizes.neurons, E, batch_first=True, bidirectional=True)
        self.initial_posterior = nn.Linear(2 * E, 2 * sizes.initial_condition)
        self.generator_initial = nn.Linear(sizes.initial_condition, G)
        self.controller = nn.GRUCell(2 * E + F, C)
        self.inputs = nn.Linear(C, 2 * sizes.inferred_inputs)
        self.generator = nn.GRUCell(sizes.inferred_inputs, G)
        self.factors = nn.Linear(G, F, bias=False)
        self.readout = nn.Linear(F, 3 * sizes.neurons)
        self.sigmoid_scale = nn.Parameter(torch.full((2, sizes.neurons), 20.0))
        self.prior_mean = nn.Parameter(torch.zeros(sizes.initial_condition))
        self.prior_time_constant = nn.Parameter(torch.full((sizes.inferred_inputs,), 10.0).log())
        self.prior_variance = nn.Parameter(torch.full((sizes.inferred_inputs,), 0.1).log())
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits `[B, T, 3 N]` of events `[B, T, N]`, and the weighted divergences of the batch."""
        events = self.dropout(events)
        last = self.initial_encoder(events)[1].permute(1, 0, 2).flatten(1)
        codes = self.input_encoder(events)[0]
        mean, log_variance = self.initial_posterior(self.dropout(last)).chunk(2, dim=1)
        variance = log_variance.exp() + self.sizes.posterior_variance_minimum
        state = self.generator_initial(mean + variance.sqrt() * torch.randn_like(mean))
        prior = self.sizes.initial_condition_prior_variance
        divergence = (variance + (mean - self.prior_mean) ** 2) / prior - 1 - (variance / prior).log()
        control, factors = codes.new_zeros(len(codes), self.sizes.controller), self.factors(self.dropout(state))
        all_factors, all_means, all_logs, all_inputs = [], [], [], []
        for code in codes.unbind(1):
            control = self.controller(torch.cat([code, factors], dim=1), control)
            input_mean, input_log = self.inputs(self.dropout(control)).chunk(2, dim=1)
            drawn = input_mean + (0.5 * input_log).exp() * torch.randn_like(input_mean)
            state = self.generator(drawn, state).clamp(-self.sizes.state_clip, self.sizes.state_clip)
            factors = self.factors(self.dropout(state))
            for kept, value in zip(
                (all_factors, all_means, all_logs, all_inputs), (factors, input_mean, input_log, drawn), strict=True
            ):
                kept.append(value)
        inputs = self._input_divergence(*(torch.stack(kept, dim=1) for kept in (all_means, all_logs, all_inputs)))
        weighted = KL_INITIAL * 0.5 * divergence.sum(1).mean() + KL_INPUTS * inputs
        return self.readout(torch.stack(all_factors, dim=1)), weighted

    def _input_divergence(self, mean: Tensor, log_variance: Tensor, drawn: Tensor) -> Tensor:
        """Log posterior less log density of the autoregressive prior at the draw, summed over `[time, input]`."""
        alpha, variance = torch.exp(-1 / self.prior_time_constant.exp()), self.prior_variance.exp()
        before = functional.pad(drawn[:, :-1], (0, 0, 1, 0))
        posterior = -0.5 * (log_variance + (drawn - mean) ** 2 / log_variance.exp())
        step = variance * (1 - alpha**2)
        prior = -0.5 * (step.log() + (drawn - alpha * before) ** 2 / step)
        return (posterior - prior).sum((1, 2)).mean()

    def loss(self, events: Tensor) -> Tensor:
        """Return the negative log-likelihood of the sampled entries of `[B, T, N]` (NaN: not sampled) and penalties."""
        sampled = torch.isfinite(events)
        values = torch.where(sampled, events, 0.0)
        logits, divergences = self(values)
        shape_logit, scale_logit, odds = logits.unflatten(2, (3, -1)).unbind(2)
        shape = self.sigmoid_scale[0] * torch.sigmoid(shape_logit) + FLOOR
        scale = self.sigmoid_scale[1] * torch.sigmoid(scale_logit) + FLOOR
        excess = torch.where(values > 0, values - EVENT_MINIMUM, 1.0)
        gamma = (shape - 1) * excess.log() - excess / scale - shape * scale.log() - torch.lgamma(shape)
        likelihood = torch.where(values > 0, functional.logsigmoid(odds) + gamma, functional.logsigmoid(-odds))
        kernels = [weight for name, weight in self.named_parameters() if "weight_hh" in name]
        l2 = sum(kernel.pow(2).sum() for kernel in kernels) / sum(kernel.numel() for kernel in kernels)
        return -(likelihood * sampled).sum() / sampled.sum() + divergences + 0.5 * L2 * l2


class PlainTraining:
    """Adam with gradients clipped."""

    def __init__(self, sizes: LFADSSizes):
        self.model = PlainLFADS(sizes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3)

    def step(self, events: Tensor) -> float:
        """Train on `[B, T, N]`; return the loss."""
        self.optimizer.zero_grad()
        loss = self.model.loss(events)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return float(loss.detach())
