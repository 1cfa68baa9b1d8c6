"""Show chosen Gabor patterns in several sizes to the simulated neurons of an experiment: its second scan."""

from calcium_latents.commands.cli import command, run_command


@command(
    responses="responses of a simulated experiment (.nc)",
    gabors="chosen patterns (.csv)",
    parameters="fields of GaborScan: sizes_px, contrast, repeats",
    seed={"type": int, "required": True},
    output="responses to the patterns (.nc)",
)
def main(options) -> None:
    """Write the responses to every pattern in every size."""
    from calcium_latents.files import read_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.simulation.visual_cortex.visual_cortex_recording import GABOR_COLUMNS, record_gabor_scan

    responses = read_image_responses(options.responses)
    gabors = read_table(options.gabors, GABOR_COLUMNS)
    scan = record_gabor_scan(responses, gabors, options.parameters, options.seed, options.responses)
    write_dataset(scan, options.output, provenance(options.parameters, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
