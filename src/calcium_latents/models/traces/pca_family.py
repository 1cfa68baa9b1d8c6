"""Principal components of traces for the training command: the linear method that autoencoders are held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.traces.embedding import EmbeddingCollector, MemberOutput
from calcium_latents.models.traces.neuron_traces import read_fits
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import TRAINING
from calcium_latents.training.family import FitResult, NothingToTrain, configured
from calcium_latents.training.loaders import load_numbers


@dataclass(frozen=True)
class PrincipalComponents:
    """The first principal components of traces; centred, as scikit-learn's (the paper's Eq. 13 does not centre).

    Attributes:
        mean: [T].
        components: orthonormal [latent size, T].
        scales: standard deviation of the training scores [latent size].
    """

    mean: np.ndarray
    components: np.ndarray
    scales: np.ndarray

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return scores [n, latent size] of traces [n, T]."""
        return (values - self.mean) @ self.components.T

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return reconstructions [n, T]."""
        return self.mean + scores @ self.components


def fit_principal_components(values: np.ndarray, count: int) -> PrincipalComponents:
    """Return the first `count` principal components of traces [n, T], n > count.

    From the eigenvectors of the smaller of the two matrices of products, in double precision; the sign is such that the
    largest entry of each component is positive.
    """
    mean = values.mean(0, dtype=np.float64)
    centred = values - mean
    if len(values) <= values.shape[1]:
        squares, left = np.linalg.eigh(centred @ centred.T)
        order = np.argsort(squares)[::-1][:count]
        # directions in which nothing varies are any that are orthogonal to the others
        components = np.linalg.qr(centred.T @ left[:, order])[0].T
    else:
        squares, right = np.linalg.eigh(centred.T @ centred)
        order = np.argsort(squares)[::-1][:count]
        components = right[:, order].T
    largest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1)
    components = components * np.sign(largest)
    scales = np.sqrt(np.maximum(squares[order], 0) / max(len(values) - 1, 1))
    return PrincipalComponents(*(part.astype(np.float32) for part in (mean, components, scales)))


@dataclass
class PcaFamily:
    """Principal components as the config describes them; see `training.family.ModelFamily`.

    Fields are those of `parameters.PcaModel`, which checks them.
    """

    name: str
    latent_sizes: list[int]
    _prepared: Any = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[NothingToTrain, DataLoader, int]:
        """Nothing is trained step by step; see `ModelFamily.prepare`."""
        self._prepared = seed, *read_fits(recording, path, data, [(size, 0) for size in self.latent_sizes], [0.0])
        return NothingToTrain(), load_numbers(1), 0

    def result(self, module: NothingToTrain, recording: xr.Dataset) -> FitResult:
        """Fit and score every member; see `ModelFamily.result`."""
        seed, traces, options, members, parts = self._prepared
        collector, fits = EmbeddingCollector(traces), []
        noiseless = traces.noiseless_normalised
        pairs = list(zip(members, parts, strict=True))
        for member, part in progress(pairs, "principal components", unit="fit"):
            training = part == TRAINING
            fit = fit_principal_components(traces.values[training], member.latent_size)
            scores = fit.encode(traces.values)
            output = MemberOutput(scores, fit.decode(scores))
            if noiseless is not None:
                ideal = fit_principal_components(noiseless[training], member.latent_size)
                output.latents_of_noiseless = ideal.encode(noiseless)
            collector.add(member, part, output)
            fits.append(fit)
        first = {part.name: getattr(fits[0], part.name) for part in fields(fits[0])}
        seen = traces.values[parts[0] == TRAINING]
        variance = float(np.square(seen - fits[0].decode(fits[0].encode(seen))).mean())
        return FitResult(
            inferred=collector.embedding(recording, self.name, seed),
            checkpoint={
                "family": configured(self),
                "model": first,
                "variance": variance,
                **traces.scaling(options.normalisation),
            },
            metrics=pd.DataFrame([vars(member) for member in members]),
            timing=pd.DataFrame({"step": [0], "training_seconds": [0.0]}),
        )
