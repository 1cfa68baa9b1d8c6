"""Simulate neurons of the visual cortex of several animals that are shown natural images."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write images, responses and the whole truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_parameters(parser, "fields of VisualCortexExperiment: shape, image_source, training_images, neurons, ...")
    parser.add_argument("--label", required=True, help="name of the data set in print")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", required=True, help="responses (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.image_responses import write_image_responses
    from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex

    responses = simulate_visual_cortex(options.parameters, options.seed, options.label)
    given = {"label": options.label, **options.parameters}
    write_image_responses(responses, options.output, provenance(given, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
