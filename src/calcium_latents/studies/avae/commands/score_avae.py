"""Score embeddings of single-neuron traces: reconstruction, clusters, linear separation, parameters, a t-SNE map."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_embeddings, add_parameters, read_embeddings, run_command

TABLES = ("reconstruction", "clustering", "separation", "correlations", "tsne")


def main(arguments: list[str] | None = None) -> None:
    """Write the five tables; those that a recording has no truth for have a header and no rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording of traces that was fitted (.nc)")
    add_embeddings(parser)
    parser.add_argument("--dataset", required=True, help="its name in the tables")
    parser.add_argument("--label", help="its name in print; default: the dataset's name")
    add_parameters(parser, "fields of score_parameters.ScoreParameters")
    for name in TABLES:
        parser.add_argument(f"--{name}", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import atomic_path
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
        with atomic_path(Path(path)) as temporary:
            table.to_csv(temporary, index=False)


if __name__ == "__main__":
    run_command(main)
