"""Score every member of a random search: validation metrics, hyperparameters, and recovery of the true latents."""

from pathlib import Path

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="recording with true latents (.nc)",
    checkpoints={
        "required": True,
        "nargs": "+",
        "help": ".../MODEL/seed-NUMBER/checkpoint.pt of random searches, beside their metrics.csv and config.yaml",
    },
    dataset="its name in the table",
    parameters="lag_s",
    output="table (.csv)",
)
def main(options) -> None:
    """Write one row a member."""
    import pandas as pd
    import yaml

    from calcium_latents.files import write_table
    from calcium_latents.models.lfads.population_rates import member_rates
    from calcium_latents.progress import progress
    from calcium_latents.recordings import read_recording
    from calcium_latents.studies.radical.population_recovery import last_rows, noise_multiplier, score_members

    recording = read_recording(options.recording)
    tables = []
    for path in map(Path, options.checkpoints):
        model, seed = method_of(path)
        config = yaml.safe_load((path.parent / "config.yaml").read_text())
        searched = [name for name, entry in config["search"]["hyperparameters"].items() if entry is not None]
        drawn = last_rows(pd.read_csv(path.parent / "metrics.csv"), searched)
        members = progress(member_rates(path.parent, recording, config["data"]), f"{model} {seed}", unit="member")
        scores = score_members(recording, members, options.parameters["lag_s"])
        table = drawn.merge(scores, on="member", validate="one_to_one")
        run = {"dataset": options.dataset, "noise_multiplier": noise_multiplier(recording)}
        for place, (name, value) in enumerate({**run, "model": model, "seed": seed}.items()):
            table.insert(place, name, value)
        tables.append(table)
    write_table(pd.concat(tables), options.output)


if __name__ == "__main__":
    run_command(main)
