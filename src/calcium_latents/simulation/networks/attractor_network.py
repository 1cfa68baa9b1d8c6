"""A Hopfield-type rate network whose transitions between basins have known initiators and known stabilisers.

Activity x_i of neuron i in the network with patterns xi^m (entries -1 or 1) follows

    tau_i dx_i/dt = -x_i + tanh(g_i [W x]_i - b a_i + pulse_i(t) + support_i(t) + process noise)
    adaptation_s da_i/dt = x_i - a_i

with W = xi^T (xi xi^T)^-1 xi, the projection onto the patterns (so that they do not disturb each other), g_i the
recurrent gain and b the adaptation, which makes a state that has lasted a while easier to leave. At scheduled onsets a
new target pattern is drawn. Two disjoint groups of neurons get input, and nothing else tells the network of the target:

- initiators: a pulse toward the target that rises as a ramp from onset + lead jitter and ends after `pulse_s`. Without
  pulses the network does not change its basin.
- stabilisers: a sustained input toward whichever pattern the network is in, `support_delay_s` late (feedback from a
  slower area). It holds the old state against a pulse, and the new one once it is reached; without it states do not
  last.

What is observed is x times a size of each neuron, plus white noise. The truth of who is who is set before anything
runs, but the inputs to single neurons vary: the observable effect of an initiator's weak pulse can be smaller than a
quick follower's early response, so that even noise-free activity does not tell all of them.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from calcium_latents.recordings.schema import make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.networks.attractor_network_parameters import AttractorNetworkParameters

SUBSTEPS = 2  # exponential Euler steps in a frame


def simulate_attractor_network(parameters: Mapping | AttractorNetworkParameters, seed: int) -> xr.Dataset:
    """Simulate one session of one network.

    Every use of random numbers has a stream of its own: a session with another pulse strength, support or observation
    noise has the same patterns, groups, schedule and noise draws.

    Parameters
    ----------
    parameters
        `AttractorNetworkParameters`, or a mapping of some of its fields.
    seed
        The same seed and parameters give the same bytes.

    Returns
    -------
    Recording of one trial with `fluorescence` (trial, time, neuron), and the truth: `latents` (overlap of x with each
    pattern), `activity` (trial, time, neuron; noise-free), `initiator` and `stabiliser` (neuron; 0 or 1),
    `pulse_strength` and `support_strength` (neuron), `pattern_sign` (pattern, neuron), `onset_s`, `source_pattern`,
    `target_pattern` (transition; the schedule) and `transition_time_s` (transition; when the highest overlap changes
    from the source to the target for good until the next onset, NaN where it does not).

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    parameters = AttractorNetworkParameters.from_mapping(parameters)
    p = parameters
    signs = np.where(generator(seed, "patterns").random((p.patterns, p.neurons)) < 0.5, -1.0, 1.0)
    order = generator(seed, "groups").permutation(p.neurons)
    initiators, stabilisers = p.group_sizes
    initiator, stabiliser = np.zeros(p.neurons, int), np.zeros(p.neurons, int)
    initiator[order[:initiators]] = 1
    stabiliser[order[initiators : initiators + stabilisers]] = 1
    strengths = {
        "pulse": initiator * p.pulse_strength * _spread(p.pulse_spread, generator(seed, "pulse strength"), p.neurons),
        "support": stabiliser
        * p.support_strength
        * _spread(p.support_spread, generator(seed, "support strength"), p.neurons),
    }
    onset, source, target, duration = _schedule(p, generator(seed, "schedule"))
    frames = round(duration * p.imaging_rate_hz)
    activity = _run(p, seed, signs, strengths, onset, np.concatenate([source[:1], target]), frames)
    size = _spread(p.size_spread, generator(seed, "size"), p.neurons)
    overlap = activity @ signs.T / p.neurons
    noise = generator(seed, "observation noise").standard_normal(activity.shape)
    observed = activity * size + p.observation_noise * noise
    time = np.arange(frames) / p.imaging_rate_hz
    crossing = crossing_times(overlap, time, onset, source, target)
    grid = ("trial", "time", "neuron")
    return make_recording(
        time=time,
        bin_width_s=1 / p.imaging_rate_hz,
        imaging_rate_hz=p.imaging_rate_hz,
        source="simulated attractor network",
        fluorescence=observed[None],
        latents=overlap[None],
        latent_names=[f"overlap with pattern {index}" for index in range(p.patterns)],
        noise_level=np.full(p.neurons, p.observation_noise),
        others={
            "activity": (grid, (activity * size)[None].astype(np.float32), "1", "observed activity without noise"),
            "initiator": (("neuron",), initiator.astype(np.int8), "1", "gets pulses that start transitions"),
            "stabiliser": (("neuron",), stabiliser.astype(np.int8), "1", "gets support that holds the new state"),
            "pulse_strength": (("neuron",), strengths["pulse"], "1", "top of the pulse"),
            "support_strength": (("neuron",), strengths["support"], "1", "sustained support"),
            "pattern_sign": (("pattern", "neuron"), signs.astype(np.int8), "1", "sign of the neuron in the pattern"),
            "onset_s": (("transition",), onset, "s", "scheduled onset of the pulses"),
            "source_pattern": (("transition",), source.astype(np.int8), "1", "pattern before"),
            "target_pattern": (("transition",), target.astype(np.int8), "1", "pattern that the inputs point to"),
            "transition_time_s": (("transition",), crossing, "s", "the target gets the highest overlap"),
        },
        attributes={"seed": int(seed), "simulation_parameters": p.to_dict()},
    )


def crossing_times(
    overlap: np.ndarray, time: np.ndarray, onset: np.ndarray, source: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Return when the pattern of highest overlap changes from the source to the target, for good until the next onset.

    Args:
        overlap: [time, pattern]; time: [time], s; onset: [transition], s; source, target: [transition].

    Returns:
        [transition], s; NaN where the source does not lead at the onset, or the target not at the end of the dwell.
    """
    leader = overlap.argmax(axis=1)
    ends = np.append(onset[1:], time[-1] + 1.0)
    times = np.full(len(onset), np.nan)
    for index, (start, end) in enumerate(zip(onset, ends, strict=True)):
        inside = np.flatnonzero((time >= start) & (time < end))
        there = leader[inside] == target[index]
        if len(inside) and leader[inside[0]] == source[index] and there[-1]:
            times[index] = time[inside[np.flatnonzero(~there)[-1] + 1]]
    return times


def _spread(spread: float, random: np.random.Generator, count: int) -> np.ndarray:
    """Return log-normal factors of mean 1."""
    return np.exp(spread * random.standard_normal(count) - spread**2 / 2)


def _schedule(p: AttractorNetworkParameters, random: np.random.Generator):
    """Return onsets (s), source and target of each transition, and the duration of the session (s)."""
    dwell = p.dwell_s * (1 + p.dwell_jitter * random.uniform(-1, 1, p.transitions + 1))
    onset = np.cumsum(dwell)[:-1]
    states = [int(random.integers(p.patterns))]
    for _ in range(p.transitions):
        # Never the present pattern again: a step of 1 to patterns - 1.
        states.append(int((states[-1] + random.integers(1, p.patterns)) % p.patterns))
    return onset, np.array(states[:-1]), np.array(states[1:]), float(dwell.sum())


def _run(
    p: AttractorNetworkParameters,
    seed: int,
    signs: np.ndarray,
    strengths: dict[str, np.ndarray],
    onset: np.ndarray,
    states: np.ndarray,
    frames: int,
) -> np.ndarray:
    """Integrate the network; `states` are the pattern at the start and each target. Returns x [time, neuron]."""
    step = 1 / p.imaging_rate_hz / SUBSTEPS
    tau = p.time_constant_s * np.exp(
        p.time_constant_spread * generator(seed, "time constant").standard_normal(p.neurons)
    )
    gain = p.recurrent_gain * _spread(p.gain_spread, generator(seed, "gain"), p.neurons)
    jitter = p.lead_jitter_s * generator(seed, "lead jitter").standard_normal((len(onset), p.neurons))
    takes_part = generator(seed, "participation").random((len(onset), p.neurons)) < p.participation
    noise = generator(seed, "process noise")
    readout = np.linalg.solve(signs @ signs.T, signs)
    keep, keep_adaptation = np.exp(-step / tau), np.exp(-step / p.adaptation_s)
    follow = 1 - np.exp(-step / p.support_rise_s)
    x, adapted = 0.9 * signs[states[0]], 0.9 * signs[states[0]]
    support = strengths["support"] * signs[states[0]]
    delay = round(p.support_delay_s * p.imaging_rate_hz)
    leader = np.full(frames, states[0])
    activity = np.empty((frames, p.neurons))
    for frame in range(frames):
        activity[frame] = x
        leader[frame] = np.argmax(signs @ x)
        held = leader[max(0, frame - delay)]
        for substep in range(SUBSTEPS):
            now = (frame * SUBSTEPS + substep) * step
            current = np.searchsorted(onset - 2.0, now, side="right") - 1  # a jittered pulse can start early
            pulse = 0.0
            if current >= 0:
                since = now - onset[current] - jitter[current]
                rise = np.clip(since / p.ramp_s, 0, 1) * (since < p.pulse_s) * takes_part[current]
                pulse = rise * strengths["pulse"] * signs[states[current + 1]]
            support += follow * (strengths["support"] * signs[held] - support)
            drive = gain * ((readout @ x) @ signs) - p.adaptation * adapted + pulse + support
            drive += p.process_noise * noise.standard_normal(p.neurons)
            adapted = x + keep_adaptation * (adapted - x)
            x = np.tanh(drive) + keep * (x - np.tanh(drive))
    return activity
