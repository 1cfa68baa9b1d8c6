"""Recordings of simulated neuronal cultures: noiseless fluorescence of some neurons of each, and noise upon it.

The data of the autoregressive variational autoencoder (Abante et al. 2025, Methods 2.1): cultures of several firing
types, each recorded from a time of its own on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import is_number
from calcium_latents.progress import progress
from calcium_latents.recordings.schema import check_recording, make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.culture.culture import Culture, grow_culture
from calcium_latents.simulation.culture.culture_parameters import CultureGroup, CultureParameters, CultureSet
from calcium_latents.simulation.culture.culture_statistics import culture_statistics
from calcium_latents.simulation.culture.gcamp6s import fluorescence
from calcium_latents.simulation.culture.izhikevich import STEP_MS, draw_parameters, simulate_spikes

# Neurons whose traces of 1 ms, or whose noise, are held at once.
BLOCK = 64
#: Variable of each neuron -> (units, what it is).
NEURON_VARIABLES = {
    "neuron_type": ("1", "firing type"),
    "inhibitory": ("1", "1: inhibitory"),
    "a": ("1/ms", "rate of the recovery variable"),
    "b": ("1/ms", "coupling of the recovery variable to the potential"),
    "v0": ("mV", "potential after a spike"),
    "du": ("mV/ms", "step of the recovery variable at a spike"),
    "spike_count": ("1", "spikes in the recording"),
    "excitatory_inputs": ("1", "neurons whose spikes excite it"),
    "inhibitory_inputs": ("1", "neurons whose spikes inhibit it"),
}


@dataclass(frozen=True)
class CultureRun:
    """A simulated culture of N neurons: all their spikes, and which of them were recorded.

    Attributes
    ----------
    group, parameters, culture
        The group's label, what the culture is made of, and its anatomy.
    types, values
        Firing type [N] and a, b, v0, du [N, 4] of each neuron.
    discarded_ms
        Length of the start that is left out.
    step, neuron
        Of every spike [spike]: ms from the very start, and which neuron.
    kept
        Recorded neurons, in increasing order.
    """

    group: str
    parameters: CultureParameters
    culture: Culture
    types: np.ndarray
    values: np.ndarray
    discarded_ms: int
    step: np.ndarray
    neuron: np.ndarray
    kept: np.ndarray


def simulate_cultures(parameters: Mapping | CultureSet, seed: int) -> tuple[xr.Dataset, pd.DataFrame]:
    """Simulate all cultures of a set; see `CultureSet` for `parameters`.

    Every culture has random streams of its own, named by its group and number: it does not change when others are
    added, and with the other orientation it has the same anatomy, neurons and membrane noise.

    Fluorescence is simulated at 1 ms from the very start, so that calcium from the discarded start is still there, and
    thinned without averaging. Recorded are neurons drawn at random from those that fire at least once while recorded
    (all of these, where fewer fire than are wanted), as in the authors' script.

    Returns
    -------
    recording
        Noiseless Recording of one trial [trial, time, neuron], cultures one after the other: `fluorescence` at the
        start of each bin, `spikes` in the bin, `position` (mm), and for each neuron `culture`, `group`, `neuron_type`,
        `inhibitory`, `a`, `b`, `v0`, `du`, `spike_count` (while recorded), `axon_tip` (mm), `excitatory_inputs` and
        `inhibitory_inputs` (neurons, recorded or not, whose spikes excite or inhibit it in the simulation).
        Attributes: orientation, nonlinearity, simulation_parameters, and cultures: a list of culture, group,
        discarded_start_s, neurons_simulated.
    statistics
        A row a culture, of all its neurons over the time of the recording: culture, group, neuron_type, orientation,
        neurons, potential_links, links, mean_degree (links a neuron), those of `culture_statistics`, and the rates over
        the same duration from the initial state on, whose burst the recording leaves out.

    Raises
    ------
    UserError
        A parameter is unknown or out of range, there is no room for the neurons, or none fires.
    """
    settings = CultureSet.from_mapping(parameters)
    planned = [(group, number) for group in settings.members for number in range(group.cultures)]
    runs = [
        _simulate_culture(group, number, settings, seed)
        for group, number in progress(planned, "simulate cultures", unit="culture")
    ]
    statistics = pd.DataFrame([_statistics(run, settings) for run in runs])
    statistics.insert(0, "culture", range(len(runs)))
    return _recording(runs, settings), statistics


def add_noise(recording: xr.Dataset, noise: float, label: str, seed: int) -> xr.Dataset:
    """Return the traces that models are trained on: white Gaussian noise added to a noiseless recording.

    Every level of noise has a random stream of its own. Neurons draw from it one after the other, so that cultures at
    the end of a recording do not change those before.

    Parameters
    ----------
    recording
        Of `simulate_cultures`.
    noise
        Standard deviation of the noise (the paper's Eq. 3 has it as the variance; the authors' code as here).
    label
        Name of these data in print.

    Returns
    -------
    The recording with noisy `fluorescence` (float32), `noiseless` [trial, time, neuron] and `noise_level` [neuron], the
    attribute `label`, and without `spikes`.

    Raises
    ------
    UserError
        The noise is negative or no number, or the recording is not a noiseless one.
    """
    if not is_number(noise) or noise < 0:
        raise UserError(f"noise: expected a standard deviation of 0 or more, found {noise!r}.")
    if "fluorescence" not in recording or "noiseless" in recording:
        found = "one with noise already" if "noiseless" in recording else "no fluorescence"
        raise UserError(f"{recording.attrs.get('source')}: expected a noiseless recording of cultures, found {found}.")
    random = generator(seed, "noise", repr(float(noise)))
    clean = recording["fluorescence"]
    trials, samples, neurons = clean.shape
    noisy = np.empty_like(clean.values)
    for start in progress(range(0, neurons, BLOCK), "add noise", unit="block"):
        part = slice(start, start + BLOCK)
        draws = random.standard_normal((min(BLOCK, neurons - start), trials, samples), dtype=np.float32)
        noisy[:, :, part] = clean.values[:, :, part] + np.float32(noise) * np.moveaxis(draws, 0, -1)
    units = {"units": clean.attrs["units"]}
    level = np.full(neurons, noise, np.float32)
    traces = recording.drop_vars("spikes", errors="ignore").assign(
        fluorescence=clean.copy(data=noisy),
        noiseless=(clean.dims, clean.values, units | {"long_name": "fluorescence without noise"}),
        noise_level=(("neuron",), level, units | {"long_name": "standard deviation of the noise"}),
    )
    traces.attrs["label"] = label
    check_recording(traces, label)
    return traces


def _simulate_culture(group: CultureGroup, number: int, settings: CultureSet, seed: int) -> CultureRun:
    """Grow and run one culture, and draw which of its neurons are recorded."""

    def stream(purpose: str) -> np.random.Generator:
        return generator(seed, "culture", group.label, number, purpose)

    parameters = settings.culture_parameters(group)
    culture = grow_culture(parameters, stream("growth"))
    inhibitory_type = parameters.inhibitory_type or parameters.neuron_type
    types = np.where(culture.inhibitory, inhibitory_type, parameters.neuron_type)
    values = draw_parameters(types, parameters.parameter_variation, stream("parameters"))
    discarded_ms = round(1000 * stream("discarded start").uniform(*settings.discarded_s))
    step, neuron = simulate_spikes(
        culture.inputs(parameters.orientation),
        values,
        discarded_ms + settings.duration_ms,
        stream("dynamics"),
        noise=parameters.noise,
        synapse_time_constant_ms=parameters.synapse_time_constant_ms,
        recovery_time_constant_ms=parameters.recovery_time_constant_ms,
        depression=parameters.depression,
    )
    kept = np.unique(neuron[step >= discarded_ms])
    if not kept.size:
        raise UserError(
            f"group {group.label!r}, culture {number}: expected neurons that fire in {settings.duration_s:g} s, found "
            "none. Record longer, or raise noise, density_per_mm2 or excitatory_weight."
        )
    if settings.neurons is not None and settings.neurons < kept.size:
        kept = np.sort(stream("recorded neurons").choice(kept, settings.neurons, replace=False))
    return CultureRun(group.label, parameters, culture, types, values, discarded_ms, step, neuron, kept)


def _statistics(run: CultureRun, settings: CultureSet) -> dict[str, float | str]:
    """Return a row of the table of statistics, but for the number of the culture."""
    neurons, links = len(run.types), run.culture.weights.nnz
    recorded = run.step >= run.discarded_ms
    firing = culture_statistics(
        run.step[recorded] - run.discarded_ms, run.neuron[recorded], run.culture.inhibitory, settings.duration_ms
    )
    early = run.step < settings.duration_ms
    whole = culture_statistics(run.step[early], run.neuron[early], run.culture.inhibitory, settings.duration_ms)
    return {
        "group": run.group,
        "neuron_type": run.parameters.neuron_type,
        "orientation": run.parameters.orientation,
        "neurons": neurons,
        "potential_links": run.culture.potential_links,
        "links": links,
        "mean_degree": links / neurons,
        **firing,
        **{f"{name}_from_start_hz": whole[f"{name}_hz"] for name in ("excitatory_rate", "inhibitory_rate")},
    }


def _recording(runs: list[CultureRun], settings: CultureSet) -> xr.Dataset:
    """Return the Recording of the kept neurons of all cultures."""
    sizes = [len(run.kept) for run in runs]
    traces = np.empty((1, settings.samples, sum(sizes)), np.float32)
    spikes = np.empty(traces.shape, np.int16)
    start = 0
    for run in progress(runs, "simulate fluorescence", unit="culture"):
        for calcium, counts in _traces(run, settings):
            part = slice(start, start + len(counts))
            traces[0, :, part], spikes[0, :, part] = calcium.T, counts.T
            start += len(counts)
    each = [_neuron_variables(run) for run in runs]
    joined = {name: np.concatenate([variables[name] for variables in each]) for name in each[0]}
    cultures = [
        {
            "culture": index,
            "group": run.group,
            "discarded_start_s": run.discarded_ms / 1000,
            "neurons_simulated": len(run.types),
        }
        for index, run in enumerate(runs)
    ]
    groups = np.repeat(np.array([run.group for run in runs], object), sizes)
    others = {name: (("neuron",), joined[name], *words) for name, words in NEURON_VARIABLES.items()}
    others |= {
        "culture": (("neuron",), np.repeat(np.arange(len(runs), dtype=np.int32), sizes), "1", "culture"),
        "group": (("neuron",), groups, "1", "group of cultures"),
        "axon_tip": (("neuron", "axis"), joined["axon_tip"], "mm", "end of the axon"),
    }
    return make_recording(
        time=np.arange(settings.samples) * settings.interval_ms / 1000,
        bin_width_s=settings.interval_ms / 1000,
        imaging_rate_hz=1000 / settings.interval_ms,
        source=f"simulated cultures, {settings.orientation} orientation",
        fluorescence=traces,
        spikes=spikes,
        position=joined["position"],
        position_units="mm",
        others=others,
        attributes={
            "orientation": settings.orientation,
            "nonlinearity": settings.nonlinearity,
            "cultures": cultures,
            "simulation_parameters": settings.to_dict(),
        },
    )


def _traces(run: CultureRun, settings: CultureSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield fluorescence and spike counts [neuron, sample] of the kept neurons, a block of them at a time."""
    row_of = np.full(len(run.types), -1)
    row_of[run.kept] = np.arange(len(run.kept))
    row = row_of[run.neuron]
    for start in range(0, len(run.kept), BLOCK):
        neurons = min(BLOCK, len(run.kept) - start)
        spikes = np.zeros((neurons, run.discarded_ms + settings.duration_ms), np.int16)
        here = (row >= start) & (row < start + neurons)
        spikes[row[here] - start, run.step[here]] = 1
        calcium = fluorescence(spikes, STEP_MS / 1000, settings.nonlinearity)
        bins = spikes[:, run.discarded_ms :].reshape(neurons, settings.samples, settings.interval_ms)
        yield calcium[:, run.discarded_ms :: settings.interval_ms], bins.sum(axis=2, dtype=np.int16)


def _neuron_variables(run: CultureRun) -> dict[str, np.ndarray]:
    """Return what is known of each kept neuron, by name."""
    culture, kept = run.culture, run.kept
    inputs = culture.inputs(run.parameters.orientation)
    spike_count = np.bincount(run.neuron[run.step >= run.discarded_ms], minlength=len(run.types))
    variables = dict(zip(("a", "b", "v0", "du"), run.values.T, strict=True)) | {
        "position": culture.position,
        "axon_tip": culture.axon_tip.astype(np.float32),
        "neuron_type": run.types.astype(object),
        "inhibitory": culture.inhibitory.astype(np.int8),
        "spike_count": spike_count.astype(np.int32),
        "excitatory_inputs": (inputs > 0).sum(axis=1).astype(np.int32),
        "inhibitory_inputs": (inputs < 0).sum(axis=1).astype(np.int32),
    }
    return {name: values[kept] for name, values in variables.items()}
