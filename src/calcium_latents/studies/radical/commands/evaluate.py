"""Score all methods on one dataset: cross-validated ridge mapping to the true latent states."""

import argparse

from calcium_latents.commands.cli import add_parameters, method_of, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the scores, the sweep over lags, and the held-out predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording with true latents (.nc)")
    parser.add_argument("--inferred", required=True, nargs="+", help="results at .../MODEL/seed-NUMBER/output.nc")
    parser.add_argument("--dataset", required=True, help="its name in the tables")
    parser.add_argument("--frequency-hz", type=float, required=True, help="the dataset's label in the figures")
    add_parameters(parser, "lag_s and lag_sweep")
    parser.add_argument("--scores", required=True, help="table (.csv)")
    parser.add_argument("--lag-sweep", required=True, help="table (.csv)")
    parser.add_argument("--predictions", required=True, help="true and predicted latents (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import atomic_path, write_table
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
    with atomic_path(options.predictions) as temporary:
        predictions.to_netcdf(temporary, engine="h5netcdf")


if __name__ == "__main__":
    run_command(main)
