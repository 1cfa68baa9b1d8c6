"""Score all fits on one dataset: explained variance by latent size, latents against running speed and the truth."""

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="recording that was fitted (.nc)",
    metrics={"required": True, "nargs": "+", "help": "tables at .../MODEL/seed-NUMBER/metrics.csv"},
    inferred={"required": True, "nargs": "+", "help": "results at .../MODEL/seed-NUMBER/output.nc"},
    dataset="its name in the tables",
    label={"help": "its name in print; default: the dataset's name"},
    parameters="shifts (number of shifted copies of the running speed, default 500)",
    scores="table (.csv)",
    normalised="table (.csv)",
    latents="inferred latents, running speed, true latents (.nc)",
    running_speed="table (.csv); only a header without running speed",
    latent_recovery="table (.csv); only a header without true latents",
)
def main(options) -> None:
    """Write the scores, the normalised scores, what Figure 4 draws, and the tables of running speed and recovery."""

    from calcium_latents.errors import UserError
    from calcium_latents.files import read_table, write_table
    from calcium_latents.metrics import explained_variance
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_inferred, read_recording
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.studies.cross_encoder import running_speed

    unknown = set(options.parameters) - {"shifts"}
    if unknown:
        raise UserError(f"--parameters: expected shifts, found {sorted(unknown)}.")
    recording = read_recording(options.recording)
    metrics = {method_of(path): read_table(path) for path in options.metrics}
    needed = ["factors", "part", "source_neuron", "neuron"]
    runs = {method_of(path): read_inferred(path, needed) for path in options.inferred}
    if set(metrics) != set(runs):
        raise UserError(
            f"expected --metrics and --inferred of the same runs, found {sorted(set(metrics) ^ set(runs))}."
        )
    name, label = options.dataset, options.label or options.dataset
    known = {run: explained_variance.describe(recording, inferred) for run, inferred in runs.items()}
    scores = explained_variance.collect_scores(metrics, name, label, known)
    tables = {
        options.scores: scores,
        options.normalised: explained_variance.normalise(scores),
        options.running_speed: running_speed.running_speed_table(recording, runs, name, label, **options.parameters),
        options.latent_recovery: running_speed.latent_recovery_table(recording, runs, name, label),
    }
    for path, table in tables.items():
        write_table(table, path)
    shown = running_speed.latents_for_display(recording, runs)
    shown.attrs |= {"dataset": name, "label": label}
    config = {"dataset": name, "label": label, **options.parameters}
    write_dataset(shown, options.latents, provenance(config, [__spec__.name], 0))


if __name__ == "__main__":
    run_command(main)
