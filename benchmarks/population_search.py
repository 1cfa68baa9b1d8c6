"""Hours that a population-based search of the paper's length takes here, projected from a few of its epochs.

    python benchmarks/population_search.py --recording results/quick/radical/lorenz-10hz/events.nc [--workers 2]
        [--members 4] [--epochs 6] [-- OVERRIDES of config/train.yaml]

Runs `--members` members at the paper's network sizes, one full-batch step an epoch (training=published): two
generations of `--epochs` epochs, two of three times as many, and six of `--epochs`. The second less the first is the
wall time of epochs alone, the third less the second that of generations (validation, tournament, files). Both are
scaled up to 20 members, 80 + 20 x 20 epochs, 20 generations. Other work on the machine makes the projection longer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMBERS, GENERATIONS = 20, 20
EPOCHS = 80 + 20 * GENERATIONS  # [G]: 20 epochs a generation, here 20 generations, after the ramp


def main() -> None:
    """Run the training command and print the projection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recording", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    short, long, often = (whole_run(options, 2, 1), whole_run(options, 2, 3), whole_run(options, 6, 1))
    epoch = (long - short) / (options.members * 4 * options.epochs)
    generation = (often - long) / (options.members * 4)
    print(
        f"{options.workers} worker(s): {epoch:.3f} s wall a member and epoch, {generation:.3f} s a generation besides;"
        f" {MEMBERS} members x {EPOCHS} epochs in {GENERATIONS} generations:"
        f" {MEMBERS * (epoch * EPOCHS + generation * GENERATIONS) / 3600:.2f} h"
        f" (runs of {short:.0f}, {long:.0f} and {often:.0f} s)"
    )


def whole_run(options: argparse.Namespace, generations: int, times: int) -> float:
    """Wall seconds of a search of `generations` generations of `times` as many epochs."""
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "calcium_latents.commands.train", "model=radical", "training=published"),
                *("search=pbt", f"recording={Path(options.recording).resolve()}", f"hydra.run.dir={directory}"),
                *(f"search.population={options.members}", f"threads={options.workers}"),
                *(f"search.generations={generations}", f"search.generation_epochs={options.epochs * times}"),
                *("search.finish_generations=0", "search.first_generation_epochs=0"),
                *("training.posterior_samples=1", *options.overrides),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
