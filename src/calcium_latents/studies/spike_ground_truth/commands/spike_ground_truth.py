"""Compare deconvolved events with real spikes, on recordings with simultaneous electrophysiology."""

from itertools import chain, groupby
from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    file={"required": True, "nargs": "+", "help": "CASCADE's .mat files; those of one folder are a dataset"},
    method={"default": "oasis", "help": "oasis or caiman"},
    parameters="options of the method",
    output="table (.csv)",
)
def main(options) -> None:
    """Write one row a neuron, recording, bin width and lag."""
    import pandas as pd

    from calcium_latents.deconvolution.interface import deconvolve
    from calcium_latents.files import write_table
    from calcium_latents.metrics.spike_inference import recording_neurons, spike_inference
    from calcium_latents.progress import progress
    from calcium_latents.recordings.readers import ground_truth_recording, read_cascade

    tables = []
    for folder, files in groupby(map(Path, sorted(options.file)), lambda path: path.parent):
        for truth in progress([*chain(*map(read_cascade, files))], folder.name, unit="recording"):
            recording = ground_truth_recording(truth)
            if "spike_time" not in recording:
                continue  # nothing to compare with
            deconvolved = deconvolve(recording, options.method, path=str(folder), **options.parameters)
            neurons = recording_neurons(deconvolved, folder.name, indicator=truth.indicator, neuron=truth.neuron)
            tables.append(spike_inference(neurons))
    write_table(pd.concat(tables), options.output)


if __name__ == "__main__":
    run_command(main)
