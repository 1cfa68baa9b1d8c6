"""Trace the latents of a recording back to its neurons: contributions over time, and shares of transitions."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command

METHODS = ("pca", "regression", "integrated_gradients")


def main(arguments: list[str] | None = None) -> None:
    """Write contributions (netCDF), one row a transition, and numbers by latent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording, or events cut to trials (.nc)")
    parser.add_argument("--inferred", help="rates and latents of a model of this recording (.nc)")
    parser.add_argument("--checkpoint", help="of a cross-encoder, for integrated_gradients (.pt)")
    parser.add_argument("--method", required=True, choices=METHODS)
    add_parameters(parser, "fields of contribution_parameters.ContributionParameters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="contributions (.nc)")
    parser.add_argument("--transitions", required=True, help="table (.csv)")
    parser.add_argument("--summary", required=True, help="table (.csv)")
    parser.add_argument("--identities", help="exact identities, held against this recording's principal axes (.csv)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_inferred, read_recording
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.studies.latent_contributions.contribution_identities import identities
    from calcium_latents.studies.latent_contributions.contribution_run import run
    from calcium_latents.studies.latent_contributions.latent_axes import complete

    recording = read_recording(options.recording)
    inferred = read_inferred(options.inferred) if options.inferred else None
    encoder = None
    if options.checkpoint:
        from calcium_latents.models.cross_encoder.network import chosen_encoder

        encoder = chosen_encoder(options.checkpoint)
    box, transitions, summary = run(recording, options.method, options.parameters, inferred, encoder, options.seed)
    inputs = {
        name: part.attrs["config_digest"]
        for name, part in (("recording", recording), ("inferred", inferred))
        if part is not None
    }
    config = {**options.parameters, "method": options.method, **inputs}
    write_dataset(box, options.output, provenance(config, [__spec__.name], options.seed) | {"seed": options.seed})
    tables = {options.transitions: transitions, options.summary: summary}
    if options.identities:
        activity, _ = complete(recording["events"].values, "mean")
        tables[options.identities] = identities(activity.reshape(-1, activity.shape[-1]))
    for path, table in tables.items():
        write_table(table, path)


if __name__ == "__main__":
    run_command(main)
