"""Measure what a simulation is like: the peak of its latents, and how well its events tell of its spikes."""

from calcium_latents.commands.cli import command, run_command

NEURONS = 50  # in the comparison over bin widths


@command(
    recording="simulated recording with events (.nc)",
    dataset="its name in the tables",
    frequency_hz={"type": float, "required": True, "help": "the dataset's label"},
    simulation="table of the realised peak (.csv)",
    calibration="table of correlations by neuron (.csv)",
    spike_inference="table of correlations over bin widths (.csv)",
)
def main(options) -> None:
    """Write the realised peak, the correlation of events with spikes per neuron, and that over bin widths."""
    import pandas as pd

    from calcium_latents.files import write_table
    from calcium_latents.metrics.spike_inference import frame_correlation, recording_neurons, spike_inference
    from calcium_latents.recordings import read_recording

    recording = read_recording(options.recording, ["events", "spikes", "trial_start", "noise_level"])
    tables = {
        options.simulation: pd.DataFrame({"realised_peak_hz": [recording.attrs["realised_peak_hz"]]}),
        options.calibration: frame_correlation(recording).assign(noise_level=recording["noise_level"].values),
    }
    for path, table in tables.items():
        table.insert(0, "dataset", options.dataset)
        table.insert(1, "frequency_hz", options.frequency_hz)
        write_table(table, path)
    neurons = recording_neurons(recording, options.dataset, indicator="simulated", limit=NEURONS)
    write_table(spike_inference(neurons), options.spike_inference)


if __name__ == "__main__":
    run_command(main)
