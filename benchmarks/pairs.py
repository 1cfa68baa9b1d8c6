"""What is compared: work of this package, and the same work of others, each as a function that does it once."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.avae import PublishedTraining
from peers.lfads import EVENT_MINIMUM, PlainTraining
from scipy.signal import lfilter
from train_step import synthetic_events

from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.models.avae.parameters import AvaeOptions
from calcium_latents.models.avae.training import AvaeFit
from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
from calcium_latents.progress import progress
from calcium_latents.recordings import make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.culture.culture import grow_culture
from calcium_latents.simulation.culture.culture_parameters import CultureParameters
from calcium_latents.simulation.culture.izhikevich import draw_parameters, simulate_spikes
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams

RATE_HZ, DECAY = 30.0, 0.95
PENALTIES = ("generator", "controller", "initial_condition_encoder", "controller_input_encoder")
HALF = {"encoder": 32, "controller": 32, "generator": 64, "initial_condition": 32, "factors": 32}
TRACES = 600, 150  # to train on and to stop by
AVAE = {"hidden": 128, "latents": 8, "beta": 0.5}


@dataclass
class Timed:
    """A function without arguments; called, it returns CPU seconds and the result."""

    function: Callable[[], Any]

    def __call__(self) -> tuple[float, Any]:
        """Run once."""
        start = time.process_time()
        result = self.function()
        return time.process_time() - start, result


@dataclass
class Pair:
    """The same work, ours and a peer's.

    Attributes:
        setting: its sizes, for people.
        ours, peer: each returns CPU seconds and the result.
        peer_name, peer_version: of the package or architecture.
        agreement: of both results, for people.
    """

    setting: str
    ours: Callable[[], tuple[float, Any]]
    peer: Callable[[], tuple[float, Any]]
    peer_name: str
    peer_version: str
    agreement: Callable[[Any, Any], str] = field(default=lambda ours, peer: "")


class MissingPeer(Exception):
    """A peer is not installed; the message names it and how to install it."""


def in_turns(functions: list[Callable], repeats: int, description: str) -> tuple[np.ndarray, list[Any]]:
    """Call every function once a turn, after a turn that does not count.

    Returns
    -------
    CPU seconds [turn, function], and the last results.
    """
    results = [function()[1] for function in functions]
    seconds = np.empty((repeats, len(functions)))
    for turn in progress(range(repeats), description, repeats, "turn"):
        for number, function in enumerate(functions):
            seconds[turn, number], results[number] = function()
    return seconds, results


def version_of(package: str, install: str | None = None) -> str:
    """Return the version of an installed package, or raise MissingPeer."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise MissingPeer(f"{package} is not installed: {install or f'pip install {package}'}") from None


# deconvolution ----------------------------------------------------------------------------------------------------


def fluorescence(frames: int, neurons: int) -> np.ndarray:
    """Return dF/F [neuron, frame] (float32) of Poisson spikes at 0.6 Hz with noise."""
    random = generator(1, "benchmark", "fluorescence")
    calcium = lfilter([1.0], [1.0, -DECAY], random.poisson(0.02, (neurons, frames)), axis=1)
    return (0.5 + calcium + 0.3 * random.standard_normal(calcium.shape)).astype(np.float32)


def deconvolve_ours(traces: np.ndarray, s_min: float | None) -> np.ndarray:
    """Return events [neuron, frame] by this package's public call."""
    recording = make_recording(
        fluorescence=traces.T[None],
        time=np.arange(traces.shape[1]) / RATE_HZ,
        bin_width_s=1 / RATE_HZ,
        imaging_rate_hz=RATE_HZ,
        source="benchmark",
    )
    return deconvolve(recording, s_min=s_min)["events"].values[0].T


def deconvolve_sequence(traces: np.ndarray, s_min: float) -> np.ndarray:
    """Return events [neuron, frame] by oasis-deconv's functions in the order and with the settings of CaImAn."""
    from oasis.functions import GetSn, constrained_oasisAR1, estimate_time_constant, oasisAR1

    events = []
    for trace in traces.astype(float):
        noise = GetSn(trace, [0.25, 0.5], "logmexp")
        decay = estimate_time_constant(trace, 1, noise, lags=5, fudge_factor=1.0)[0]
        baseline = constrained_oasisAR1(trace, decay, noise, optimize_b=True, b_nonneg=True)[2]
        events.append(oasisAR1(trace - baseline, decay, s_min=s_min)[1])
    return np.array(events)


def largest_difference(ours: np.ndarray, peer: np.ndarray) -> str:
    """Tell how far events [neuron, frame] are from each other."""
    return f"events differ by at most {np.abs(ours - peer).max():.1e}"


def deconvolution(frames: int = 30_000, neurons: int = 10) -> Iterator[Pair | MissingPeer]:
    """Yield deconvolution beside oasis-deconv, by its one call and by its functions, and beside calab."""
    traces = fluorescence(frames, neurons)
    size = f"{neurons} neurons x {frames} frames"
    for package, install in {"oasis-deconv": None, "calab": None}.items():
        try:
            version = version_of(package, install)
        except MissingPeer as missing:
            yield missing
            continue
        without = Timed(lambda: deconvolve_ours(traces, None))
        if package == "calab":
            import calab

            decay_time = -1 / RATE_HZ / np.log(DECAY)  # told, not estimated
            peer = Timed(partial(calab.run_deconvolution, traces.astype(float), RATE_HZ, 0.02, decay_time, 0.01))
            yield Pair(f"L1 penalty, {size}", without, peer, "calab run_deconvolution", version)
            continue
        from oasis.functions import deconvolve as call

        peer = Timed(lambda: np.array([call(trace).s for trace in traces.astype(float)]))
        yield Pair(f"L1 penalty, {size}", without, peer, "oasis-deconv deconvolve", version)
        peer = Timed(lambda: deconvolve_sequence(traces, 0.1))
        ours = Timed(lambda: deconvolve_ours(traces, 0.1))
        name = "oasis-deconv as CaImAn calls it"
        yield Pair(f"s_min 0.1, {size}", ours, peer, name, version, largest_difference)


# LFADS --------------------------------------------------------------------------------------------------------------


class OurTraining:
    """Training steps of RADICaL as in training: coordinated dropout, penalties, Adam; `step` as `PlainTraining`'s."""

    def __init__(self, events: torch.Tensor, sizes: LFADSSizes):
        self.store, self.streams = TrialStore(events), Streams(range(1))
        self.model = LFADS(sizes, ZeroInflatedGammaObservation(sizes.neurons, 1, EVENT_MINIMUM), self.streams)
        values = {f"{name}_l2": 1e-3 for name in PENALTIES}
        values |= {"initial_condition_kl": 1e-5, "inferred_inputs_kl": 1e-5, "sigmoid_scale_prior": 20.0}
        values |= {"learning_rate": 1e-3, "dropout_rate": 0.3, "coordinated_dropout_rate": 0.5}
        self.hyperparameters = Hyperparameters.uniform(values, 1)
        self.optimizer = PopulationAdam(self.model.parameters(), self.hyperparameters.learning_rate, clip=300.0)

    def step(self, trials: torch.Tensor) -> float:
        """Train on some trials; return the loss."""
        batch = self.store.batch(trials)
        terms = step_objective(self.model, batch, self.hyperparameters, 1.0, ObjectiveOptions(), self.streams)
        self.optimizer.zero_grad()
        terms["total"].sum().backward()
        self.optimizer.step()
        return float(terms["total"].detach())


def lfads_pair(batch: int, sizes: LFADSSizes, bins: int, trials: int = 384) -> Pair:
    """Return a training step of ours and of plain PyTorch on the same trials, 1/3 of whose entries are sampled."""
    torch.manual_seed(0)
    events = synthetic_events(trials, bins, sizes.neurons, "bands")
    ours, plain = OurTraining(events, sizes), PlainTraining(sizes)
    return Pair(
        f"step of {batch} trials x {sizes.neurons} neurons x {bins} bins, generator of {sizes.generator}",
        Timed(lambda: ours.step(torch.randperm(trials)[:batch])),
        Timed(lambda: plain.step(events[torch.randperm(trials)[:batch]])),
        "LFADS in plain PyTorch",
        f"PyTorch {torch.__version__}",
    )


def lfads() -> Iterator[Pair]:
    """Yield training steps at the paper's sizes with all trials, and at half of them with a batch of 32."""
    yield lfads_pair(384, LFADSSizes(neurons=278), 90)
    yield lfads_pair(32, LFADSSizes(neurons=278, **HALF), 90)


# autoencoder of traces ----------------------------------------------------------------------------------------------


def avae(samples: int = 3000) -> Iterator[Pair]:
    """Yield an epoch of the autoencoder of traces, ours and with `nn.LSTM` as published; validation is a part of it."""
    random = generator(1, "benchmark", "traces")
    calcium = lfilter(
        [1.0], [1.0, -np.exp(-30 / samples)], random.random((sum(TRACES), samples)) < 15 / samples, axis=1
    )
    values = (0.2 * calcium - 0.5 + 0.02 * random.standard_normal(calcium.shape)).astype(np.float32)
    training, stopping = np.arange(TRACES[0])[None], np.arange(TRACES[0], sum(TRACES))[None]
    options = AvaeOptions()
    fit = AvaeFit(values, training, stopping, AVAE["hidden"], AVAE["latents"], [AVAE["beta"]], [1], options)
    fit.start(torch.device("cpu"))
    published = PublishedTraining(values, TRACES[0], options, **AVAE)
    setting = f"epoch of {TRACES[0]} traces x {samples} samples, ({AVAE['hidden']}, {AVAE['latents']})"
    yield Pair(
        setting, Timed(fit.round), Timed(published.round), "published AVAE, nn.LSTM", f"PyTorch {torch.__version__}"
    )


# culture ------------------------------------------------------------------------------------------------------------


class Brian2:
    """The same network in brian2, in a process of its own; called, it returns CPU seconds and the number of spikes."""

    def __init__(self, python: str, inputs: Any, parameters: np.ndarray, current: np.ndarray, steps: int):
        links = inputs.tocoo()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "network.npz"
        known = {"source": links.col, "target": links.row, "weight": links.data}
        np.savez(path, parameters=parameters, current=current, **known)
        script = Path(__file__).parent / "peers/brian2_culture.py"
        self.process = subprocess.Popen(
            [python, str(script), str(path), str(steps)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": self.folder.name},
        )
        version = self.process.stdout.readline().split()
        if not version:
            raise MissingPeer(
                f"brian2 does not start in {python}: python -m venv /tmp/brian2; /tmp/brian2/bin/pip install brian2 "
                "'numpy<2.4'; then --brian2 /tmp/brian2/bin/python"
            )
        self.version = "{} ({})".format(*version)

    def __call__(self) -> tuple[float, int]:
        """Run once."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        seconds, spikes = self.process.stdout.readline().split()
        return float(seconds), int(spikes)


def culture(python: str, density: float = 250.0, seconds: float = 10.0) -> Iterator[Pair | MissingPeer]:
    """Yield a culture's activity, ours and brian2's: the same network and equations, other random numbers.

    brian2 takes v in one step, not in two half steps.
    """
    settings, steps = CultureParameters(density_per_mm2=density), round(1000 * seconds)

    def random(purpose: str) -> np.random.Generator:
        return generator(0, "benchmark", "culture", purpose)

    inputs = grow_culture(settings, random("growth")).inputs("presynaptic")
    parameters = draw_parameters(["RS"] * settings.neurons, 0.05, random("parameters"))
    current = inputs @ random("current").random(settings.neurons)
    try:
        peer = Brian2(python, inputs, parameters, current, steps)
    except MissingPeer as missing:
        yield missing
        return
    yield Pair(
        f"{settings.neurons} Izhikevich neurons, {inputs.nnz} synapses, {seconds:g} s at 1 ms",
        Timed(lambda: len(simulate_spikes(inputs, parameters, steps, random("dynamics"))[0])),
        peer,
        "brian2",
        peer.version,
        lambda ours, theirs: f"{ours} and {theirs} spikes",
    )
    peer.process.stdin.close()
    peer.process.wait()


def parts(brian2: str) -> dict[str, Callable[[], Iterator[Pair | MissingPeer]]]:
    """Return every part by name; `brian2` is a Python that has it."""
    return {"deconvolution": deconvolution, "lfads": lfads, "culture": lambda: culture(brian2), "avae": avae}
