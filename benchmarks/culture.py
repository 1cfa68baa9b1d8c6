"""Time of one culture: growth, and dynamics beside the same equations with a matrix product at every step.

    python benchmarks/culture.py [--density 250] [--seconds 30] [--compared 1.0] [--repeats 5]

Growth and dynamics are timed whole, after compilation. The NumPy step with the dense matrix, the SciPy step with the
sparse one and ours are timed in turns on `--compared` seconds of activity from one network and the same random numbers
(their spikes are compared), and scaled to `--seconds`: work a step hardly changes with time. Medians of `--repeats`.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sparse

from calcium_latents.seeds import generator
from calcium_latents.simulation.culture.culture import grow_culture
from calcium_latents.simulation.culture.culture_parameters import CultureParameters
from calcium_latents.simulation.culture.gcamp6s import fluorescence
from calcium_latents.simulation.culture.izhikevich import BLOCK, draw_parameters, simulate_spikes

TRACES = 200


def step_by_step(
    weights: np.ndarray | sparse.csr_array, parameters: np.ndarray, steps: int, random: np.random.Generator
) -> int:
    """Simulate `steps` ms with I = W P at every step; return the number of spikes."""
    a, b, v0, du = parameters.T
    neurons, spikes = len(parameters), 0
    v = v0 + 30 * random.random(neurons)
    u = b * v
    trace, resource = random.random(neurons), random.random(neurons)
    for step in range(steps):
        if step % BLOCK == 0:
            noise = random.standard_normal((BLOCK, neurons), dtype=np.float32)
        drive = 140 - u + weights @ trace + np.sqrt(4.5) * noise[step % BLOCK].astype(float)
        half = v + 0.5 * ((0.04 * v + 5) * v + drive)
        u = u + a * (b * v - u)
        v = half + 0.5 * ((0.04 * half + 5) * half + drive)
        trace *= 0.9
        resource += (1 - resource) / 8000
        fired = v > 30
        spikes += fired.sum()
        v[fired] = v0[fired]
        u[fired] += du[fired]
        trace[fired] += resource[fired]
        resource[fired] *= 0.2
    return int(spikes)


def timed(function: Callable) -> tuple[float, object]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def in_turns(functions: dict[str, Callable], repeats: int) -> dict[str, tuple[float, object]]:
    """Time every function once a round; return medians and the last results."""
    rounds = [{name: timed(function) for name, function in functions.items()} for _ in range(repeats)]
    return {name: (statistics.median(each[name][0] for each in rounds), rounds[-1][name][1]) for name in functions}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("density", 250.0), ("seconds", 30.0), ("compared", 1.0)):
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    settings = CultureParameters(density_per_mm2=options.density)
    steps, compared = round(1000 * options.seconds), round(1000 * options.compared)

    def random(purpose: str) -> np.random.Generator:
        return generator(0, "benchmarks", "culture", purpose)

    first, culture = timed(lambda: grow_culture(settings, random("growth")))
    inputs = culture.inputs("presynaptic")
    parameters = draw_parameters(["RS"] * settings.neurons, 0.05, random("parameters"))
    second, _ = timed(lambda: simulate_spikes(inputs, parameters, 1, random("dynamics")))
    print(f"{settings.neurons} neurons, {inputs.nnz} links, {options.seconds:g} s at 1 ms, one thread")
    print(f"first calls, with compilation where it is not cached: {first:.2f} s and {second:.2f} s")
    whole = in_turns(
        {
            "growth": lambda: grow_culture(settings, random("growth")),
            "dynamics": lambda: simulate_spikes(inputs, parameters, steps, random("dynamics")),
        },
        options.repeats,
    )
    for name, (seconds, _) in whole.items():
        print(f"{name}: {seconds:.2f} s")
    step, neuron = whole["dynamics"][1]
    trains = np.zeros((TRACES, steps), np.int8)
    trains[neuron[neuron < TRACES], step[neuron < TRACES]] = 1
    print(f"fluorescence of {TRACES} neurons: {timed(lambda: fluorescence(trains, 1e-3))[0]:.2f} s")
    dense, rows = inputs.toarray(), sparse.csr_array(inputs)
    found = in_turns(
        {
            "ours": lambda: len(simulate_spikes(inputs, parameters, compared, random("dynamics"))[0]),
            "SciPy, sparse": lambda: step_by_step(rows, parameters, compared, random("dynamics")),
            "NumPy, dense": lambda: step_by_step(dense, parameters, compared, random("dynamics")),
        },
        options.repeats,
    )
    print(f"in turns, {options.compared:g} s of activity scaled to {options.seconds:g} s:")
    ours = found["ours"][0]
    for name, (seconds, spikes) in found.items():
        scaled = seconds * steps / compared
        print(f"    {name}: {scaled:.2f} s ({seconds / ours:.1f} times ours); {spikes} spikes")


if __name__ == "__main__":
    main()
