"""What this machine has for jobs that run on it: memory and GPUs, which Snakemake then shares among them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

#: Share of the memory that jobs may take together: the rest is for Snakemake and the system.
FOR_JOBS = 0.9
MB = 1_000_000

#: The GPUs that jobs lease one by one (workflow/job.sh), as CUDA_VISIBLE_DEVICES names them.
GPUS_VARIABLE = "CALCIUM_LATENTS_GPUS"


def memory_mb(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how much memory, MB, jobs may take together: nine tenths of the machine's, or of what it lets us have.

    Args:
        cgroups: where control groups are mounted, versions 1 and 2.
        own: the file that names those of this process.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in own.read_text().splitlines() if own.is_file() else []:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, name = (
            (cgroups / "memory", "memory.limit_in_bytes") if controllers == "memory" else (cgroups, "memory.max")
        )
        folder = top / group.lstrip("/")
        for place in (folder, *folder.parents):
            if place.is_relative_to(top) and (place / name).is_file():
                limit = (place / name).read_text().strip()
                limits += [int(limit)] if limit.isdigit() else []  # max: none
    return int(min(limits) * FOR_JOBS / MB)


def gpus() -> list[str]:
    """Return the GPUs that may be used, as CUDA_VISIBLE_DEVICES names them: those in it, else all that there are.

    Of a GPU that is cut into instances (MIG), these.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in map(str.strip, visible.split(",")) if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:  # a driver that hangs
        return []
    return _listed(said.stdout) if said.returncode == 0 else []


def _listed(text: str) -> list[str]:
    """Return the GPUs of `nvidia-smi -L`: a line each, `GPU 0: NAME (UUID: GPU-...)`, instances indented below."""
    found: list[list[str]] = []  # a GPU, then its instances
    for line in text.splitlines():
        name = line.rpartition("UUID: ")[2].rstrip(") ")
        if line.startswith("GPU "):
            found.append([name])
        elif found and name.startswith("MIG-"):
            found[-1].append(name)
    return [name for gpu, *instances in found for name in instances or [gpu]]


def share(parsed: Any) -> list[str]:
    """Let jobs that run on this machine share what it has; return Snakemake's words for it.

    What the user or a profile limits by `--resources` stays. On a cluster each job gets its own.

    Args:
        parsed: Snakemake's own reading of its arguments and profiles.
    """
    os.environ.pop(GPUS_VARIABLE, None)
    if parsed.executor not in (None, "local"):
        return []
    found = gpus()
    if found:
        os.environ[GPUS_VARIABLE] = ",".join(found)
    limits = {"mem_mb": memory_mb(), "gpu": len(found)}
    limits |= {name: limit.value for name, limit in parsed.resources.items()}
    return ["--resources", *(f"{name}={limit}" for name, limit in limits.items())]
