"""Compare conditions in the latents of single neurons: how well any two cultures are told apart, how widely each
scatters."""

from calcium_latents.commands.cli import EMBEDDINGS, command, read_embeddings, run_command


@command(
    recording="traces of several cultures of two or more conditions (.nc)",
    embedding=EMBEDDINGS,
    dataset="its name in the tables",
    label={"help": "its name in print; default: the dataset's name"},
    parameters="neurons (test or all), folds, repeats, resamples; see condition_comparison.DEFAULTS",
    seed={"type": int, "default": 0, "help": "of folds and bootstraps"},
    separability="table (.csv)",
    heterogeneity="table (.csv)",
)
def main(options) -> None:
    """Write the tables of separability and of heterogeneity."""
    from calcium_latents.files import write_table
    from calcium_latents.recordings import read_recording
    from calcium_latents.studies.avae.condition_comparison import heterogeneity_table, separability_table

    embeddings = read_embeddings(options.embedding, ["latents", "latent_size", "beta", "split", "part"])
    recording = read_recording(options.recording, ["trial", "time", "culture", "group"])
    given = (recording, embeddings, options.dataset, options.label or options.dataset, options.parameters, options.seed)
    tables = {options.separability: separability_table(*given), options.heterogeneity: heterogeneity_table(*given)}
    for path, table in tables.items():
        write_table(table, path)


if __name__ == "__main__":
    run_command(main)
