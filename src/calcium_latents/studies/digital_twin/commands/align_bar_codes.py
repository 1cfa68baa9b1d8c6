"""Align a model's bar codes, cluster them, map them, and compare every way to align with known types of neurons."""

from calcium_latents.commands.cli import command, run_command


@command(
    predictions="what the digital twin says about all images (.nc)",
    responses={"help": "responses that it was fitted to (.nc), for the neurons' true types"},
    dataset="its name in the tables",
    label={"help": "its name in print; default: the dataset's name"},
    parameters="fields of bar_code_parameters.StudyOptions (clusters, published: {...}, ...)",
    seed={"type": int, "default": 0},
    output="aligned bar codes, clusters, map (.nc)",
    table="agreement of clusters with types, by method (.csv)",
    timing="seconds of alignment, by method (.csv); vary from run to run",
)
def main(options) -> None:
    """Write bar_codes.nc, the table of agreement and the table of times."""
    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.netcdf import read_dataset, write_dataset
    from calcium_latents.studies.digital_twin.bar_codes.bar_code_parameters import StudyOptions
    from calcium_latents.studies.digital_twin.bar_codes.bar_code_study import study

    settings = StudyOptions.from_mapping(options.parameters)
    predictions = read_dataset(options.predictions, ["bar_code", "feature_covariance", "neuron"])
    types = None
    if options.responses:
        types = true_types(read_dataset(options.responses), predictions, options.responses)
    box, table, timing = study(
        predictions["bar_code"].values,
        options.seed,
        options.dataset,
        options.label or options.dataset,
        settings,
        types,
        predictions["neuron"].values,
        predictions["feature_covariance"].values,
    )
    config = {"parameters": options.parameters, "predictions": predictions.attrs["config_digest"]}
    write_dataset(box, options.output, provenance(config, [__spec__.name], options.seed))
    for path, rows in ((options.table, table), (options.timing, timing)):
        write_table(rows, path)


def true_types(responses, predictions, path: str):
    """Return the true type of every neuron of `predictions`, None if `responses` knows none.

    Raises:
        UserError: the two boxes have not the same neurons in the same order.
    """
    import numpy as np

    from calcium_latents.recordings.fields import fail

    if not np.array_equal(responses["neuron"].values, predictions["neuron"].values):
        expected, found = f"the {predictions.sizes['neuron']} neurons of the predictions", "others"
        fail(path, "neuron", expected, found, "Give the responses that the model was fitted to.")
    return responses["neuron_type"].values.astype(str) if "neuron_type" in responses else None


if __name__ == "__main__":
    run_command(main)
