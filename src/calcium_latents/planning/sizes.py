"""Memory and run time of the rules that a user's recording makes large: by the size of their input files."""

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

#: What Python, its modules and a few blocks of neurons of a long recording take, MB, and what a rule takes beside its
#: data, minutes.
START_MB, START_MINUTES = 800, 5

#: Most that is asked for by size, MB: a file may hold the film beside the traces.
MOST_MB = 128_000


class Growth(NamedTuple):
    """What a rule takes for every MB of its input, beside `START_MB` and `START_MINUTES`."""

    mem_mb: float
    runtime: float
    """Minutes, by one thread."""


#: Rule -> what it takes. The first four are measured by benchmarks/recording_memory.py, fit_baselines with 240 neurons
#: of 14,400 frames (17 MB and 0.04 minutes a MB), windows in 10 ms bins at 30 Hz; others follow from their arrays:
#: windows have four times a recording's values, mostly missing and so small on disk. An import's memory does not grow:
#: what it asks for by size is for files of many images, or that are read whole (MATLAB before 7.3).
GROWTH = {
    "import_recording": Growth(0.1, 0.01),
    "deconvolve": Growth(0.5, 0.03),
    "hide_samples": Growth(0.2, 0.01),
    "cut_windows": Growth(0.5, 0.03),
    "fit_baselines": Growth(20.0, 0.06),
    "train": Growth(16.0, 0.5),
    "score_recording": Growth(12.0, 0.05),
    "write_event_rates": Growth(4.0, 0.03),
}


def by_size(rule: str, field: str, floor: int) -> Callable | int:
    """Return what a rule asks for of `field` (mem_mb, runtime): a function, as Snakemake calls it, or `floor` itself.

    It asks for `floor` at least, and in the second attempt for twice what it asked for in the first.
    """
    growth, start = GROWTH.get(rule), {"mem_mb": START_MB, "runtime": START_MINUTES}.get(field)
    if growth is None or start is None:
        return floor

    def asked(wildcards: Any, input: Iterable[str], attempt: int) -> int:
        amount = start + getattr(growth, field) * size_mb(input)
        if field == "mem_mb":
            amount = min(amount, MOST_MB)
        return max(floor, math.ceil(amount)) * attempt

    return asked


def size_mb(paths: Iterable[str]) -> float:
    """Return the size of some files together, each once, MB; of a folder, that of the arrays in it.

    Raises FileNotFoundError for one that is not there yet: Snakemake asks again when it is.
    """
    return sum(map(os.path.getsize, {file for path in paths for file in _files(path)})) / 1e6


def _files(path: str) -> list[str]:
    """Return a file, or those of a folder that hold arrays: .npy of suite2p, else all, as of zarr."""
    if not os.path.isdir(path):
        return [path]
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return [name for name in files if name.endswith(".npy")] or files
