"""Embedding of traces that a model was not trained on, whatever their rate and length."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, get_args

import numpy as np

from calcium_latents.models.avae import family as avae_family
from calcium_latents.models.avae_plus import family as avae_plus_family
from calcium_latents.models.avae_plus.parameters import AvaePlusOptions
from calcium_latents.models.traces.bins import TraceBins
from calcium_latents.models.traces.neuron_traces import Member, normalise
from calcium_latents.models.traces.parameters import Normalisation
from calcium_latents.models.traces.pca_family import PrincipalComponents
from calcium_latents.models.traces.statistics import FEWEST_BINS
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.rates import resample_traces
from calcium_latents.recordings.traces_matrix import check_matrix
from calcium_latents.training.torch_files import UnreadableFile, read_torch

#: fields of every checkpoint, and of each kind's; a kind's first field is the one that no other kind has
NORMALISATIONS = get_args(Normalisation)
COMMON = ("family", "normalisation", "minimum", "scale", "rate_hz", "seed")
KINDS = {
    "pca": ("model", "variance"),
    "avae_plus": ("bins", "state", "variance", "member", "identity_sd", "refinements"),
    "avae": ("samples", "state", "member"),
}
RETRAIN = "Train the model again with this version of the package."


class EmbeddedTraces(NamedTuple):
    """What a model says about n traces.

    Attributes:
        latents: posterior mean (principal components: scores) [n, latent size] float32.
        latents_sd: posterior standard deviation [n, latent size] float32; None for principal components.
        reconstruction: [n, samples] float32, in the units and at the rate of the traces, from their first sample on,
            over the shorter of their duration and the model's.
    """

    latents: np.ndarray
    latents_sd: np.ndarray | None
    reconstruction: np.ndarray


#: normalised traces [n, m] at the model's rate, m <= T, to latents, their standard deviation, and all T samples
Inference = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None, np.ndarray]]


@dataclass(frozen=True)
class TraceEncoder:
    """A trained model of single neurons; see `load_trace_encoder`.

    Attributes:
        name: of the model in results.
        samples, rate_hz: of the traces that it was trained on, T and samples per second.
        shortest: samples at this rate that a trace must have.
        latent_size, identity_latents: see `recordings.embedding`.
        normalisation: "global" (minimum and range of the training recording) or "trace" (each trace's own).
        minimum, scale: smallest fluorescence of the training recording, and its range.
        seed: of the training.
        infer: see `Inference`.
    """

    name: str
    samples: int
    rate_hz: float
    shortest: int
    latent_size: int
    identity_latents: int
    normalisation: str
    minimum: float
    scale: float
    seed: int
    infer: Inference

    def embed(self, values: np.ndarray, rate_hz: float, path: str | Path = "traces") -> EmbeddedTraces:
        """Embed traces `values` [n, samples], in units of the fluorescence, at `rate_hz` samples per second.

        Traces are brought to the model's rate (see `recordings.rates.resample_traces`). Of longer ones, only
        the model's duration from the first sample on is used. Of shorter ones, `avae_plus` infers latents and identity
        code from the bins that are there, and `pca` from the samples; `avae` cannot. Of a short trace, "trace"
        normalisation takes the smallest and largest value that are there.

        Args:
            path: names the traces in messages.

        Raises:
            UserError: traces that are no finite matrix or too short, a rate that is no positive number, traces that
                never change, for a model that normalises each, or latents that are not finite.
        """
        values = np.asarray(values, np.float32)
        given = resample_traces(values, rate_hz, self.rate_hz, path=path)[:, : self.samples]
        self._check_length(given.shape[1], path)
        if self.normalisation == "trace":
            check_matrix(given, np.arange(len(given)), path)
        normalised, offset, scale = self._normalise(given)
        latents, sd, reconstruction = self.infer(normalised)
        wrong = ~np.isfinite(latents).all(1)
        if wrong.any():
            advice = "Has training diverged? Look at metrics.csv beside the checkpoint, and train again."
            fail(path, "latents", f"numbers from this model ({self.name})", f"others of {wrong.sum()} neurons", advice)
        fluorescence = (offset + scale * reconstruction).astype(np.float32)
        # all that the model says goes through the filter: at the end of a short trace it has a past and a future
        shown = resample_traces(fluorescence, self.rate_hz, rate_hz, path=path)[:, : values.shape[1]]
        return EmbeddedTraces(latents.astype(np.float32), None if sd is None else sd.astype(np.float32), shown)

    def part_outside(self, values: np.ndarray) -> float:
        """Return which part of the samples [n, samples] lies outside of the training recording's range of values.

        Always 0 where each trace is normalised by itself.
        """
        if self.normalisation == "trace":
            return 0.0
        return float(((values < self.minimum) | (values > self.minimum + self.scale)).mean())

    def _normalise(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return normalised traces, and the offset and scale [n, 1] that undo it: `normalise`, to the last bit."""
        if self.normalisation == "trace":
            return normalise(values, "trace")
        low, scale = (np.full((len(values), 1), number, np.float32) for number in (self.minimum, self.scale))
        return (values - low) / scale - np.float32(0.5), low + np.float32(0.5) * scale, scale

    def _check_length(self, samples: int, path: str | Path) -> None:
        if samples >= self.shortest:
            return
        expected = f"at least {self.shortest / self.rate_hz:.6g} s for this model ({self.name})"
        advice = "Give a longer recording."
        if self.shortest == self.samples:
            advice = "Its encoder takes whole traces: give a longer recording, or use avae_plus or pca."
        fail(path, "time", expected, f"{samples / self.rate_hz:.6g} s", advice)


def load_trace_encoder(path: str | Path) -> TraceEncoder:
    """Return the reported fit of a `checkpoint.pt` of avae, avae_plus or pca, on the CPU.

    Raises:
        UserError: the file is missing, unreadable, a checkpoint of something else, or incomplete.
    """
    checkpoint = _read(Path(path))
    kind = next((kind for kind, names in KINDS.items() if names[0] in checkpoint), None)
    if kind is None or "normalisation" not in checkpoint:
        _wrong(path, f"one with {sorted(map(str, checkpoint))[:12]}")
    for name in (*COMMON, *KINDS[kind]):
        if name not in checkpoint:
            fail(path, name, f"this field of {kind}", f"only {sorted(map(str, checkpoint))}", RETRAIN)
    for name in ("rate_hz", "scale", "minimum"):
        value = checkpoint[name]
        number = isinstance(value, int | float | np.number) and np.isfinite(value)
        if not number or (value <= 0 and name != "minimum"):
            expected = "a number" if name == "minimum" else "a positive number"
            fail(path, name, expected, f"{value!r}", RETRAIN)
    if checkpoint["normalisation"] not in NORMALISATIONS:
        fail(path, "normalisation", f"one of {NORMALISATIONS}", f"{checkpoint['normalisation']!r}", RETRAIN)
    try:
        parts = {"pca": _pca, "avae_plus": _avae_plus, "avae": _avae}[kind](checkpoint)
        name, seed = str(checkpoint["family"]["name"]), int(checkpoint["seed"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        fail(path, "checkpoint", f"weights of {kind} that fit together", f"others ({error})", RETRAIN)
    numbers = {name: float(checkpoint[name]) for name in ("rate_hz", "minimum", "scale")}
    scope = checkpoint["normalisation"]
    return TraceEncoder(name=name, normalisation=scope, seed=seed, **numbers, **parts)


def expected_scores(fit: PrincipalComponents, variance: float, values: np.ndarray) -> np.ndarray:
    """Return the expected scores [n, latent size] of traces of which the first m samples `values` [n, m] are known.

    A trace is mean + components' s + white noise, s ~ N(0, S), with S the variance of the training scores less the
    noise's `variance`, as probabilistic principal components have it. From the known samples' scores b and products of
    components G, the expectation of s is (S G + variance)^-1 S b: least squares with a ridge. What is missing adds
    (1 - G) times it to b; of whole traces, G = 1, and the scores are b.
    """
    known = fit.components[:, : values.shape[1]].astype(float)
    scores, products = (values - fit.mean[: values.shape[1]]) @ known.T, known @ known.T
    # of traces without noise the ridge still keeps the inverse within reach
    ridge = max(variance, 1e-9 * float(np.square(fit.scales).max()))
    prior = np.maximum(np.square(fit.scales.astype(float)) - variance, 0)[:, None]
    size = np.eye(len(known))
    expected = np.linalg.solve(prior * products + ridge * size, prior * scores.T)
    return scores + ((size - products) @ expected).T


def _pca(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    fit, variance = PrincipalComponents(**checkpoint["model"]), float(checkpoint["variance"])
    size, samples = fit.components.shape
    if fit.mean.shape != (samples,) or fit.scales.shape != (size,):
        raise ValueError(f"mean {fit.mean.shape}, components {fit.components.shape}, scales {fit.scales.shape}")

    def infer(values: np.ndarray):
        scores = fit.encode(values) if values.shape[1] == samples else expected_scores(fit, variance, values)
        return scores, None, fit.decode(scores)

    return {"samples": samples, "shortest": 1, "latent_size": size, "identity_latents": 0, "infer": infer}


def _avae(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    member, samples = Member(**checkpoint["member"]), int(checkpoint["samples"])
    model = avae_family.restore(member, samples, checkpoint["state"])

    def infer(values: np.ndarray):
        mean, log_variance = avae_family.encode(model, values)
        return mean.numpy(), (0.5 * log_variance).exp().numpy(), avae_family.decode(model, mean)

    sizes = {"latent_size": member.latent_size, "identity_latents": 0}
    return {"samples": samples, "shortest": samples, **sizes, "infer": infer}


def _avae_plus(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    member, bins = Member(**checkpoint["member"]), TraceBins(**checkpoint["bins"])
    trained = {"state": checkpoint["state"], "variance": float(checkpoint["variance"])}
    how = AvaePlusOptions(identity_sd=checkpoint["identity_sd"], refinements=checkpoint["refinements"])
    avae_plus_family.restore(member, bins, trained["state"])  # fails now, not when traces come
    identity = avae_plus_family.identity_latents(member.latent_size)

    def infer(values: np.ndarray):
        posterior = avae_plus_family.infer(member, bins, trained, values, how)
        reconstruction = avae_plus_family.reconstruct(member, bins, trained, posterior.mean)
        return posterior.mean.numpy(), posterior.sd.numpy(), reconstruction

    shortest = min((FEWEST_BINS if identity else 1) * bins.factor, bins.samples)
    sizes = {"latent_size": member.latent_size, "identity_latents": identity}
    return {"samples": bins.samples, "shortest": shortest, **sizes, "infer": infer}


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        fail(path, "file", "a checkpoint.pt of avae, avae_plus or pca", "no such file", "Correct the path, or train.")
    try:
        checkpoint = read_torch(path)
    except UnreadableFile as error:
        _wrong(path, f"an unreadable file ({error})")
    if not isinstance(checkpoint, Mapping):
        _wrong(path, f"a {type(checkpoint).__name__}")
    return checkpoint


def _wrong(path: str | Path, found: str) -> NoReturn:
    advice = "Give the checkpoint.pt that the training command wrote for one of these models."
    fail(path, "checkpoint", "one of avae, avae_plus or pca", found, advice)
