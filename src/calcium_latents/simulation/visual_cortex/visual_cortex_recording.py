"""An experiment on the simulated visual cortex: images, and the spikes of the neurons of several animals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.fields import TEST, TRAINING, VALIDATION, fail
from calcium_latents.recordings.image_responses import make_image_responses
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex.gabors import gabor
from calcium_latents.simulation.visual_cortex.natural_images import natural_images
from calcium_latents.simulation.visual_cortex.visual_cortex import Population
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import GaborScan, VisualCortexExperiment

STREAM = "visual_cortex"
SCAN_SCHEMA = "calcium-latents gabor scan"
#: what is read of each chosen Gabor pattern, with units
GABOR_COLUMNS = {
    "rank": "1",
    "y_px": "pixel",
    "x_px": "pixel",
    "frequency_cpp": "1/pixel",
    "orientation_rad": "rad",
    "phase_rad": "rad",
}


def simulate_visual_cortex(
    parameters: Mapping[str, Any] | VisualCortexExperiment, seed: int, label: str = "simulated visual cortex"
) -> xr.Dataset:
    """Return the ImageResponses of a simulated experiment, with the whole truth.

    Images are z-scored with one mean and one standard deviation of the training images, and neurons see them so. All
    animals are shown the same images in the same order, one presentation a trial (training, validation, then all
    repeats of each test image); the spikes of every presentation are Poisson. Numbers of one kind have a stream of
    their own: with other neurons the images stay, and with more animals the neurons do.

    Args:
        parameters: fields of `VisualCortexExperiment`.
        seed: seed of everything.
        label: name in print.
    """
    parameters = VisualCortexExperiment.from_mapping(parameters)
    images, part, luminance = draw_images(parameters, seed)
    neurons = parameters.neurons
    population = Population.draw(neurons, tuple(parameters.shape), generator(seed, STREAM, "neurons"))
    population = population.with_gains(images[part == TRAINING], neurons.mean_spikes, neurons.highest_spikes)
    rate = population.rates(images)
    image_of_trial = np.repeat(np.arange(len(images)), np.where(part == TEST, parameters.repeats, 1))
    response = generator(seed, STREAM, "spikes").poisson(rate[image_of_trial]).astype(np.float32)
    animal = np.arange(population.neurons) * parameters.animals // population.neurons
    training_trials = np.flatnonzero(part[image_of_trial] == TRAINING)
    # At least one presentation is left.
    missed = min(round(parameters.missed_share * training_trials.size), training_trials.size - 1)
    for number in range(parameters.animals):
        trials = generator(seed, STREAM, "missed", number).choice(training_trials, missed, replace=False)
        response[np.ix_(trials, np.flatnonzero(animal == number))] = np.nan
    return make_image_responses(
        label=label,
        image_source=parameters.image_source,
        seed=seed,
        images=images,
        part=part,
        image_of_trial=image_of_trial,
        response=response,
        animal=animal,
        simulated=True,
        luminance_mean=luminance[0],
        luminance_sd=luminance[1],
        truth=population.truth() | {"rate": rate},
        attributes=population.attributes() | {"parameters": parameters.to_dict()},
    )


def draw_images(parameters: VisualCortexExperiment, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return images [image, y, x], z-scored, their part [image], and the (mean, standard deviation) taken out."""
    counts = {
        TRAINING: parameters.training_images,
        VALIDATION: parameters.validation_images,
        TEST: parameters.test_images,
    }
    shape, source = tuple(parameters.shape), parameters.image_source
    images = np.concatenate(
        [
            natural_images(
                count,
                shape,
                generator(seed, STREAM, "images", part),
                source,
                parameters.leaves,
                "test" if part == TEST else "training",
            )
            for part, count in counts.items()
        ]
    )
    part = np.repeat(np.array(list(counts), np.int8), list(counts.values()))
    training = images[part == TRAINING]
    mean, sd = float(training.mean(dtype=float)), float(training.std(dtype=float))
    return ((images - mean) / sd).astype(np.float32), part, (mean, sd)


def record_gabor_scan(
    responses: xr.Dataset,
    gabors: pd.DataFrame,
    parameters: Mapping[str, Any] | GaborScan,
    seed: int,
    path: str = "responses",
) -> xr.Dataset:
    """Return what the neurons of a simulated experiment answer to chosen Gabor patterns in several sizes.

    Each pattern keeps its place, orientation, phase and frequency in cycles per pixel; its size is each of `sizes_px`,
    its contrast that of the scan.

    Args:
        responses: a simulated ImageResponses box.
        gabors: one row a pattern, with the columns `GABOR_COLUMNS`.
        parameters: fields of `GaborScan`.
        seed: of the spikes.
        path: name of `responses` in messages.

    Returns:
        `response` [trial, neuron], spikes; `stimulus_of_trial` [trial]; `rate` [stimulus, neuron], noise-free; and by
        stimulus (patterns slow, sizes fast): `gabor` (its rank), `size_px`, `contrast`, `y_px`, `x_px`,
        `frequency_cpp`, `orientation_rad`, `phase_rad`.

    Raises:
        UserError: the truth of `responses` is not known, or `gabors` lacks a column or has no rows.
    """
    parameters = GaborScan.from_mapping(parameters)
    missing = [name for name in GABOR_COLUMNS if name not in gabors]
    if missing or gabors.empty:
        found = f"{len(gabors)} rows with the columns {list(gabors.columns)}"
        fail("gabors", missing[0] if missing else "rows", "one row a Gabor pattern", found, "Choose patterns first.")
    population = Population.from_dataset(responses, path)
    sizes = np.asarray(parameters.sizes_px, float)
    shown = {name: np.repeat(gabors[name].to_numpy(), sizes.size) for name in GABOR_COLUMNS}
    shown |= {
        "size_px": np.tile(sizes, len(gabors)),
        "contrast": np.full(sizes.size * len(gabors), parameters.contrast),
    }
    images = gabor(population.shape, **{name: values for name, values in shown.items() if name != "rank"})
    rate = population.rates(images)
    stimulus_of_trial = np.tile(np.arange(len(images), dtype=np.int32), parameters.repeats)
    response = generator(seed, "gabor_scan", "spikes").poisson(rate[stimulus_of_trial])
    units = GABOR_COLUMNS | {"size_px": "pixel", "contrast": "sd of the training images"}
    dataset = xr.Dataset(
        {
            "response": (("trial", "neuron"), response.astype(np.float32), {"units": "spikes"}),
            "rate": (("stimulus", "neuron"), rate, {"units": "spikes"}),
            "stimulus_of_trial": (("trial",), stimulus_of_trial, {"units": "1"}),
            "neuron": (("neuron",), responses["neuron"].values, {"units": "1"}),
            "animal": (("neuron",), responses["animal"].values, {"units": "1"}),
        }
        | {
            "gabor" if name == "rank" else name: (("stimulus",), values, {"units": units[name]})
            for name, values in shown.items()
        }
    )
    dataset.attrs = {"schema": SCAN_SCHEMA, "schema_version": 1, "label": responses.attrs["label"], "seed": int(seed)}
    return dataset
