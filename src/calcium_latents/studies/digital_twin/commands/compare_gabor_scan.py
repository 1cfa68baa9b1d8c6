"""Compare size tuning curves of a second scan, of Gabors, with those asked of the model of the first scan."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write one row a neuron, threshold and curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", required=True, help="responses to the chosen Gabors in several sizes (.nc)")
    parser.add_argument("--responses", required=True, help="responses to images that the model was fitted to (.nc)")
    parser.add_argument("--checkpoint", required=True, help="the fitted model (.pt)")
    parser.add_argument("--gabors", required=True, help="optimal Gabors of all neurons (.csv)")
    parser.add_argument("--scan-gabors", required=True, help="the chosen Gabors (.csv)")
    parser.add_argument("--glm", help="predictions of the Poisson GLM (.nc), whose filters give one more curve")
    add_parameters(parser, "fields of scan_parameters.AgreementParameters")
    parser.add_argument("--seed", type=int, required=True, help="of bootstraps over the table's rows")
    parser.add_argument("--output", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    import pandas as pd

    from calcium_latents.errors import UserError
    from calcium_latents.files import write_table
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
        ModelProbe.from_checkpoint(options.checkpoint),
        read_dataset(options.scan),
        neurons,
        own_optima(pd.read_csv(options.gabors), neurons, options.gabors),
        pd.read_csv(options.scan_gabors),
        filters=filters,
        seed=options.seed,
        path=options.scan,
        thresholds=parameters.thresholds,
        batch=parameters.batch,
    )
    write_table(table, options.output, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
