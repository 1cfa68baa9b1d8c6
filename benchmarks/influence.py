"""Cost of lagged influence among 20,000 neurons: summarised contributions, and the degrees of every frame.

    python benchmarks/influence.py [--neurons 20000] [--frames 100000] [--latents 10] [--measured 500] [--lag 4]

Measures `--measured` frames and projects to all `--frames` (work a frame does not change with their number). Beside it,
at a small number of neurons, the same from the whole matrix neurons x neurons, and the ratio.
"""

import argparse
import resource
import time

import numpy as np

from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions.contributions import summarise
from calcium_latents.studies.latent_contributions.influence import influence_matrix, mean_degrees


def population(frames: int, neurons: int, latents: int) -> tuple[np.ndarray, np.ndarray]:
    """Activity [time, neuron], float32, centred, and axes [neuron, latent]: skewed gains, as of calcium imaging."""
    rng = generator(0, "benchmarks", "influence")
    axes = rng.normal(size=(neurons, latents)) / np.sqrt(neurons)
    drive = rng.normal(size=(frames, latents)) @ axes.T * np.sqrt(neurons / latents)
    activity = np.maximum(drive + rng.normal(size=(frames, neurons)), 0) * rng.lognormal(0, 0.7, neurons)
    return (activity - activity.mean(axis=0)).astype(np.float32), axes


def timed(function) -> tuple[float, object]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def brute_force(activity: np.ndarray, axes: np.ndarray, lag: int) -> np.ndarray:
    """Mean net influence [neuron] from the whole matrices."""
    net = 0.0
    for t in range(lag, len(activity)):
        a = influence_matrix(activity[t - lag], activity[t], axes)
        net = net + a.sum(axis=1) - a.sum(axis=0)
    return net / (len(activity) - lag)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("neurons", 20_000), ("frames", 100_000), ("latents", 10), ("measured", 500), ("lag", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--small", type=int, default=1000, help="neurons of the comparison with the whole matrix")
    options = parser.parse_args()
    compare(options)
    project(options)


def compare(options: argparse.Namespace) -> None:
    """Print how much longer the whole matrix takes, at a number of neurons where it fits."""
    x, u = population(30, options.small, options.latents)
    fast, ours = timed(lambda: mean_degrees(x, u, options.lag).net[0])
    slow, whole = timed(lambda: brute_force(x, u, options.lag))
    np.testing.assert_allclose(ours, whole, atol=1e-10)
    ours_ms, whole_ms = (seconds / (len(x) - options.lag) * 1e3 for seconds in (fast, slow))
    print(f"{options.small} neurons: degrees {ours_ms:.2f} ms a frame; from the whole matrix {whole_ms:.1f} ms,")
    print(f"    {slow / fast:.0f} times as long")


def project(options: argparse.Namespace) -> None:
    """Print time and memory at the full number of neurons, projected to all frames."""
    x, u = population(options.measured, options.neurons, options.latents)
    print(f"{options.neurons} neurons, {options.latents} latents: {len(x)} frames measured, {options.frames} projected")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = {
        "contributions, summarised": lambda: summarise(x, u),
        "degrees of every frame": lambda: mean_degrees(x, u, options.lag),
    }
    for what, function in work.items():
        each = timed(function)[0] / (len(x) - options.lag)
        print(f"{what}: {each * 1e3:.2f} ms a frame, {each * options.frames:.0f} s for {options.frames} frames")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 2**20:.2f} GiB ({(peak - before) / 2**20:.2f} GiB more than to make the activity)")


if __name__ == "__main__":
    main()
