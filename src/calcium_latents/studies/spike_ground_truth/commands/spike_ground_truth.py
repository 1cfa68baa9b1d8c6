"""Compare deconvolved events with real spikes, on recordings with simultaneous electrophysiology."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write one row a neuron, recording, bin width and lag."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, nargs="+", help="folders of CASCADE's .mat files, a dataset each")
    parser.add_argument("--method", default="oasis", help="oasis or caiman")
    add_parameters(parser, "options of the method")
    parser.add_argument("--output", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    import pandas as pd

    from calcium_latents.deconvolution.interface import deconvolve
    from calcium_latents.files import write_table
    from calcium_latents.metrics.spike_inference import recording_neurons, spike_inference
    from calcium_latents.progress import progress
    from calcium_latents.recordings.readers import ground_truth_recording, read_cascade

    tables = []
    for folder in map(Path, options.folder):
        for truth in progress(read_cascade(folder), folder.name, unit="recording"):
            recording = ground_truth_recording(truth)
            if "spike_time" not in recording:
                continue  # nothing to compare with
            deconvolved = deconvolve(recording, options.method, path=str(folder), **options.parameters)
            neurons = recording_neurons(deconvolved, folder.name, indicator=truth.indicator, neuron=truth.neuron)
            tables.append(spike_inference(neurons))
    write_table(pd.concat(tables), options.output)


if __name__ == "__main__":
    run_command(main)
