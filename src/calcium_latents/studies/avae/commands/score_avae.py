"""Score embeddings of single-neuron traces: reconstruction, clusters, linear separation, parameters, a t-SNE map."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_embeddings, add_parameters, read_embeddings, run_command

TABLES = ("reconstruction", "clustering", "separation", "correlations", "tsne")
OF_TABLE = ("clustered", "most_neurons", "published_samples", "seed", "map")
PARAMETERS = (
    "settings of metrics.clustering.Settings (min_samples, permutations, ...), clustered (partitions of each split to "
    "cluster at most), most_neurons (test neurons to cluster at most), published_samples (scales the published eps of "
    "principal components to traces of another length), map (false: no t-SNE, which takes seconds a method), seed"
)


def main(arguments: list[str] | None = None) -> None:
    """Write the five tables; those that a recording has no truth for have a header and no rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording of traces that was fitted (.nc)")
    add_embeddings(parser)
    parser.add_argument("--dataset", required=True, help="its name in the tables")
    parser.add_argument("--label", help="its name in print; default: the dataset's name")
    add_parameters(parser, PARAMETERS)
    for name in TABLES:
        parser.add_argument(f"--{name}", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    from dataclasses import fields

    from calcium_latents.errors import UserError
    from calcium_latents.files import atomic_path
    from calcium_latents.metrics.clustering import Settings
    from calcium_latents.recordings import read_recording
    from calcium_latents.studies.avae import trace_embedding_scores as scores

    given = dict(options.parameters)
    others = {name: given.pop(name) for name in OF_TABLE if name in given}
    unknown = set(given) - {field.name for field in fields(Settings)}
    if unknown:
        raise UserError(f"--parameters: expected {PARAMETERS}; found {sorted(unknown)}.")
    wants_map = others.pop("map", True)
    settings = Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    recording = read_recording(options.recording)
    embeddings = read_embeddings(options.embedding)
    about = (recording, embeddings, options.dataset, options.label or options.dataset)
    drawn = {"permutations": settings.permutations, "seed": others.get("seed", 0)}
    tables = {
        options.reconstruction: scores.reconstruction_table(*about),
        options.clustering: scores.clustering_table(*about, settings, **others),
        options.separation: scores.separation_table(*about, **drawn),
        options.correlations: scores.correlation_table(*about, **drawn),
        options.tsne: scores.tsne_table(recording, embeddings if wants_map else {}, *about[2:]),
    }
    for path, table in tables.items():
        with atomic_path(Path(path)) as temporary:
            table.to_csv(temporary, index=False)


if __name__ == "__main__":
    run_command(main)
