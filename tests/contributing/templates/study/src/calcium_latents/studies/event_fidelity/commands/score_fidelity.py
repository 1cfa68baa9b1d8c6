"""Correlate the deconvolved events of each neuron with its spikes."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write a table with a row a neuron."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="with events and spikes (.nc)")
    parser.add_argument("--dataset", required=True, help="its name in the table")
    parser.add_argument("--output", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    import numpy as np
    import pandas as pd

    from calcium_latents.files import atomic_path
    from calcium_latents.recordings import read_recording

    recording = read_recording(options.recording, ["events", "spikes"])
    events, spikes = (recording[name].values.reshape(-1, recording.sizes["neuron"]) for name in ("events", "spikes"))
    rows = []
    for neuron in range(events.shape[1]):
        taken = np.isfinite(events[:, neuron])
        correlation = np.corrcoef(events[taken, neuron], spikes[taken, neuron])[0, 1]
        rows.append({"dataset": options.dataset, "neuron": neuron, "correlation": correlation})
    with atomic_path(Path(options.output)) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


if __name__ == "__main__":
    run_command(main)
