"""Score the snapshots that training left: latent recovery against the seconds of training."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_parameters, method_of, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write one row a snapshot and latent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording with true latents (.nc)")
    parser.add_argument("--snapshots", required=True, nargs="+", help=".../MODEL/seed-NUMBER/snapshots.pt")
    parser.add_argument("--dataset", required=True, help="its name in the table")
    add_parameters(parser, "lag_s")
    parser.add_argument("--output", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    import pandas as pd
    import yaml

    from calcium_latents.files import write_table
    from calcium_latents.metrics.latent_recovery import latent_recovery
    from calcium_latents.models.lfads.snapshots import snapshot_rates
    from calcium_latents.progress import progress
    from calcium_latents.recordings import read_recording

    recording = read_recording(options.recording)
    latents = (recording["latents"].values, recording["time"].values)
    names = [str(name) for name in recording["latent"].values]
    tables = []
    for path in map(Path, options.snapshots):
        model, seed = method_of(path)
        config = yaml.safe_load((path.parent / "config.yaml").read_text())
        for snapshot in progress(snapshot_rates(path.parent, recording, config["data"]), f"{model} {seed}"):
            rates, time = snapshot.event_rate, snapshot.time
            scores, _ = latent_recovery(rates, time, *latents, options.parameters["lag_s"], latent_names=names)
            table = scores.groupby("latent", as_index=False)["r2"].mean()
            run = {"dataset": options.dataset, "model": model, "seed": seed}
            tables.append(table.assign(**run, step=snapshot.step, seconds=snapshot.seconds, **snapshot.metrics))
    write_table(pd.concat(tables), options.output)


if __name__ == "__main__":
    run_command(main)
