"""Score all methods on one dataset: cross-validated ridge mapping to the true latent states."""

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="recording with true latents (.nc)",
    inferred={"required": True, "nargs": "+", "help": "results at .../MODEL/seed-NUMBER/output.nc"},
    dataset="its name in the tables",
    frequency_hz={"type": float, "required": True, "help": "the dataset's label in the figures"},
    parameters="lag_s and lag_sweep",
    scores="table (.csv)",
    lag_sweep="table (.csv)",
    predictions="true and predicted latents (.nc)",
)
def main(options) -> None:
    """Write the scores, the sweep over lags, and the held-out predictions."""
    from calcium_latents.files import atomic_file, write_table
    from calcium_latents.metrics.latent_recovery import score_runs
    from calcium_latents.recordings import read_inferred, read_recording

    recording = read_recording(options.recording, ["latents", "neuron"])
    runs = {method_of(path): read_inferred(path, ["event_rate", "split"]) for path in options.inferred}
    lag_s, sweep = options.parameters["lag_s"], options.parameters["lag_sweep"]
    scores, swept, predictions = score_runs(recording, runs, lag_s=lag_s, sweep=sweep)
    for table, path in ((scores, options.scores), (swept, options.lag_sweep)):
        table.insert(0, "dataset", options.dataset)
        table.insert(1, "frequency_hz", options.frequency_hz)
        write_table(table, path)
    predictions.attrs |= {"dataset": options.dataset, "frequency_hz": options.frequency_hz}
    with atomic_file(options.predictions) as file:
        predictions.to_netcdf(file, engine="h5netcdf")


if __name__ == "__main__":
    run_command(main)
