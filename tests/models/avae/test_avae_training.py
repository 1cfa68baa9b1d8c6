"""Training of the published autoencoder: the authors' loop, early stopping, interruption, and members apart."""

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_traces import run_training, trace_recording, write

from calcium_latents.models.avae.family import AvaeFamily
from calcium_latents.models.avae.network import Avae
from calcium_latents.models.avae.parameters import AvaeOptions
from calcium_latents.models.avae.training import AvaeFit
from calcium_latents.models.traces import member_queue
from calcium_latents.models.traces.member_queue import batches_of_equals
from calcium_latents.models.traces.neuron_traces import Member, normalise
from calcium_latents.recordings import read_embedding, read_recording
from calcium_latents.seeds import generator
from calcium_latents.training.streams import Streams

CPU = torch.device("cpu")
OPTIONS = AvaeOptions(epochs=60, batch_size=8, learning_rate=5e-3, patience=3, smallest_gain=0.02)


def traces(neurons=40, samples=30, seed=1):
    random = generator(seed, "tests", "avae training")
    waves = np.sin(np.arange(samples) * random.uniform(0.1, 0.4, (neurons, 1)))
    return (0.3 * waves + 0.05 * random.normal(size=waves.shape)).astype(np.float32)


def neurons(members, partitioned=None):
    """Training [M, 30] and stopping [M, 10] neurons of each member."""
    orders = [generator(m, "tests", "neurons").permutation(40) for m in (partitioned or range(members))]
    return np.stack([order[:30] for order in orders]), np.stack([order[30:] for order in orders])


def make_fit(betas, seeds, options=OPTIONS, partitions=None):
    return AvaeFit(traces(), *neurons(len(betas), partitions), 8, 2, betas, seeds, options)


def run(fit):
    """Train until the end as the queue does."""
    fit.start(CPU)
    for _ in range(fit.options.epochs):
        if fit.round():
            break
    return fit


class Published(torch.nn.Module):
    """The authors' model of PyTorch's own layers, starting with a member's weights."""

    def __init__(self, model: Avae):
        super().__init__()
        self.encoder, self.decoder = self.lstm(model.encoder), self.lstm(model.decoder)
        self.mean, self.log_variance, self.expand = map(self.linear, (model.mean, model.log_variance, model.expand))

    @staticmethod
    def lstm(layer):
        inputs, outputs = layer.weight.shape[1], layer.weight.shape[2] // 3
        lstm = torch.nn.LSTM(inputs, outputs, batch_first=True)
        pairs = (
            ("weight_ih_l0", layer.weight[0].T),
            ("bias_ih_l0", layer.bias_input[0, 0]),
            ("bias_hh_l0", layer.bias_hidden[0, 0]),
        )
        for name, ours in pairs:
            entry, candidate, exit_ = ours.detach().chunk(3)
            forget = torch.zeros_like(entry)  # never matters
            getattr(lstm, name).data = torch.cat([entry, forget, candidate, exit_]).contiguous()
        lstm.weight_hh_l0.data.zero_()  # nor does this
        return lstm

    @staticmethod
    def linear(layer):
        weight, bias = layer.weight[0].detach(), layer.bias[0, 0].detach()
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.T.clone(), bias.clone()
        return linear

    def loss(self, x, noise, beta):
        """Summed over traces and time."""
        hidden = self.encoder(x[:, None])[1][0][0]
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + noise * torch.exp(0.5 * log_variance)
        reconstruction = self.decoder(self.expand(z)[:, None])[1][0][0]
        divergence = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        return torch.sum((reconstruction - x) ** 2) + beta * divergence


def plain_loop(beta, seed, training, stopping, options):
    """The authors' training, written as they do; random numbers drawn in the same order as ours."""
    values, streams = torch.as_tensor(traces()), Streams([seed])
    model = Published(Avae(values.shape[1], 8, 2, streams))
    random = streams.generators[0]
    optimizer = torch.optim.Adam(model.parameters(), options.learning_rate, (0.9, 0.999), 1e-6)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, options.learning_rate_decay)
    smallest, waited, rows = float("inf"), 0, []
    for _ in range(options.epochs):
        order = torch.as_tensor(training)[torch.rand(len(training), generator=random).argsort()]
        batches, total = order.split(options.batch_size), 0.0
        for batch in batches:
            noise = torch.randn(len(batch), 2, generator=random)
            loss = model.loss(values[batch], noise, beta) / options.batch_size
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), options.gradient_clip)
            optimizer.step()
            total += loss.item() * options.batch_size
        schedule.step()
        with torch.no_grad():
            noise = torch.randn(len(stopping), 2, generator=random)
            held_out = model.loss(values[stopping], noise, beta).item() / len(stopping) / len(batches)
        rows.append((total / len(training), held_out))
        if held_out < smallest - options.smallest_gain:
            smallest, waited = held_out, 0
        else:
            waited += 1
        if waited == options.patience:
            break
    return model, rows


def test_training_is_the_authors_loop_with_their_layers():
    """Two members, each of which stops by itself; 30 traces are three batches of 8 and one of 6."""
    betas, seeds = [0.5, 0.0], [11, 12]
    fit = run(make_fit(betas, seeds))
    table = pd.DataFrame(fit.rows())
    stops = []
    for member, (beta, seed, training, stopping) in enumerate(zip(betas, seeds, *neurons(2), strict=True)):
        model, rows = plain_loop(beta, seed, training, stopping, OPTIONS)
        own = table[table["member"] == member]
        assert own["epoch"].tolist() == list(range(1, len(rows) + 1))
        np.testing.assert_allclose(own[["training_loss", "stopping_loss"]], rows, rtol=2e-4)
        stops.append(len(rows))
        for name, value in Published(restored(fit.results()[member]["state"])).named_parameters():
            if name == "encoder.weight_ih_l0" or not name.startswith(("encoder", "decoder")):
                theirs = dict(model.named_parameters())[name]
                torch.testing.assert_close(value, theirs, rtol=2e-3, atol=2e-4, msg=f"{name} of member {member}")
    assert OPTIONS.patience < min(stops) < max(stops) < OPTIONS.epochs


def restored(state):
    model = Avae(30, 8, 2, Streams([0]))
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 10),  # gains all the time
        ([10, 10, 10, 10, 10], 4),
        ([10, 9, 9, 9, 9], 5),
        ([10, 9, 8.97, 8.94, 8.91, 1], 5),  # each gain is too small against the smallest of before, 9
        ([10, 9, 8.96, 8.92, 8.7, 8.7, 8.7, 8.7, 8.7], 8),  # small gains add up
        ([10, 12, 12, 9, 12, 12, 9, 1], 7),
        ([10, np.nan, np.nan, np.nan, 1], 4),
        ([np.nan, np.nan, np.nan, 1], 3),
        ([np.inf, 10, 9, 9, 9, 9], 6),
    ],
)
def test_the_stopping_rule(losses, epochs, monkeypatch):
    """Three epochs without a gain of 0.1 on the smallest loss before."""
    options = AvaeOptions(epochs=len(losses), batch_size=30, patience=3, smallest_gain=0.1)
    fit = make_fit([0.5], [1], options)
    own = fit._loss
    told = iter(losses)

    def loss(chosen):
        value = own(chosen)
        return value if chosen is not fit.stopping else torch.full_like(value, next(told) * chosen.shape[1])

    monkeypatch.setattr(fit, "_loss", loss)
    run(fit)
    table = pd.DataFrame(fit.rows())
    assert len(table) == fit.epoch == epochs
    np.testing.assert_allclose(table["stopping_loss"], losses[:epochs], rtol=1e-6)


def test_a_population_is_its_members_one_by_one():
    """Weights, losses and stops are those of members alone, though some stop long before others."""
    betas, seeds = [0.5, 0.0, 1.0], [1, 2, 3]
    together = run(make_fit(betas, seeds))
    table = pd.DataFrame(together.rows())
    assert table.groupby("member").size().nunique() > 1
    for member, (beta, seed) in enumerate(zip(betas, seeds, strict=True)):
        alone = run(make_fit([beta], [seed], partitions=[member]))
        own, theirs = table[table["member"] == member], pd.DataFrame(alone.rows())
        np.testing.assert_allclose(own.drop(columns="member"), theirs.drop(columns="member"), rtol=1e-3, atol=1e-4)
        for name, value in alone.results()[0]["state"].items():
            torch.testing.assert_close(together.results()[member]["state"][name], value, rtol=1e-3, atol=1e-3)


def test_stopped_members_keep_their_last_weights():
    fit = make_fit([0.5, 0.0], [11, 12])
    fit.start(CPU)
    kept = None
    while not fit.round():
        (stopped,) = np.nonzero(fit.stopped.numpy())
        if kept is None and len(stopped) == 1:
            kept = stopped[0], fit.results()[stopped[0]]["state"]
    assert kept is not None
    for name, value in fit.results()[kept[0]]["state"].items():
        assert torch.equal(value, kept[1][name]), name


@pytest.mark.parametrize("since", [0, 4])
def test_a_member_that_is_not_finite_stops_and_leaves_the_others_alone(since, monkeypatch):
    betas, seeds = [0.5, 0.0], [11, 12]
    alone = run(make_fit([0.0], [12], partitions=[1]))
    fit = make_fit(betas, seeds)
    own = fit._loss

    def loss(chosen):
        value = own(chosen)
        return value * torch.tensor([np.nan if fit.epoch >= since else 1.0, 1.0])

    monkeypatch.setattr(fit, "_loss", loss)
    run(fit)
    table = pd.DataFrame(fit.rows())
    bad = table[table["member"] == 0]
    assert len(bad) == since + OPTIONS.patience and np.isnan(bad["training_loss"].iloc[since:]).all()
    assert all(value.isfinite().all() for value in fit.results()[0]["state"].values())
    np.testing.assert_allclose(
        table[table["member"] == 1][["training_loss", "stopping_loss"]],
        pd.DataFrame(alone.rows())[["training_loss", "stopping_loss"]],
        rtol=1e-3,
    )


def test_results_hold_no_more_than_a_member():
    fit = make_fit([0.5] * 4, range(4))
    for state in (result["state"] for result in fit.results()):
        for name, value in state.items():
            assert value.untyped_storage().nbytes() == value.numel() * 4, name


def test_members_of_equal_sizes_are_trained_together():
    members = [Member(size, 8, 0.5, split, p) for size in (4, 2) for split in ("neuron", "culture") for p in range(3)]
    counts = {"neuron": 30, "culture": 20}
    parts = [np.repeat([0, 2], [counts[m.split], 40 - counts[m.split]]) for m in members]
    assert batches_of_equals(members, parts, 1) == [[k] for k in range(12)]
    assert batches_of_equals(members, parts, 2) == [[0, 1], [2], [3, 4], [5], [6, 7], [8], [9, 10], [11]]
    assert batches_of_equals(members, parts, 9) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


WORDS = [
    "model=avae",
    "training=avae",
    "data.partitions=2",
    "data.grid_differences=2",
    "data.grid_partitions=1",
    "model.latent_sizes=[2,1]",
    "model.hidden_per_latent=4",
    "model.betas=[0.5,0]",
    "training.epochs=6",
    "training.batch_size=8",
    "training.patience=2",
    "training.learning_rate=0.01",
]
FILES = ("output.nc", "metrics.csv", "checkpoint.pt")


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory):
    return write(trace_recording(neurons=6, events=3.0), tmp_path_factory.mktemp("avae") / "traces.nc")


@pytest.fixture(scope="module")
def whole(recording_path, tmp_path_factory):
    return run_training(recording_path, tmp_path_factory.mktemp("avae") / "run", *WORDS)


def test_the_command_writes_what_the_workflow_expects(recording_path, whole):
    names = {"checkpoint.pt", "output.nc", "metrics.csv", "timing.csv", "snapshots.pt", "config.yaml"}
    assert {path.name for path in whole.iterdir()} == names
    found = read_embedding(whole / "output.nc")
    members = 4 + 3 * 2  # two splits; two partitions of the reported combination, one of the three others
    assert found.sizes == {"member": members, "neuron": 24, "latent": 2, "time": 60}
    assert found["latent_size"].values.tolist() == [2] * 6 + [1] * 4
    assert (found["hidden"] == 4 * found["latent_size"]).all()
    assert found["beta"].values.tolist() == [0.5] * 4 + [0, 0] + [0.5] * 2 + [0, 0]
    table = pd.read_csv(whole / "metrics.csv")
    assert table["fit"].nunique() == members and table["epoch"].max() <= 6
    assert np.isfinite(table[["training_loss", "stopping_loss"]]).all(axis=None)


def test_scores_follow_from_the_checkpoint(recording_path, whole):
    found = read_embedding(whole / "output.nc")
    saved = torch.load(whole / "checkpoint.pt", weights_only=False)
    model = Avae(60, 8, 2, Streams([0]))
    model.load_state_dict(saved["state"])
    recording = read_recording(recording_path)
    values, truth = (recording[name].values[0].T for name in ("fluorescence", "noiseless"))
    x, offset, scale = normalise(values, "global")
    with torch.no_grad():
        mean, log_variance = model.encode(torch.as_tensor(x)[None])
        reconstruction = offset + scale * model.decode(mean)[0].numpy()
        ideal = model.encode(torch.as_tensor(normalise(truth, "global")[0])[None])[0][0]
    np.testing.assert_allclose(found["latents"].values[0], mean[0], atol=1e-5)
    np.testing.assert_allclose(found["latents_sd"].values[0], (log_variance[0] / 2).exp(), rtol=1e-4)
    np.testing.assert_allclose(found["latents_of_noiseless"].values[0], ideal, atol=1e-5)
    np.testing.assert_allclose(found["reconstruction"].values.T, reconstruction, rtol=1e-5)
    np.testing.assert_allclose(found["error"].values[0], np.square(truth - reconstruction).mean(1), rtol=1e-3)
    np.testing.assert_allclose(found["residual"].values[0], np.square(values - reconstruction).mean(1), rtol=1e-3)
    # a sampled latent vector is no better than the mean one on average
    assert float(found["error_sampled"].mean()) > float(found["error"].mean())


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(recording_path, whole, tmp_path):
    again = run_training(recording_path, tmp_path / "again", *WORDS)
    for name in FILES:
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name
    other = read_embedding(run_training(recording_path, tmp_path / "other", *WORDS, "seed=2") / "output.nc")
    assert not np.allclose(other["latents"][0], read_embedding(whole / "output.nc")["latents"][0], atol=1e-3)
    np.testing.assert_array_equal(other["part"], read_embedding(whole / "output.nc")["part"])


def test_fits_together_are_the_fits_alone(recording_path, whole, tmp_path):
    together = run_training(recording_path, tmp_path / "run", *WORDS, "training.together=3")
    one, other = (read_embedding(path / "output.nc") for path in (whole, together))
    for name in one.data_vars:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(other[name], one[name], rtol=1e-3, atol=1e-3, err_msg=name)
        else:
            np.testing.assert_array_equal(other[name], one[name])
    assert pd.read_csv(together / "metrics.csv")["fit"].nunique() < 10


def test_a_member_that_diverges_does_not_cost_the_others(recording_path, whole, tmp_path, monkeypatch):
    own = AvaeFit._loss

    def loss(self, chosen):
        value = own(self, chosen)
        return value * torch.nan if self.model.latents == 1 else value

    monkeypatch.setattr(AvaeFit, "_loss", loss)
    run = run_training(recording_path, tmp_path / "run", *WORDS)
    one, other = (read_embedding(path / "output.nc") for path in (whole, run))
    np.testing.assert_array_equal(one["latents"][:6], other["latents"][:6])
    assert np.isfinite(other["residual"]).all()
    table = pd.read_csv(run / "metrics.csv")
    assert (table[table["fit"] >= 6].groupby("fit").size() == 2).all()  # until patience ends


class Killed(BaseException):
    """Stands for a signal: nothing in training may catch it and write results."""


@pytest.mark.parametrize("rounds", [1, 4, 20])
def test_interrupted_training_goes_on_to_the_same_bytes(rounds, recording_path, whole, tmp_path, monkeypatch):
    """Killed in the first fit, where nothing is kept, and in later ones."""
    original, calls = AvaeFit.round, []

    def failing(self):
        calls.append(1)
        if len(calls) == rounds:
            raise Killed
        return original(self)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(AvaeFit, "round", failing)
        run_training(recording_path, tmp_path / "parts", *WORDS)
    left = {path.name for path in (tmp_path / "parts").iterdir()}
    state = torch.load(tmp_path / "parts/resume.pt", weights_only=False)["state"] if left else {"turn": 0}
    assert left == ({"resume.pt"} if state["turn"] else set())
    # weights of the reported member alone: those of hundreds would fill memory and every saved state
    assert [set(kept) for kept in state.get("finished", [])] == [{"state"}, *[{"scores"}] * 9][: state["turn"]]
    made = []
    start = AvaeFit.start
    monkeypatch.setattr(AvaeFit, "start", lambda self, device: made.append(1) or start(self, device))
    parts = run_training(recording_path, tmp_path / "parts", *WORDS)
    assert len(made) == 10 - state["turn"]
    for name in FILES:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert not (parts / "resume.pt").exists()
    assert rounds == 1 or state["turn"] > 0 or len(calls) <= 6


def test_killed_after_the_last_fit_nothing_is_trained_again(recording_path, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(AvaeFamily, "result", lambda *_: (_ for _ in ()).throw(Killed))
        run_training(recording_path, tmp_path / "parts", *WORDS)
    finished = torch.load(tmp_path / "parts/resume.pt", weights_only=False)["state"]["finished"]
    # weights of the reported member alone: those of the published sizes take up to 92 MB
    assert [set(kept) for kept in finished] == [{"state"}] + [{"scores"}] * 9
    monkeypatch.setattr(member_queue.QueueTraining, "training_step", lambda *_: pytest.fail("trained again"))
    parts = run_training(recording_path, tmp_path / "parts", *WORDS)
    for name in FILES:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
