"""Score the snapshots that training left: latent recovery along training, and apart from it the seconds."""

from pathlib import Path

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="recording with true latents (.nc)",
    snapshots={"required": True, "nargs": "+", "help": ".../MODEL/seed-NUMBER/snapshots.pt, beside its timing.csv"},
    dataset="its name in the table",
    parameters="lag_s",
    output="table (.csv)",
    timing="seconds of training until each snapshot (.csv); vary from run to run",
)
def main(options) -> None:
    """Write one row a snapshot and latent, and one row a snapshot with its seconds."""
    import pandas as pd
    import yaml

    from calcium_latents.files import read_table, write_table
    from calcium_latents.metrics.latent_recovery import latent_recovery
    from calcium_latents.models.lfads.snapshots import snapshot_rates
    from calcium_latents.progress import progress
    from calcium_latents.recordings import read_recording

    recording = read_recording(options.recording)
    latents = (recording["latents"].values, recording["time"].values)
    names = [str(name) for name in recording["latent"].values]
    tables, times = [], []
    for path in map(Path, options.snapshots):
        model, seed = method_of(path)
        config = yaml.safe_load((path.parent / "config.yaml").read_text())
        run = {"dataset": options.dataset, "model": model, "seed": seed}
        seconds = read_table(path.parent / "timing.csv", ["step", "training_seconds"])
        times.append(seconds[["step"]].assign(**run, seconds=seconds["training_seconds"]))
        for snapshot in progress(snapshot_rates(path.parent, recording, config["data"]), f"{model} {seed}"):
            rates, time = snapshot.event_rate, snapshot.time
            scores, _ = latent_recovery(rates, time, *latents, options.parameters["lag_s"], latent_names=names)
            table = scores.groupby("latent", as_index=False)["r2"].mean()
            tables.append(table.assign(**run, step=snapshot.step, **snapshot.metrics))
    write_table(pd.concat(tables), options.output)
    write_table(pd.concat(times), options.timing)


if __name__ == "__main__":
    run_command(main)
