"""The published autoencoder: its gated layers are LSTMs on sequences of length one, to rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from calcium_latents.models.avae.network import Avae, GatedDense, divergence
from calcium_latents.seeds import generator
from calcium_latents.training.streams import Streams

#: encoder (T to D1) and decoder (D1 to T) of the smallest published model, with a short trace
ROLES = {"encoder": (300, 32), "decoder": (32, 300)}


def traces(*shape, dtype=torch.float32, seed=1):
    """Normalised traces: within half a unit of zero."""
    return torch.as_tensor(generator(seed, "tests", "avae").uniform(-0.5, 0.5, shape)).to(dtype)


def literal_lstm(layer: GatedDense, member: int = 0) -> torch.nn.LSTM:
    """The LSTM with the weights of one member, gate by gate: PyTorch's order is input, forget, candidate, output."""
    inputs, outputs = layer.weight.shape[1], layer.weight.shape[2] // 3
    lstm = torch.nn.LSTM(inputs, outputs, batch_first=True).to(layer.weight.dtype)
    with torch.no_grad():
        for ours, theirs in ((0, 0), (1, 2), (2, 3)):
            columns, rows = (slice(gate * outputs, (gate + 1) * outputs) for gate in (ours, theirs))
            lstm.weight_ih_l0[rows] = layer.weight[member, :, columns].T
            lstm.bias_ih_l0[rows] = layer.bias_input[member, 0, columns]
            lstm.bias_hh_l0[rows] = layer.bias_hidden[member, 0, columns]
    return lstm


def gates(values: torch.Tensor, which: str) -> torch.Tensor:
    """Rows of the forget gate, or of the three others, of an LSTM's weights."""
    entry, forget, candidate, exit_ = values.chunk(4)
    return forget if which == "forget" else torch.cat([entry, candidate, exit_])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_a_gated_layer_is_an_lstm_on_a_sequence_of_length_one(role, dtype, tolerance):
    inputs, outputs = ROLES[role]
    layer = GatedDense(inputs, outputs, Streams([3])).to(dtype)
    lstm = literal_lstm(layer)
    x, theirs_x = (traces(7, inputs, dtype=dtype).requires_grad_() for _ in range(2))
    weights = traces(7, outputs, dtype=dtype, seed=2)  # of the outputs in a loss
    ours = layer(x[None])[0]
    theirs = lstm(theirs_x[:, None])[1][0][0]  # the last hidden state, as the authors take it
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    assert ours.std() > 0.01
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    pairs = {
        "input": (x.grad, theirs_x.grad),
        "weight": (layer.weight.grad[0].T, gates(lstm.weight_ih_l0.grad, "others")),
        "bias of the input": (layer.bias_input.grad[0, 0], gates(lstm.bias_ih_l0.grad, "others")),
        "hidden bias": (layer.bias_hidden.grad[0, 0], gates(lstm.bias_hh_l0.grad, "others")),
    }
    for name, (one, other) in pairs.items():
        assert one.abs().max() > 0.01, name
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("role", ROLES)
def test_what_is_left_out_of_the_lstm_never_learns(role):
    inputs, outputs = ROLES[role]
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(inputs, outputs, batch_first=True)
    lstm(traces(7, 1, inputs))[1][0].square().sum().backward()
    assert not lstm.weight_hh_l0.grad.any()
    for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
        assert not gates(getattr(lstm, name).grad, "forget").any(), name
        assert gates(getattr(lstm, name).grad, "others").abs().min() > 0, name


@pytest.mark.parametrize(("hidden", "latents", "part"), [(32, 2, 0.997), (256, 16, 0.975)])
def test_the_part_of_published_parameters_that_never_learns(hidden, latents, part):
    samples = 15_000
    with torch.device("meta"):
        lstms = torch.nn.LSTM(samples, hidden), torch.nn.LSTM(hidden, samples)
        linear = *(torch.nn.Linear(hidden, latents) for _ in range(2)), torch.nn.Linear(latents, hidden)
    published = sum(p.numel() for layer in (*lstms, *linear) for p in layer.parameters())

    def ours(samples):
        model = Avae(samples, hidden, latents, Streams([0]))
        return sum(p.numel() for p in model.parameters())

    live = ours(1) + (samples - 1) * (ours(2) - ours(1))  # linear in the number of samples
    assert 1 - live / published == pytest.approx(part, abs=5e-4)


class Literal(torch.nn.Module):
    """The authors' model as PyTorch's own layers."""

    def __init__(self, model: Avae, member: int):
        super().__init__()
        self.encoder, self.decoder = literal_lstm(model.encoder, member), literal_lstm(model.decoder, member)
        for name in ("mean", "log_variance", "expand"):
            weight, bias = (getattr(getattr(model, name), part)[member].detach() for part in ("weight", "bias"))
            layer = torch.nn.Linear(*weight.shape)
            layer.weight.data, layer.bias.data = weight.T.contiguous(), bias[0]
            setattr(self, name, layer)

    def forward(self, x, noise):
        hidden = self.encoder(x[:, None])[1][0][0]
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(self.expand(z)[:, None])[1][0][0], mean, log_variance


def test_the_whole_model_is_the_authors():
    model = Avae(40, 16, 3, Streams([1, 2]))
    x, noise = traces(2, 9, 40), torch.as_tensor(generator(1, "noise").normal(size=(2, 9, 3))).float()
    ours = model(x, noise)
    for member in range(2):
        theirs = Literal(model, member)(x[member], noise[member])
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one[member], other, rtol=1e-6, atol=1e-6)


def test_a_population_is_its_members_one_by_one():
    seeds = [3, 1, 2]
    together = Avae(25, 8, 2, Streams(seeds))
    x, noise = traces(3, 6, 25), torch.zeros(3, 6, 2)
    for member, seed in enumerate(seeds):
        alone = Avae(25, 8, 2, Streams([seed]))
        for name, value in alone.state_dict().items():
            assert torch.equal(value[0], together.state_dict()[name][member]), name
        one = slice(member, member + 1)
        for ours, theirs in zip(together(x, noise), alone(x[one], noise[one]), strict=True):
            torch.testing.assert_close(ours[one], theirs, rtol=1e-6, atol=1e-6)
    assert not torch.equal(together.mean.weight[0], together.mean.weight[1])


def test_without_noise_the_reconstruction_is_that_of_the_mean():
    model = Avae(25, 8, 2, Streams([1]))
    x = traces(1, 6, 25)
    reconstruction, mean, log_variance = model(x, torch.zeros(1, 6, 2))
    assert torch.equal(reconstruction, model.decode(mean))
    noise = traces(1, 6, 2, seed=5)
    moved = model(x, noise)[0]
    torch.testing.assert_close(moved, model.decode(mean + noise * (log_variance / 2).exp()))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(0, 5), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1e4))
def test_any_shape_and_outputs_that_cannot_leave_their_range(members, rows, inputs, outputs, size):
    layer = GatedDense(inputs, outputs, Streams(range(members)))
    x = size * traces(members, rows, inputs)
    found = layer(x)
    assert found.shape == (members, rows, outputs)
    assert (found.abs() <= np.tanh(1) + 1e-6).all()


def test_first_weights_are_uniform_as_pytorchs_are():
    torch.manual_seed(1)
    model = Avae(400, 64, 8, Streams([1]))
    lstm, linear = torch.nn.LSTM(400, 64), torch.nn.Linear(64, 8)
    for ours, theirs in (
        (model.encoder.weight, lstm.weight_ih_l0),
        (model.encoder.bias_hidden, lstm.bias_hh_l0),
        (model.decoder.weight, torch.nn.LSTM(64, 400).weight_ih_l0),
        (model.mean.weight, linear.weight),
        (model.expand.weight, torch.nn.Linear(8, 64).weight),
    ):
        bound = float(theirs.detach().abs().max())
        assert float(ours.abs().max()) == pytest.approx(bound, rel=0.03)
        assert float(ours.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 999), st.floats(0.1, 5))
def test_the_divergence_is_that_of_gaussians(shape, seed, size):
    random = generator(seed, "tests", "divergence")
    mean, log_variance = (torch.as_tensor(size * random.normal(size=shape)) for _ in range(2))
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(divergence(mean, log_variance), expected, rtol=1e-9, atol=1e-12)


def test_the_divergence_is_zero_at_the_prior_alone():
    zero = torch.zeros(4, 3, dtype=torch.float64)
    assert not divergence(zero, zero).any()
    assert (divergence(zero + 0.01, zero) > 0).all() and (divergence(zero, zero - 0.01) > 0).all()


def test_gradients_of_the_whole_model_against_finite_differences():
    model = Avae(6, 4, 2, Streams([1, 2])).double()
    x = traces(2, 3, 6, dtype=torch.float64).requires_grad_()
    noise = traces(2, 3, 2, dtype=torch.float64, seed=3)
    assert torch.autograd.gradcheck(lambda x, *_: model(x, noise), (x, *model.parameters()))
