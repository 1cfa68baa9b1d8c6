"""Memory and time of a recording's first steps: peak memory of each command over the size of its traces as float32.

    python benchmarks/recording_memory.py [--neurons 400] [--frames 36000] [--processes 1] [--session 2000]

The recording is a suite2p folder with neuropil (noise with transients, 30 Hz), made in a temporary folder. Each step is
the workflow's own command in a process of its own; the peak is that of its largest process. The ratio is that of half
and whole recordings' difference, without what Python and its modules take; the last column follows from it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from calcium_latents.seeds import generator

RATE_HZ, HOUR_FRAMES = 30.0, 108_000
OPTIONS = {"s_min": -1.0, "decay_time_limits_s": [0.3, 0.8], "normalise": True, "event_minimum": 0.1}


def write_suite2p(folder: Path, neurons: int, frames: int) -> None:
    """Write F, Fneu, iscell, stat and ops of neurons that fire at 0.5 Hz."""
    random = generator(0, "benchmarks", "recording memory")
    fluorescence = np.empty((neurons, frames), np.float32)
    for trace in fluorescence:
        spikes = random.poisson(0.5 / RATE_HZ, frames)
        calcium = lfilter([1.0], [1.0, -np.exp(-1 / (0.6 * RATE_HZ))], spikes)
        trace[:] = 400 * (1 + calcium + 0.2 * random.standard_normal(frames))
    neuropil = 100 + random.standard_normal((neurons, frames), dtype=np.float32)
    stat = [{"med": [number % 512, 10]} for number in range(neurons)]
    ops = {"fs": RATE_HZ, "nplanes": 1, "Ly": 512, "Lx": 512}
    for name, values in {"F": fluorescence, "Fneu": neuropil, "iscell": np.ones((neurons, 2))}.items():
        np.save(folder / f"{name}.npy", values)
    for name, values in {"stat": stat, "ops": ops}.items():
        np.save(folder / f"{name}.npy", np.array(values, dtype=object), allow_pickle=True)


def measured(command: str, *words: str) -> tuple[float, float, float]:
    """Run a command; return its peak memory (MB), and the seconds of the clock and of the processor."""
    code = (
        "import resource, subprocess, sys; done = subprocess.run([sys.executable, '-m', *sys.argv[1:]], check=True);"
        " used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        " print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, f"calcium_latents.{command}", *words], check=True, capture_output=True, text=True
    )
    peak, processor = map(float, done.stdout.split()[-2:])
    return peak, time.perf_counter() - start, processor


class Measured(NamedTuple):
    """Size of the traces (MB of float32), and step -> peak memory (MB), seconds, seconds of the processor."""

    size_mb: float
    costs: dict[str, tuple[float, float, float]]


def sizes_and_costs(neurons: int, frames: int, processes: int) -> Measured:
    """Make a recording and run the steps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite2p(folder, neurons, frames)
        study, entry = "studies.recordings.commands", json.dumps({"file": name, "format": "suite2p"})
        recording, events, shown = (str(folder / f"{step}.nc") for step in ("recording", "deconvolved", "shown"))
        parameters = ["--parameters", json.dumps(OPTIONS), "--processes", str(processes)]
        steps = {
            "import": (f"{study}.import_recording", "--parameters", entry, "--output", recording),
            "deconvolve": ("commands.deconvolve", "--recording", recording, *parameters, "--output", events),
            "hide": (f"{study}.hide_samples", "--recording", events, "--fraction", "0.1", "--output", shown),
        }
        return Measured(neurons * frames * 4 / 2**20, {step: measured(*words) for step, words in steps.items()})


def main() -> None:
    """Print a line for every step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--frames", type=int, default=36_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--session", type=int, default=2000, help="neurons of the session that is stated")
    options = parser.parse_args()
    half = sizes_and_costs(options.neurons, options.frames // 2, options.processes)
    whole = sizes_and_costs(options.neurons, options.frames, options.processes)
    session_mb = options.session * HOUR_FRAMES * 4 / 2**20
    print(f"{options.neurons} neurons, {options.frames} frames: {whole.size_mb:.0f} MB of float32")
    print(f"{'step':12}{'peak MB':>9}{'ratio':>7}{'s':>7}{'CPU s':>7}   an hour of {options.session} neurons")
    for step, (peak, clock, processor) in whole.costs.items():
        ratio = (peak - half.costs[step][0]) / (whole.size_mb - half.size_mb)
        stated = (peak + ratio * (session_mb - whole.size_mb)) / 1024
        print(f"{step:12}{peak:9.0f}{ratio:7.2f}{clock:7.1f}{processor:7.1f}   {stated:.1f} GB")


if __name__ == "__main__":
    main()
