"""Which of its kernels OpenBLAS uses, the BLAS of compiled loops and of NumPy."""

import os
from pathlib import Path

VARIABLE = "OPENBLAS_CORETYPE"
#: what OpenBLAS's kernels of this name need
WIDE, NEEDED = "SkylakeX", {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def use_wide_kernels(processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Let OpenBLAS use 512-bit kernels where the processor has them; tell whether this was done.

    OpenBLAS knows processors by their names: on AMD's of 2024 (Zen 5) it falls back to 256-bit kernels, at a third of
    the speed. It chooses when it is loaded, so call this before SciPy is imported, and in a process whose children run
    on this machine. A choice of the user's (`OPENBLAS_CORETYPE`) stands.

    Args:
        processor: the system's description of the processor; where there is none, nothing is changed.
    """
    try:
        lines = [line.partition(":") for line in processor.read_text().splitlines()]
    except OSError:
        return False
    described = {name.strip(): set(value.split()) for name, _, value in lines}
    if VARIABLE in os.environ or "AuthenticAMD" not in described.get("vendor_id", ()):
        return False
    if not described.get("flags", set()) >= NEEDED:
        return False
    os.environ[VARIABLE] = WIDE
    return True
