"""Neurons that follow one Lorenz system, each with a delay of its own: who leads whom is known, and nobody drives
anybody.

Activity of neuron i is w_i . z(t - d_i) + noise, with z the z-scored states, random weights w_i and a delay d_i of 0 to
`largest_delay_frames` frames. Its lead is how far it is ahead of the mean delay. All common structure comes from the
latents, so a method that orders the neurons by lead shows association in time, not causation.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from calcium_latents.recordings.schema import make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.lorenz import lorenz
from calcium_latents.simulation.lorenz.delayed_lorenz_parameters import DelayedLorenzParameters


def simulate_delayed_lorenz(parameters: Mapping | DelayedLorenzParameters, seed: int) -> xr.Dataset:
    """Simulate one continuous session.

    Parameters
    ----------
    parameters
        `DelayedLorenzParameters`, or a mapping of some of its fields.
    seed
        The same seed and parameters give the same bytes; another noise leaves everything else as it is.

    Returns
    -------
    Recording of one trial with `fluorescence` (trial, time, neuron), `latents` (z-scored, without delay), `lead_s`
    (neuron; s ahead of the mean neuron, positive = earlier), `delay_s` and `weight` (neuron, latent).

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    parameters = DelayedLorenzParameters.from_mapping(parameters)
    p = parameters
    longest = p.largest_delay_frames
    states = lorenz.trajectories(
        generator(seed, "initial state").normal(size=(1, 3)),
        p.frames + longest,
        p.downsampling,
        integrator="runge_kutta",
    )[0]
    states = (states - states.mean(axis=0)) / states.std(axis=0)
    delay = generator(seed, "delay").integers(0, longest + 1, p.neurons)
    weight = generator(seed, "weight").standard_normal((p.neurons, 3))
    signal = np.empty((p.frames, p.neurons))
    for neuron in range(p.neurons):
        start = longest - delay[neuron]
        trace = states[start : start + p.frames] @ weight[neuron]
        scale = trace.std()
        weight[neuron] /= scale
        signal[:, neuron] = (trace - trace.mean()) / scale
    noise = generator(seed, "observation noise").standard_normal(signal.shape)
    step = 1 / p.imaging_rate_hz
    return make_recording(
        time=np.arange(p.frames) * step,
        bin_width_s=step,
        imaging_rate_hz=p.imaging_rate_hz,
        source="simulated Lorenz system with a delay for each neuron",
        fluorescence=(signal + p.observation_noise * noise)[None],
        latents=states[None, longest:],
        latent_names=lorenz.LATENTS,
        noise_level=np.full(p.neurons, p.observation_noise),
        others={
            "delay_s": (("neuron",), delay * step, "s", "delay behind the latents"),
            "lead_s": (("neuron",), (delay.mean() - delay) * step, "s", "time ahead of the mean neuron"),
            "weight": (("neuron", "latent"), weight, "1", "weight of the latents"),
        },
        attributes={"seed": int(seed), "simulation_parameters": p.to_dict()},
    )
