"""This package beside others at the same work: ratios of CPU time, ours and theirs in turns.

    python benchmarks/compare.py [--parts deconvolution lfads culture avae] [--repeats 7] [--brian2 PYTHON]
        [--output comparison.csv]

One thread. Both run once before anything counts (compilation, first allocations); the ratio is the median over turns of
their CPU time to ours, above 1 where ours is faster, with its 95 % bootstrap interval. Peers come from PyPI
(`pip install oasis-deconv calab`); what is not installed is named and left out. brian2 may ask for other versions than
this package does: `--brian2` names a Python that has it.
"""

import argparse
import platform
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pairs import MissingPeer, Pair, in_turns, parts
from threadpoolctl import threadpool_limits

from calcium_latents.files import write_table
from calcium_latents.statistics.intervals import bootstrap_interval


def measured(pair: Pair, repeats: int) -> dict[str, str | float | int]:
    """Return the row of a pair."""
    seconds, results = in_turns([pair.ours, pair.peer], repeats, f"{pair.setting}: {pair.peer_name}")
    ratio, lower, upper = bootstrap_interval(seconds[:, 1] / seconds[:, 0], np.median)
    ours, peer = np.median(seconds, axis=0)
    return {
        "setting": pair.setting,
        "peer": pair.peer_name,
        "peer_version": pair.peer_version,
        "ours_cpu_s": f"{ours:.4g}",
        "peer_cpu_s": f"{peer:.4g}",
        "ratio": f"{ratio:.3g}",
        "ratio_lower": f"{lower:.3g}",
        "ratio_upper": f"{upper:.3g}",
        "repeats": repeats,
        "agreement": pair.agreement(*results),
    }


def processor() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure, print a line a pair and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = parts("")
    parser.add_argument("--parts", nargs="+", choices=list(known), default=list(known), metavar="PART")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--brian2", default=sys.executable, metavar="PYTHON", help="a Python that has brian2")
    parser.add_argument("--output", type=Path, metavar="CSV")
    options = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    machine = {
        "processor": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()) + ", one thread")
    rows = []
    for name in options.parts:
        for pair in parts(options.brian2)[name]():
            if isinstance(pair, MissingPeer):
                print(f"{name}: left out: {pair}")
                continue
            row = {"part": name, **measured(pair, options.repeats), **machine}
            rows.append(row)
            print(
                "{part}: {setting}: {peer} {peer_version} takes {ratio} [{ratio_lower}, {ratio_upper}] times as long "
                "({ours_cpu_s} and {peer_cpu_s} s CPU). {agreement}".format(**row),
                flush=True,
            )
    if options.output and rows:
        write_table(pd.DataFrame(rows), options.output)


if __name__ == "__main__":
    main()
