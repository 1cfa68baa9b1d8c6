"""Hours that a population-based search of the paper's length takes here, projected from a few of its epochs.

    python benchmarks/population_search.py --recording results/quick/radical/lorenz-10hz/events.nc [--workers 2]
        [--members 4] [--epochs 6] [-- OVERRIDES of config/train.yaml]

Runs `--members` members for two generations at the paper's network sizes, one full-batch step an epoch
(training=published), once with `--epochs` epochs a generation and once with three times as many. The difference in wall
time is that of the additional epochs alone, a quarter of them validated, as the last 5 of 20 are; it is scaled up to
20 members x (80 + 20 x 20) epochs. Other work on the machine makes the projection longer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMBERS, EPOCHS = 20, 80 + 20 * 20  # [G]: 20 epochs a generation, here 20 generations, after the ramp


def main() -> None:
    """Run the training command and print the projection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recording", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    short, long = (whole_run(options, options.epochs * factor) for factor in (1, 3))
    seconds = (long - short) / (options.members * 2 * 2 * options.epochs)
    print(
        f"{options.workers} worker(s): {seconds:.3f} s wall a member and epoch, validation included;"
        f" {MEMBERS} members x {EPOCHS} epochs: {seconds * MEMBERS * EPOCHS / 3600:.2f} h"
        f" (runs of {short:.0f} s and {long:.0f} s)"
    )


def whole_run(options: argparse.Namespace, epochs: int) -> float:
    """Wall seconds of a search of two generations of `epochs` epochs."""
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "calcium_latents.commands.train", "model=radical", "training=published"),
                *("search=pbt", f"recording={Path(options.recording).resolve()}", f"hydra.run.dir={directory}"),
                *(f"search.population={options.members}", f"threads={options.workers}"),
                *("search.generations=2", f"search.generation_epochs={epochs}", "search.first_generation_epochs=0"),
                *(f"search.validate_last_epochs={epochs // 4}", "training.posterior_samples=1", *options.overrides),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
