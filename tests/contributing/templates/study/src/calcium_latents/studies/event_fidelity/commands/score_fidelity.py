"""Correlate the deconvolved events of each neuron with its spikes."""

from calcium_latents.commands.cli import command, run_command


@command(
    recording="with events and spikes (.nc)",
    dataset="its name in the table",
    output="table (.csv)",
)
def main(options) -> None:
    """Write a table with a row a neuron."""
    import numpy as np
    import pandas as pd

    from calcium_latents.files import write_table
    from calcium_latents.recordings import read_recording

    recording = read_recording(options.recording, ["events", "spikes"])
    events, spikes = (recording[name].values.reshape(-1, recording.sizes["neuron"]) for name in ("events", "spikes"))
    rows = []
    for neuron in range(events.shape[1]):
        taken = np.isfinite(events[:, neuron])
        correlation = np.corrcoef(events[taken, neuron], spikes[taken, neuron])[0, 1]
        rows.append({"dataset": options.dataset, "neuron": neuron, "correlation": correlation})
    write_table(pd.DataFrame(rows), options.output)


if __name__ == "__main__":
    run_command(main)
