"""Summarise tuning properties: one table of neurons, tests of clusters, and independence of the properties."""

from calcium_latents.commands.cli import command, run_command


@command(
    responses="responses to images (.nc)",
    indices="indices of in-silico experiments (.csv)",
    comparison="responses to Gabors and differences of Gaussians over those to MEIs (.csv)",
    scores="scores of predictions (.csv)",
    bar_codes="aligned bar codes with clusters (.nc)",
    dataset="its name in the tables",
    label={"help": "its name in print; default: the dataset's name"},
    parameters="fields of tuning_parameters.PropertyParameters",
    seed={"type": int, "default": 0, "help": "of random clusters, permutations and bootstraps"},
    properties="table (.csv): a row a neuron",
    cluster_tests="table (.csv): a row a cluster and property, with random clusters",
    independence="table (.csv): a row a pair of properties",
    combinations="table (.csv): a row a combination of properties, high or low",
)
def main(options) -> None:
    """Write the four tables."""
    from calcium_latents.files import read_table, write_table
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import read_dataset
    from calcium_latents.studies.digital_twin.tuning import neuron_properties as tuning
    from calcium_latents.studies.digital_twin.tuning.cluster_tests import cluster_tests
    from calcium_latents.studies.digital_twin.tuning.property_independence import study_independence
    from calcium_latents.studies.digital_twin.tuning.tuning_parameters import PropertyParameters

    settings = PropertyParameters.from_mapping(options.parameters)
    floor = {"floor": settings.floor}
    responses = read_image_responses(options.responses)
    bar_codes = read_dataset(options.bar_codes, ["cluster", "tsne"])
    indices, comparison, scores = (read_table(path) for path in (options.indices, options.comparison, options.scores))
    about = (options.dataset, options.label or options.dataset)

    properties = tuning.neuron_properties(indices, comparison, scores, bar_codes, *about, **floor)
    sources = {tuning.MODEL: tuning.with_invariance(properties)}
    if ((indices["source"] == tuning.TRUTH) & (indices["stimulus"] == tuning.CLUSTER)).any():
        true = tuning.neuron_properties(indices, comparison, scores, bar_codes, *about, source=tuning.TRUTH, **floor)
        sources[tuning.TRUTH] = tuning.with_invariance(true)
    design = tuning.design_properties(responses, properties.set_index("neuron")["cluster"])
    if design is not None:
        sources[tuning.DESIGN] = design
    numeric = {name: table.select_dtypes("number") for name, table in sources.items()}
    subsets = tuning.subsets(properties, responses)
    independence, combinations = study_independence(numeric, subsets, *about, settings, options.seed)
    tables = {
        options.properties: properties,
        options.cluster_tests: cluster_tests(
            properties, *about, alpha=settings.alpha, shuffles=settings.shuffles, seed=options.seed
        ),
        options.independence: independence,
        options.combinations: combinations,
    }
    for path, table in tables.items():
        write_table(table, path)


if __name__ == "__main__":
    run_command(main)
