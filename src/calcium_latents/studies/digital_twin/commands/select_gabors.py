"""Choose a few Gabors that drive many neurons, for a second scan, with coverage curves and examples of tuning."""

from calcium_latents.commands.cli import ACCELERATOR, command, run_command


@command(
    responses="responses to images that the model was fitted to (.nc)",
    checkpoint="the fitted model (.pt)",
    gabors="optimal Gabors of all neurons (.csv)",
    parameters="fields of scan_parameters.SelectionParameters",
    output="chosen Gabors (.csv)",
    coverage="share of neurons against fraction of own (.csv)",
    curves="size-contrast curves of suboptimal Gabors (.csv)",
    accelerator=ACCELERATOR,
)
def main(options) -> None:
    """Write the chosen Gabors, the coverage of sets of them, and size-contrast curves of suboptimal Gabors."""
    from calcium_latents.files import read_table, write_table
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.studies.digital_twin.probe import ModelProbe
    from calcium_latents.studies.digital_twin.second_scan import gabor_selection as selection
    from calcium_latents.studies.digital_twin.second_scan import suboptimal_curves as suboptimal
    from calcium_latents.studies.digital_twin.second_scan.scan_parameters import SelectionParameters

    parameters = SelectionParameters.from_mapping(options.parameters)
    seed = parameters.seed
    neurons = read_image_responses(options.responses, ["neuron"])["neuron"].values
    optimal = selection.own_optima(read_table(options.gabors), neurons, options.gabors)
    probe = ModelProbe.from_checkpoint(options.checkpoint, options.accelerator)
    grid = selection.centre_grid(probe.image_shape, parameters)
    own = optimal["rate"].to_numpy()
    fractions = selection.fractions_of_own(selection.predicted_rates(probe, grid, parameters.batch), own)
    asked = (fractions, parameters.gabors, parameters.threshold)
    chosen = {
        selection.GREEDY: selection.choose_greedily(*asked),
        selection.SINGLY: selection.choose_one_by_one(*asked),
    }
    compared = suboptimal.compared_neurons(own, parameters, seed)
    stimuli = suboptimal.suboptimal_gabors(fractions, grid, optimal, compared, parameters)
    tables = {
        options.output: selection.chosen_table(fractions, grid, chosen[selection.GREEDY], parameters.threshold),
        options.coverage: selection.coverage_table(fractions, grid, chosen, parameters, seed),
        options.curves: suboptimal.size_contrast_curves(probe, stimuli, compared, neurons, parameters),
    }
    for path, table in tables.items():
        write_table(table, path, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
