"""Cost of lagged influence among 20,000 neurons: degrees, the top 20 neurons of every frame, the strongest pairs.

    python benchmarks/influence.py [--neurons 20000] [--frames 100000] [--latents 10] [--measured 500] [--lag 4]

Measures `--measured` frames and projects to all `--frames` (work a frame does not change with their number). Beside it,
at a small number of neurons, the same from the whole matrix neurons x neurons, and the ratio. Activity is latents with
Gaussian axes plus noise, rectified or not (`--signed`); the pairs' time depends on how unequal neurons are, which is
printed as the share of the matrix that was computed.
"""

import argparse
import resource
import statistics
import time

import numpy as np

from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions.contributions import largest, summarise
from calcium_latents.studies.latent_contributions.influence import influence_degrees, influence_matrix
from calcium_latents.studies.latent_contributions.top_influence import top_of_degrees, top_pairs, top_partners

TOP = 20


def population(frames: int, neurons: int, latents: int, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Activity [time, neuron], float32, centred, and axes [neuron, latent]: skewed gains, as of calcium imaging."""
    rng = generator(0, "benchmarks", "influence")
    axes = rng.normal(size=(neurons, latents)) / np.sqrt(neurons)
    drive = rng.normal(size=(frames, latents)) @ axes.T * np.sqrt(neurons / latents) + rng.normal(
        size=(frames, neurons)
    )
    gain = 1.0 if signed else rng.lognormal(0, 0.7, neurons)
    activity = (drive if signed else np.maximum(drive, 0)) * gain
    return (activity - activity.mean(axis=0)).astype(np.float32), axes


def timed(function) -> tuple[float, object]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def degrees_and_top(activity: np.ndarray, axes: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean net influence [neuron], and the top neurons of every frame."""
    net, found = 0.0, []
    for part in influence_degrees(activity, axes, lag):
        net = net + part.net.sum(axis=0)
        found.append(top_of_degrees(part, "net", TOP)[0])
    return net / (len(activity) - lag), np.concatenate(found)


def brute_force(activity: np.ndarray, axes: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from the whole matrices."""
    net, found = 0.0, []
    for t in range(lag, len(activity)):
        a = influence_matrix(activity[t - lag], activity[t], axes)
        one = a.sum(axis=1) - a.sum(axis=0)
        net = net + one
        found.append(largest(one, TOP))
    return net / len(found), np.array(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("neurons", 20_000), ("frames", 100_000), ("latents", 10), ("measured", 500), ("lag", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--small", type=int, default=1000, help="neurons of the comparison with the whole matrix")
    parser.add_argument("--signed", action="store_true", help="Gaussian activity, neurons alike")
    options = parser.parse_args()
    compare(options.small, options)
    project(options)


def compare(neurons: int, options: argparse.Namespace) -> None:
    """Print how much longer the whole matrix takes, at a number of neurons where it fits."""
    lag = options.lag
    x, u = population(30, neurons, options.latents, options.signed)
    degrees_and_top(x, u, lag)  # compiles
    top_partners(x, u, lag, TOP, frames=(lag, lag + 1))
    fast, ours = timed(lambda: degrees_and_top(x, u, lag))
    slow, whole = timed(lambda: brute_force(x, u, lag))
    np.testing.assert_allclose(ours[0], whole[0], atol=1e-10)
    each = fast / (len(x) - lag) * 1e3, slow / (len(x) - lag) * 1e3
    print(
        f"{neurons} neurons: degrees and top {TOP}: {each[0]:.2f} ms a frame; from the whole matrix {each[1]:.1f} ms,"
    )
    print(f"    {slow / fast:.0f} times as long")
    fast, pairs = timed(lambda: top_pairs(x, u, lag, TOP, frames=(lag, lag + 1)))
    others = ~np.eye(neurons, dtype=bool)
    slow, values = timed(lambda: np.sort(influence_matrix(x[0], x[lag], u)[others])[::-1][:TOP])
    np.testing.assert_allclose(pairs.values, values, atol=1e-12)
    print(
        f"{neurons} neurons: top {TOP} pairs of a frame: {fast * 1e3:.1f} ms; from the whole matrix {slow * 1e3:.1f} ms"
    )


def project(options: argparse.Namespace) -> None:
    """Print time and memory at the full number of neurons, projected to all frames."""
    lag, frames = options.lag, options.frames
    x, u = population(options.measured, options.neurons, options.latents, options.signed)
    window = len(x) - lag
    print(f"{options.neurons} neurons, {options.latents} latents: {len(x)} frames measured, projected to {frames}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, _ = timed(lambda: summarise(x, u))
    report("contributions, summarised", seconds / len(x), frames)
    seconds, _ = timed(lambda: degrees_and_top(x, u, lag))
    report(f"degrees and top {TOP} neurons of every frame", seconds / window, frames)
    some = np.linspace(lag, len(x) - 1, 10).astype(int)
    measured = [timed(lambda t=t: top_pairs(x, u, lag, TOP, frames=(t, t + 1))) for t in some]
    share = statistics.median(found.computed for _, found in measured)
    report(f"top {TOP} pairs of every frame ({share:.2%} computed)", statistics.median(s for s, _ in measured), frames)
    seconds, _ = timed(lambda: top_partners(x, u, lag, TOP, frames=(some[0], some[0] + 1)))
    report(f"top {TOP} partners of every neuron in every frame", seconds, frames)
    for similarity in ("dot", "correlation"):
        seconds, found = timed(lambda s=similarity: top_pairs(x, u, lag, TOP, s, frames=(lag, len(x))))
        print(f"top {TOP} pairs over {window} frames, {similarity}: {seconds:.1f} s ({found.computed:.1%} computed)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 2**20:.2f} GiB ({(peak - before) / 2**20:.2f} GiB more than to make the activity)")


def report(what: str, each: float, frames: int) -> None:
    """Print seconds a frame, and for all frames."""
    print(f"{what}: {each * 1e3:.2f} ms a frame, {each * frames:.0f} s for {frames} frames")


if __name__ == "__main__":
    main()
