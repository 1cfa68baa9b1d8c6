"""The digital twin for the training command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
import xarray as xr
from torch.nn import functional
from torch.utils.data import DataLoader

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import described
from calcium_latents.models.digital_twin.drive_metric import feature_covariance
from calcium_latents.models.digital_twin.equivariance import turning_error
from calcium_latents.models.digital_twin.image_pairs import ImagePairs, make_pairs
from calcium_latents.models.digital_twin.parameters import CoreSizes, DigitalTwinOptions, ImageOptions
from calcium_latents.models.digital_twin.training import DigitalTwinTraining
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.recordings.fields import TRAINING, VALIDATION
from calcium_latents.recordings.image_predictions import make_image_predictions
from calcium_latents.seeds import integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers

ENERGY_BLUR = 5  # px over which squared luminance is averaged
TURNED = 128  # images that are turned to see how equivariant the trained core is
ENERGY_POWER = 2  # sharpens the map of correlations


@dataclass
class DigitalTwinFamily:
    """A digital twin as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.DigitalTwinModel`, which checks them.
    """

    name: str
    features: list[int]
    kernels: list[int]
    rotations: int
    max_ranks: list[int] | None
    padding: str
    mask_initialisation: str
    _pairs: Any = field(default=None, init=False, repr=False)

    @property
    def sizes(self) -> CoreSizes:
        """Sizes of the core."""
        return CoreSizes(**{name: getattr(self, name) for name in CoreSizes.model_fields})

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[DigitalTwinTraining, DataLoader, int]:
        """Return the module, its batches and the number of steps; see `ModelFamily.prepare`."""
        options = DigitalTwinOptions(**training)
        pairs = self._pairs = make_pairs(recording, ImageOptions(**data), path)
        rows = pairs.rows(TRAINING)
        if not len(pairs.rows(VALIDATION)):
            raise UserError(
                f"{path}: part: expected validation images (1), found none. Set some training images aside."
            )
        random = torch.Generator().manual_seed(integer(seed, "initial weights"))
        _, height, width = pairs.images.shape
        twin = DigitalTwin(self.sizes, (height, width), pairs.response.shape[1], random)
        start_readout(twin, pairs, self.mask_initialisation)
        if options.masks == "nonnegative":
            twin.masks.data.abs_()
        batches = EpochBatches(rows, options.batch_size, seed)
        module = DigitalTwinTraining(twin, pairs, options, batches)
        return module, load_numbers(int(rows.max()) + 1, batches), options.steps

    @torch.no_grad()
    def result(self, module: DigitalTwinTraining, recording: xr.Dataset) -> FitResult:
        """Predict every image, in full precision; see `ModelFamily.result`."""
        twin = module.twin.to(module.images.device)  # after training, Lightning takes it off the GPU
        twin.load_state_dict(module.best)  # a run interrupted after its last step has had no end of training
        module.calibrate()
        twin.normalise_readout()
        rate = module.rates(module.images).cpu() * self._pairs.scale
        shown = module.images[module.calibration_rows()]
        covariance = feature_covariance(twin, shown)
        twin = twin.cpu()
        return FitResult(
            inferred=make_image_predictions(
                model=self.name,
                seed=int(module.batches.seed),
                rate=rate.numpy(),
                responses=recording,
                bar_code=twin.weights.detach().numpy(),
                feature_covariance=covariance.numpy(),
                mask=twin.masks.detach().numpy(),
                mask_centre_px=twin.mask_centres().numpy(),
                mask_offset_px=twin.offset,
                attributes={
                    f"turning_error_{degrees}_degrees": turning_error(twin.core, shown.cpu().numpy()[:TURNED], turns)
                    for degrees, turns in ((90, twin.sizes.rotations // 4), (45, twin.sizes.rotations // 8))
                    if turns * 360 == degrees * twin.sizes.rotations
                },
            ),
            checkpoint={
                "family": configured(self),
                **described(twin),
            },
            metrics=pd.DataFrame(module.history),
            timing=pd.DataFrame(module.timing),
        )


def start_readout(twin: DigitalTwin, pairs: ImagePairs, masks: str) -> None:
    """Start offsets at half the neurons' mean drive (published), and masks where local contrast drives the neuron."""
    rows = pairs.rows(TRAINING)
    response = pairs.response[rows]
    mean = torch.nanmean(response, 0).clamp_min(1e-3)
    with torch.no_grad():
        twin.bias[:] = 0.5 * (mean + torch.log(-torch.expm1(-mean)))  # softplus^-1, without overflow
        twin.response_scale[:] = pairs.scale
        if masks == "random":
            return
        energy = functional.avg_pool2d(
            pairs.images[rows][:, None].square(), ENERGY_BLUR, 1, ENERGY_BLUR // 2, count_include_pad=False
        )
        energy = energy[:, 0, twin.offset :, twin.offset :][:, : twin.map_shape[0], : twin.map_shape[1]].flatten(1)
        energy = (energy - energy.mean(0)) / energy.std(0).clamp_min(1e-6)
        centred = (response - torch.nanmean(response, 0)).nan_to_num()
        related = (centred.T @ energy).clamp_min(0) ** ENERGY_POWER
        related = related / related.sum(1, keepdim=True).clamp_min(1e-12)
        twin.masks[:] = related.view_as(twin.masks)
