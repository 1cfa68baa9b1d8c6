"""Trace the latents of a recording back to its neurons: contributions over time, and shares of transitions."""

from calcium_latents.commands.cli import command, run_command

METHODS = ("pca", "regression", "integrated_gradients")


@command(
    recording="recording, or events cut to trials (.nc)",
    inferred={"help": "rates and latents of a model of this recording (.nc)"},
    checkpoint={"help": "of a cross-encoder, for integrated_gradients (.pt)"},
    method={"required": True, "choices": METHODS},
    parameters="fields of contribution_parameters.ContributionParameters",
    seed={"type": int, "default": 0},
    output="contributions (.nc)",
    transitions="table (.csv)",
    summary="table (.csv)",
    identities={"help": "exact identities, held against this recording's principal axes (.csv)"},
)
def main(options) -> None:
    """Write contributions (netCDF), one row a transition, and numbers by latent."""
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
