"""Memory and run time of the rules that a user's recording makes large: by the size of their input files."""

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

#: What Python, its modules and a few blocks of neurons of a long recording take, MB, and what a rule takes beside its
#: data, minutes.
START_MB, START_MINUTES = 800, 5

#: Endings of files that readers have no way to read in parts.
READ_WHOLE = (".mat", ".csv", ".txt")

#: Most that is asked for by size, MB: a file may hold the film beside the traces.
MOST_MB = 128_000


class Growth(NamedTuple):
    """What a rule takes for every MB of its input, beside `START_MB` and `START_MINUTES`."""

    mem_mb: float
    runtime: float
    """Minutes, by one thread."""
    whole_mem_mb: float = 0.0
    """What it takes beside that for every MB of files that are read whole (`READ_WHOLE`)."""


#: Rule -> what it takes. The first four are measured by benchmarks/recording_memory.py, fit_baselines with 240 neurons
#: of 14,400 frames (17 MB and 0.04 minutes a MB), windows in 10 ms bins at 30 Hz; others follow from their arrays:
#: windows have four times a recording's values, mostly missing and so small on disk. An import reads parts of a file.
GROWTH = {
    "import_recording": Growth(0.1, 0.01, 4.0),
    "deconvolve": Growth(0.5, 0.03),
    "hide_samples": Growth(0.2, 0.01),
    "cut_windows": Growth(0.5, 0.03),
    "fit_baselines": Growth(20.0, 0.06),
    "train": Growth(16.0, 0.5),
    "score_recording": Growth(12.0, 0.05),
    "write_event_rates": Growth(4.0, 0.03),
}


def by_size(rule: str, field: str, floor: int) -> Callable | int:
    """Return what a rule asks for of `field`: a function, as Snakemake calls it, where it grows (mem_mb, runtime).

    It asks for `floor` at least, more by the size of its input where that makes it large, and in the second attempt for
    twice what it asked for in the first.
    """
    growth, start = GROWTH.get(rule), {"mem_mb": START_MB, "runtime": START_MINUTES}.get(field)
    if start is None:
        return floor

    def asked(wildcards: Any, input: Iterable[str], attempt: int) -> int:
        amount = floor if growth is None else max(floor, start + getattr(growth, field) * size_mb(input))
        if field == "mem_mb":
            if growth is not None and growth.whole_mem_mb:
                amount += growth.whole_mem_mb * size_mb(path for path in input if path.endswith(READ_WHOLE))
            amount = max(floor, min(amount, MOST_MB))
        return math.ceil(amount) * attempt

    return asked


def size_mb(paths: Iterable[str]) -> float:
    """Return the size of some files together, each once, MB.

    Raises FileNotFoundError for one that is not there yet: Snakemake asks again when it is.
    """
    return sum(map(os.path.getsize, set(paths))) / 1e6
