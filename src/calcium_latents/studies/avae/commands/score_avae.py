"""Score embeddings of single-neuron traces: reconstruction, clusters, linear separation, parameters, a t-SNE map."""

from calcium_latents.commands.cli import EMBEDDINGS, command, read_embeddings, run_command

TABLES = ("reconstruction", "clustering", "separation", "correlations", "tsne")


@command(
    recording="recording of traces that was fitted (.nc)",
    embedding=EMBEDDINGS,
    dataset="its name in the tables",
    label={"help": "its name in print; default: the dataset's name"},
    parameters="fields of score_parameters.ScoreParameters",
    **dict.fromkeys(TABLES, "table (.csv)"),
)
def main(options) -> None:
    """Write the five tables; those that a recording has no truth for have a header and no rows."""
    from calcium_latents.files import write_table
    from calcium_latents.recordings import read_recording
    from calcium_latents.studies.avae import trace_embedding_scores as scores
    from calcium_latents.studies.avae.score_parameters import ScoreParameters

    settings = ScoreParameters.from_mapping(options.parameters)
    others = {name: getattr(settings, name) for name in ("clustered", "most_neurons", "published_samples", "seed")}
    recording = read_recording(options.recording)
    embeddings = read_embeddings(options.embedding)
    about = (recording, embeddings, options.dataset, options.label or options.dataset)
    drawn = {"permutations": settings.permutations, "seed": settings.seed}
    tables = {
        options.reconstruction: scores.reconstruction_table(*about),
        options.clustering: scores.clustering_table(*about, settings, **others),
        options.separation: scores.separation_table(*about, **drawn),
        options.correlations: scores.correlation_table(*about, **drawn),
        options.tsne: scores.tsne_table(recording, embeddings if settings.map else {}, *about[2:]),
    }
    for path, table in tables.items():
        write_table(table, path)


if __name__ == "__main__":
    run_command(main)
