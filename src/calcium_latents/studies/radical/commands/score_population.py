"""Score every member of a random search: validation metrics, hyperparameters, and recovery of the true latents."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_parameters, method_of, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write one row a member."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording with true latents (.nc)")
    parser.add_argument(
        "--checkpoints",
        required=True,
        nargs="+",
        help=".../MODEL/seed-NUMBER/checkpoint.pt of random searches, beside their metrics.csv and config.yaml",
    )
    parser.add_argument("--dataset", required=True, help="its name in the table")
    add_parameters(parser, "lag_s")
    parser.add_argument("--output", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

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
