"""A two-photon session of a behaving animal, simulated from its latents to raw fluorescence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.progress import progress
from calcium_latents.recordings.behaviour import SPEED, behaviour_variables
from calcium_latents.recordings.readers.traces import Behaviour
from calcium_latents.recordings.schema import make_recording
from calcium_latents.recordings.trial_table import trial_attribute
from calcium_latents.seeds import generator
from calcium_latents.simulation.two_photon_session import activity, imaging
from calcium_latents.simulation.two_photon_session.parameters import INDICATORS, TwoPhotonSessionParameters


@dataclass(frozen=True)
class TwoPhotonSession:
    """A session: what the microscope and the rig recorded, and the truth behind it.

    Attributes:
        parameters: what it was made of.
        seed: of all its random numbers.
        regions: what is fixed of each region of interest.
        fluorescence: raw [roi, frame], float32.
        neuropil: around each region [roi, frame], float32.
        bad_frames: [frame], frames with motion.
        trials: a row each: start_s, stop_s, condition.
        behaviour_times: [sample], s.
        running_speed: [sample], cm/s.
        firing_rate: of cells [cell, frame], mean over the frame, 1/s, float32.
        spikes: of cells [cell, frame], int16.
        dff: of cells [cell, frame], noiseless, float32.
        latents: mean over each frame [frame, latent].
        tuning: name -> value of each cell [cell, ...]: mean_rate, modulation, latent_share, loading, amplitude.
    """

    parameters: TwoPhotonSessionParameters
    seed: int
    regions: imaging.Regions
    fluorescence: np.ndarray
    neuropil: np.ndarray
    bad_frames: np.ndarray
    trials: pd.DataFrame
    behaviour_times: np.ndarray
    running_speed: np.ndarray
    firing_rate: np.ndarray
    spikes: np.ndarray
    dff: np.ndarray
    latents: np.ndarray
    tuning: dict[str, np.ndarray]

    @property
    def cells(self) -> np.ndarray:
        """Numbers of the regions that are cells [cell]."""
        return np.flatnonzero(self.regions.is_cell)


def simulate_session(parameters: Mapping | TwoPhotonSessionParameters, seed: int) -> TwoPhotonSession:
    """Simulate one session; see `TwoPhotonSessionParameters`.

    Fluorescence of a region at frame t is
        bleaching(t) (resting (1 + dF/F(t) + drift(t)) + coefficient neuropil(t)) + noise(t),
    dF/F taken when the laser is at the region's line. Every cell has a random stream of its own: its spikes do not
    change with the number of other cells.

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    p = TwoPhotonSessionParameters.from_mapping(parameters)
    trials = activity.draw_trials(p, seed)
    states = activity.latent_states(p, trials, seed)
    regions = imaging.draw_regions(p, seed)
    offsets = imaging.sample_offsets(regions, p)[regions.is_cell]

    rate = np.empty((p.neurons, p.frames), np.float32)
    spikes = np.empty((p.neurons, p.frames), np.int16)
    dff = np.empty((p.neurons, p.frames), np.float32)
    tuning = []
    step_s = 1 / (p.imaging_rate_hz * p.steps)
    for cell in progress(range(p.neurons), "simulate cells", total=p.neurons, unit="cell"):
        random = generator(seed, "cell", cell)
        own = activity.cell_tuning(p, random)
        spread = p.amplitude_spread
        own["amplitude"] = INDICATORS[p.indicator].amplitude * np.exp(spread * random.standard_normal() - spread**2 / 2)
        fine = activity.firing_rate(own, states, p, random)
        times = activity.spike_times(fine, step_s, random)
        sizes = np.maximum(1 + p.spike_size_noise_sd * random.standard_normal(len(times)), 0.0)
        rate[cell] = fine.reshape(p.frames, p.steps).mean(axis=1)
        frame = np.minimum((times * p.imaging_rate_hz).astype(int), p.frames - 1)
        spikes[cell] = np.bincount(frame, minlength=p.frames)
        dff[cell] = imaging.dff_of_spikes(times, sizes, offsets[cell], own["amplitude"], p)
        tuning.append(own)

    bad, bout = imaging.bad_frames(p, seed)
    neuropil = imaging.neuropil_field(dff, regions, p, seed)
    fluorescence = _raw_fluorescence(p, seed, regions, dff, neuropil, bout)
    behaviour_times = np.arange(int(p.duration_s * p.behaviour_rate_hz)) / p.behaviour_rate_hz
    return TwoPhotonSession(
        parameters=p,
        seed=int(seed),
        regions=regions,
        fluorescence=fluorescence,
        neuropil=neuropil,
        bad_frames=bad,
        trials=trials,
        behaviour_times=behaviour_times,
        running_speed=activity.speed_of_arousal(states[:, -1], behaviour_times, p, seed),
        firing_rate=rate,
        spikes=spikes,
        dff=dff,
        latents=states.reshape(p.frames, p.steps, -1).mean(axis=1).astype(np.float32),
        tuning={name: np.array([own[name] for own in tuning], np.float32) for name in tuning[0]},
    )


def _raw_fluorescence(
    p: TwoPhotonSessionParameters,
    seed: int,
    regions: imaging.Regions,
    dff: np.ndarray,
    neuropil: np.ndarray,
    bout: np.ndarray,
) -> np.ndarray:
    """Return raw fluorescence [roi, frame]; `neuropil` [roi, frame], relative to its mean, becomes what is measured."""
    left = imaging.bleaching_curve(p)
    fluorescence = np.empty(neuropil.shape, np.float32)
    cell_of = np.cumsum(regions.is_cell) - 1
    bouts = int(bout.max()) + 1
    for roi in range(len(fluorescence)):
        # The streams of cells go by their number, so that other regions do not change them.
        number = int(cell_of[roi]) if regions.is_cell[roi] else roi
        random = generator(seed, "sensor", "cell" if regions.is_cell[roi] else "other", number)
        loss = imaging.MOTION_LOSS * random.uniform(size=bouts)
        loss[0] = 0.0
        kept = left * (1 - loss[bout])
        signal = 1 + imaging.slow_drift(p, random)
        if regions.is_cell[roi]:
            signal += dff[cell_of[roi]]
        around = regions.neuropil[roi] * neuropil[roi]
        clean = kept * (regions.resting[roi] * signal + regions.coefficient[roi] * around)
        # Photons are counted: the variance of their number grows with it.
        sd = regions.noise_sd[roi] * np.sqrt(1 - p.shot_share + p.shot_share * clean / clean.mean())
        fluorescence[roi] = clean + regions.resting[roi] * sd * random.standard_normal(p.frames)
        noise = imaging.NEUROPIL_NOISE * regions.noise_sd[roi] * regions.neuropil[roi]
        neuropil[roi] = kept * around + noise * random.standard_normal(p.frames)
    return fluorescence


def session_recording(session: TwoPhotonSession, neurons: np.ndarray | None = None) -> xr.Dataset:
    """Return the session as one Recording of one trial, with dF/F and the truth.

    dF/F is what is measured, less the neuropil, relative to the true resting fluorescence as it bleaches; NaN in bad
    frames. `neurons` [cell] are the cells' numbers, by default those of their regions.
    """
    p, regions, cells = session.parameters, session.regions, session.cells
    dff = session.neuropil[cells]
    dff *= -np.float32(p.neuropil_coefficient)
    dff += session.fluorescence[cells]
    dff /= regions.resting[cells, None].astype(np.float32)
    dff /= imaging.bleaching_curve(p).astype(np.float32)
    dff -= 1
    dff[:, session.bad_frames] = np.nan
    time = np.arange(p.frames) / p.imaging_rate_hz
    speed = Behaviour(session.behaviour_times, session.running_speed, "cm/s")
    tuning = {"mean_rate": "1/s", "modulation": "1", "latent_share": "1", "amplitude": "1"}
    others = {name: (("neuron",), session.tuning[name], units, f"the cell's {name}") for name, units in tuning.items()}
    return make_recording(
        time=time,
        bin_width_s=1 / p.imaging_rate_hz,
        imaging_rate_hz=p.imaging_rate_hz,
        source=f"simulated two-photon session ({p.indicator})",
        fluorescence=dff.T[None],
        spikes=session.spikes.T[None],
        firing_rate=session.firing_rate.T[None],
        latents=session.latents[None],
        neuron=cells if neurons is None else neurons,
        sample_offset=imaging.sample_offsets(regions, p)[cells],
        position=regions.position[cells],
        noise_level=regions.noise_sd[cells],
        others=others
        | {"loading": (("neuron", "latent"), session.tuning["loading"], "1", "direction of the latents it follows")}
        | behaviour_variables({SPEED: speed}, time, 1 / p.imaging_rate_hz),
        attributes={
            "seed": session.seed,
            "trials": trial_attribute(session.trials),
            "simulation_parameters": p.to_dict(),
        },
    )


def simulate_two_photon_session(parameters: Mapping | TwoPhotonSessionParameters, seed: int) -> xr.Dataset:
    """Simulate one session as a Recording of one trial: measured dF/F, and true spikes, rates and latents.

    Parameters
    ----------
    parameters
        `TwoPhotonSessionParameters`, or a mapping of some of its fields.
    seed
        The same seed and parameters give the same bytes.

    Returns
    -------
    Recording with fluorescence (trial, time, neuron; NaN in frames with motion), spikes, firing_rate, latents,
    running_speed (trial, time), sample_offset, position, noise_level, loading (neuron, latent), mean_rate, modulation,
    latent_share and amplitude (neuron), and the table of trials (start_s, stop_s, condition) as attribute `trials`.

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    return session_recording(simulate_session(parameters, seed))
