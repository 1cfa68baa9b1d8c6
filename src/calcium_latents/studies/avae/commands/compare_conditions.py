"""Compare conditions in the latents of single neurons: how well any two cultures are told apart, how widely each
scatters."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_embeddings, add_parameters, read_embeddings, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the tables of separability and of heterogeneity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="traces of several cultures of two or more conditions (.nc)")
    add_embeddings(parser)
    parser.add_argument("--dataset", required=True, help="its name in the tables")
    parser.add_argument("--label", help="its name in print; default: the dataset's name")
    add_parameters(parser, "neurons (test or all), folds, repeats, resamples; see condition_comparison.DEFAULTS")
    parser.add_argument("--seed", type=int, default=0, help="of folds and bootstraps")
    parser.add_argument("--separability", required=True, help="table (.csv)")
    parser.add_argument("--heterogeneity", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import atomic_path
    from calcium_latents.recordings import read_recording
    from calcium_latents.studies.avae.condition_comparison import heterogeneity_table, separability_table

    embeddings = read_embeddings(options.embedding, ["latents", "latent_size", "beta", "split", "part"])
    recording = read_recording(options.recording, ["trial", "time", "culture", "group"])
    given = (recording, embeddings, options.dataset, options.label or options.dataset, options.parameters, options.seed)
    tables = {options.separability: separability_table(*given), options.heterogeneity: heterogeneity_table(*given)}
    for path, table in tables.items():
        with atomic_path(Path(path)) as temporary:
            table.to_csv(temporary, index=False)


if __name__ == "__main__":
    run_command(main)
