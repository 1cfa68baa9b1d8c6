"""Izhikevich neurons with depressing synapses (Abante et al. 2025, Eq. 1; Alvarez-Lacalle & Moses 2009).

A step of dt = 1 ms is forward Euler from the old values, for v in two half steps (the authors' code):

    dv/dt = 0.04 v^2 + 5 v + 140 - u + I + eta        du/dt = a (b v - u)
    dP/dt = -P / tau,  I = W P                         dR/dt = (1 - R) / tau_R
    where now v > 30: v <- v0, u <- u + du, P <- P + R, R <- (1 - depression) R

The traces P of the synapses decay linearly, all alike, and so do the currents I: instead of multiplying W by P at every
step, I itself decays, and a spike of neuron j adds the column W[:, j] R_j to it. The same numbers for little work.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse

from calcium_latents.compiling import njit

#: type -> (a, b, v0 mV, du); RS, IB, CH are the paper's Table 1, the others Izhikevich 2003 (Fig. 2).
NEURON_TYPES: dict[str, tuple[float, float, float, float]] = {
    "RS": (0.02, 0.2, -65.0, 8.0),  # regular spiking
    "IB": (0.02, 0.2, -55.0, 4.0),  # intrinsically bursting
    "CH": (0.02, 0.2, -50.0, 2.0),  # chattering
    "FS": (0.1, 0.2, -65.0, 2.0),  # fast spiking
    "LTS": (0.02, 0.25, -65.0, 2.0),  # low-threshold spiking
    "TC": (0.02, 0.25, -65.0, 0.05),  # thalamo-cortical
    "RZ": (0.1, 0.26, -65.0, 2.0),  # resonator
}
STEP_MS = 1.0
PEAK_MV = 30.0
BLOCK = 1000  # steps whose noise is drawn at once


def simulate_spikes(
    inputs: sparse.csc_array,
    parameters: np.ndarray,
    steps: int,
    random: np.random.Generator,
    *,
    noise: float = 2.25,
    synapse_time_constant_ms: float = 10.0,
    recovery_time_constant_ms: float = 8000.0,
    depression: float = 0.8,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate N neurons for `steps` ms, from v = v0 + U(0, 30), u = b v, P and R = U(0, 1).

    Parameters
    ----------
    inputs
        Sparse [N, N]: a spike of neuron j adds `inputs[:, j]` times its resource to the currents of all neurons.
    parameters
        a, b, v0 (mV), du of each neuron [N, 4].
    steps
        Number of steps of 1 ms.
    random
        Of initial states and noise. A longer simulation begins like a shorter one.
    noise
        The noise eta has the standard deviation sqrt(2 noise / dt), once a step and neuron.

    Returns
    -------
    Step (0 is the first) and neuron of every spike, in the order of steps, and of neurons within a step; int64.
    """
    columns = sparse.csc_array(inputs)
    neurons = columns.shape[0]
    a, b, v0, du = np.ascontiguousarray(np.transpose(parameters), np.float64)
    v = v0 + PEAK_MV * random.random(neurons)
    u = b * v
    current = columns @ random.random(neurons)
    resource = random.random(neurons)
    decay, recovery = 1 - STEP_MS / synapse_time_constant_ms, STEP_MS / recovery_time_constant_ms
    sd = np.sqrt(2 * noise / STEP_MS)
    eta = np.empty((BLOCK, neurons), np.float32)
    spikes = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for start in range(0, steps, BLOCK):
        random.standard_normal(dtype=np.float32, out=eta)
        step, neuron = _advance(
            eta[: steps - start], sd, a, b, v0, du, v, u, current, resource, decay, recovery, 1 - depression,
            columns.indptr, columns.indices, columns.data,
        )  # fmt: skip
        spikes.append((start + step, neuron))
    steps_of, neurons_of = zip(*spikes, strict=True)
    return np.concatenate(steps_of), np.concatenate(neurons_of)


def draw_parameters(types: Sequence[str] | np.ndarray, variation: float, random: np.random.Generator) -> np.ndarray:
    """Return a, b, v0, du [N, 4] of neurons of `types` [N]; each value varies by a factor N(1, variation)."""
    return np.array([NEURON_TYPES[name] for name in types]) * random.normal(1.0, variation, (len(types), 4))


@njit
def _advance(eta, sd, a, b, v0, du, v, u, current, resource, decay, recovery, kept, starts, rows, weights):
    """Advance v, u, current and resource [N] by one step for each row of `eta` [steps, N], in place.

    `starts`, `rows`, `weights` are the columns of the inputs (CSC). Returns step and neuron of each spike.
    """
    steps, neurons = eta.shape
    times, who = [], []
    for n in range(steps):
        firing = 0
        for i in range(neurons):
            drive = 140.0 - u[i] + current[i] + sd * eta[n, i]
            half = v[i] + 0.5 * STEP_MS * ((0.04 * v[i] + 5.0) * v[i] + drive)
            u[i] += STEP_MS * a[i] * (b[i] * v[i] - u[i])
            v[i] = half + 0.5 * STEP_MS * ((0.04 * half + 5.0) * half + drive)
            current[i] *= decay
            resource[i] += recovery * (1.0 - resource[i])
            firing += v[i] > PEAK_MV
        if firing == 0:
            continue
        for j in range(neurons):  # a loop of its own: without branches, the one above is vectorised
            if v[j] > PEAK_MV:
                v[j] = v0[j]
                u[j] += du[j]
                for link in range(starts[j], starts[j + 1]):
                    current[rows[link]] += weights[link] * resource[j]
                resource[j] *= kept
                times.append(n)
                who.append(j)
    return np.array(times, np.int64), np.array(who, np.int64)
