"""A culture's neurons and synapses in brian2, run by whatever Python has it: it shares nothing with this package.

    PYTHON brian2_culture.py NETWORK.npz STEPS

Prints brian2's version and what it compiles with; then, for every line read, simulates `STEPS` ms from the start and
prints CPU seconds and spikes.
"""

import sys
import time

import brian2
import numpy as np
from brian2 import ms

EQUATIONS = """
dv/dt = (0.04*v**2 + 5*v + 140 - u + I) / ms + sqrt(4.5) * xi * ms**-0.5 : 1
du/dt = a * (b*v - u) / ms : 1
dI/dt = -I / (10*ms) : 1
dR/dt = (1 - R) / (8000*ms) : 1
a : 1
b : 1
v0 : 1
du0 : 1
"""


def main() -> None:
    """Build the network once, run it whenever asked."""
    stored, duration = np.load(sys.argv[1]), int(sys.argv[2]) * ms
    brian2.defaultclock.dt = 1 * ms
    a, b, v0, du = stored["parameters"].T
    neurons = brian2.NeuronGroup(
        len(a), EQUATIONS, threshold="v > 30", reset="v = v0; u += du0; R *= 0.2", method="euler"
    )
    random = np.random.default_rng(0)
    neurons.a, neurons.b, neurons.v0, neurons.du0 = a, b, v0, du
    neurons.v = v0 + 30 * random.random(len(a))
    neurons.u = b * np.asarray(neurons.v)
    neurons.R = random.random(len(a))
    neurons.I = stored["current"]
    synapses = brian2.Synapses(neurons, neurons, "w : 1", on_pre="I_post += w * R_pre")
    synapses.connect(i=stored["source"], j=stored["target"])
    synapses.w = stored["weight"]
    spikes = brian2.SpikeMonitor(neurons)
    network = brian2.Network(neurons, synapses, spikes)
    network.store()
    network.run(1 * ms)  # compiles
    compiled = type(neurons.state_updater.codeobj).__name__.removesuffix("CodeObject")
    print(brian2.__version__, compiled, flush=True)
    for _ in sys.stdin:
        network.restore()
        start = time.process_time()
        network.run(duration)
        print(time.process_time() - start, spikes.num_spikes, flush=True)


if __name__ == "__main__":
    main()
