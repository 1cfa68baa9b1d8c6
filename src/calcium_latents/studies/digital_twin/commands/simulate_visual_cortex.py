"""Simulate neurons of the visual cortex of several animals that are shown natural images."""

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="fields of VisualCortexExperiment: shape, image_source, training_images, neurons, ...",
    label="name of the data set in print",
    seed={"type": int, "required": True},
    output="responses (.nc)",
)
def main(options) -> None:
    """Write images, responses and the whole truth."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.image_responses import write_image_responses
    from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex

    responses = simulate_visual_cortex(options.parameters, options.seed, options.label)
    given = {"label": options.label, **options.parameters}
    write_image_responses(responses, options.output, provenance(given, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
