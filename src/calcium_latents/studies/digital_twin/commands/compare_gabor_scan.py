"""Compare size tuning curves of a second scan, of Gabors, with those asked of the model of the first scan."""

from calcium_latents.commands.cli import ACCELERATOR, command, run_command


@command(
    scan="responses to the chosen Gabors in several sizes (.nc)",
    responses="responses to images that the model was fitted to (.nc)",
    checkpoint="the fitted model (.pt)",
    gabors="optimal Gabors of all neurons (.csv)",
    scan_gabors="the chosen Gabors (.csv)",
    glm={"help": "predictions of the Poisson GLM (.nc), whose filters give one more curve"},
    parameters="fields of scan_parameters.AgreementParameters",
    seed={"type": int, "required": True, "help": "of bootstraps over the table's rows"},
    output="table (.csv)",
    accelerator=ACCELERATOR,
)
def main(options) -> None:
    """Write one row a neuron, threshold and curve."""
    from calcium_latents.errors import UserError
    from calcium_latents.files import read_table, write_table
    from calcium_latents.recordings.image_predictions import read_image_predictions
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import read_dataset
    from calcium_latents.studies.digital_twin.probe import ModelProbe
    from calcium_latents.studies.digital_twin.second_scan.gabor_selection import own_optima
    from calcium_latents.studies.digital_twin.second_scan.scan_parameters import AgreementParameters
    from calcium_latents.studies.digital_twin.second_scan.size_tuning_agreement import compare_scan

    parameters = AgreementParameters.from_mapping(options.parameters)
    neurons = read_image_responses(options.responses, ["neuron"])["neuron"].values
    filters = None
    if options.glm:
        glm = read_image_predictions(options.glm)
        if "filter" not in glm or list(glm["neuron"].values) != list(neurons):
            raise UserError(f"{options.glm}: filter: expected filters of the neurons of {options.responses}.")
        filters = glm["filter"].values
    table = compare_scan(
        ModelProbe.from_checkpoint(options.checkpoint, options.accelerator),
        read_dataset(options.scan),
        neurons,
        own_optima(read_table(options.gabors), neurons, options.gabors),
        read_table(options.scan_gabors),
        filters=filters,
        seed=options.seed,
        path=options.scan,
        thresholds=parameters.thresholds,
        batch=parameters.batch,
    )
    write_table(table, options.output, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
