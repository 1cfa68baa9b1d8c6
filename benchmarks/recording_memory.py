"""Memory and time of a recording's first steps: peak memory of each command, and how it grows with the input.

    python benchmarks/recording_memory.py [--neurons 512] [--frames 108000] [--processes 1] [--session 2000]

The recording is a suite2p folder with neuropil (noise with transients, 30 Hz), made in a temporary folder. Each step is
the workflow's own command in a process of its own; the peak is that of all its processes together. "MB/MB" and "min/MB"
are what `GROWTH` in planning/sizes.py says: memory by the difference of a recording with half of the neurons, and
minutes, each by the size of the step's input files. The last column follows from the memory of the two; it overstates
where half of the neurons are fewer than the blocks that are held at a time (64 each).
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from scipy.signal import lfilter

from calcium_latents.planning.sizes import size_mb
from calcium_latents.seeds import generator

RATE_HZ = 30.0
OPTIONS = {"s_min": -1.0, "decay_time_limits_s": [0.3, 0.8], "normalise": True, "event_minimum": 0.1}
CUT = {"bin_width_s": 0.01, "windows": {"length_s": 1.0, "overlap_s": 0.2}}


def write_suite2p(folder: Path, neurons: int, frames: int) -> None:
    """Write F, Fneu, iscell, stat and ops of neurons that fire at 0.5 Hz."""
    random = generator(0, "benchmarks", "recording memory")
    header = {"descr": "<f4", "fortran_order": False, "shape": (neurons, frames)}
    # A neuron after the other: an hour of many thousand neurons may be larger than memory.
    with (folder / "F.npy").open("wb") as fluorescence, (folder / "Fneu.npy").open("wb") as neuropil:
        for file in (fluorescence, neuropil):
            np.lib.format.write_array_header_1_0(file, header)
        for _ in range(neurons):
            spikes = random.poisson(0.5 / RATE_HZ, frames)
            calcium = lfilter([1.0], [1.0, -np.exp(-1 / (0.6 * RATE_HZ))], spikes)
            trace = 400 * (1 + calcium + 0.2 * random.standard_normal(frames))
            fluorescence.write(trace.astype(np.float32).tobytes())
            neuropil.write((100 + random.standard_normal(frames, dtype=np.float32)).tobytes())
    stat = [{"med": [number % 512, 10]} for number in range(neurons)]
    ops = {"fs": RATE_HZ, "nplanes": 1, "Ly": 512, "Lx": 512}
    np.save(folder / "iscell.npy", np.ones((neurons, 2)))
    for name, values in {"stat": stat, "ops": ops}.items():
        np.save(folder / f"{name}.npy", np.array(values, dtype=object), allow_pickle=True)


class Cost(NamedTuple):
    """Of a command: size of its input (MB), peak memory of its processes (MB), seconds of the clock and processor."""

    input_mb: float
    peak_mb: float
    clock: float
    processor: float


def measured(source: Path, command: str, *words: str) -> Cost:
    """Run a command that reads `source`."""
    start, peak, processor = time.perf_counter(), 0.0, 0.0
    with tempfile.TemporaryFile() as said:
        process = psutil.Popen([sys.executable, "-m", f"calcium_latents.{command}", *words], stderr=said)
        while process.poll() is None:
            try:
                processes = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in processes) / 1e6)
                used = process.cpu_times()
                processor = used.user + used.system + used.children_user + used.children_system
            except psutil.NoSuchProcess:
                pass  # it, or one of its workers, has ended meanwhile
            time.sleep(0.05)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{command} failed:\n{said.read().decode()}")
    return Cost(size_mb([str(source)]), peak, time.perf_counter() - start, processor)


def costs(neurons: int, frames: int, processes: int) -> dict[str, Cost]:
    """Make a recording and run the steps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite2p(folder, neurons, frames)
        study, entry = "studies.recordings.commands", json.dumps({"file": name, "format": "suite2p"})
        files = [folder / f"{step}.nc" for step in ("recording", "deconvolved", "shown", "events")]
        steps = {
            "import_recording": (f"{study}.import_recording", "--parameters", entry),
            "deconvolve": ("commands.deconvolve", "--parameters", json.dumps(OPTIONS), "--processes", str(processes)),
            "hide_samples": (f"{study}.hide_samples", "--fraction", "0.1", "--run-s", "0.5"),
            "cut_windows": (f"{study}.cut_windows", "--parameters", json.dumps(CUT)),
        }
        found, source = {}, folder
        for (step, words), output in zip(steps.items(), files, strict=True):
            recording = [] if source is folder else ["--recording", str(source)]
            found[step] = measured(source, *words, *recording, "--output", str(output))
            source = output
        return found


def main() -> None:
    """Print a line for every step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=512)
    parser.add_argument("--frames", type=int, default=108_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--session", type=int, default=2000, help="neurons of the session that is stated")
    options = parser.parse_args()
    half = costs(options.neurons // 2, options.frames, options.processes)
    whole = costs(options.neurons, options.frames, options.processes)
    minutes = options.frames / RATE_HZ / 60
    print(f"{options.neurons} neurons, {minutes:g} minutes, {options.processes} processes")
    names = f"{'step':18}{'input MB':>9}{'peak MB':>9}{'MB/MB':>7}{'s':>7}{'CPU s':>7}{'min/MB':>8}"
    print(f"{names}   {options.session} neurons")
    for step, cost in whole.items():
        more = cost.peak_mb - half[step].peak_mb
        ratio = more / (cost.input_mb - half[step].input_mb)
        stated = cost.peak_mb + more * (options.session - options.neurons) / (options.neurons - options.neurons // 2)
        line = f"{step:18}{cost.input_mb:9.0f}{cost.peak_mb:9.0f}{ratio:7.2f}{cost.clock:7.1f}{cost.processor:7.1f}"
        print(f"{line}{cost.clock / 60 / cost.input_mb:8.4f}   {stated / 1e3:.1f} GB")


if __name__ == "__main__":
    main()
