"""Find the images that excite neurons and clusters of a digital twin most, and compare them with its best Gabors."""

from calcium_latents.commands.cli import ACCELERATOR, command, run_command


@command(
    responses="responses the twin was fitted to (.nc)",
    checkpoint="of the twin (.pt)",
    predictions="of the twin (.nc): places of neurons without a Gabor",
    bar_codes="clusters (.nc)",
    gabors="optimal Gabors (.csv)",
    differences="optimal differences of Gaussians (.csv)",
    scores={"help": "scores (.csv): best predicted neurons come first; default: a random order"},
    parameters="fields of mei_study.MeiStudyParameters (neurons_per_cluster, images: {...}, ...)",
    seed={"type": int, "required": True},
    output="images (.nc)",
    comparison="indices of stimuli at equal energy (.csv)",
    clusters={"help": "drive of each cluster's template (.csv)"},
    accelerator=ACCELERATOR,
)
def main(options) -> None:
    """Write images (.nc) and indices (.csv); for simulated neurons also what the true neurons answer to the images."""
    import numpy as np

    from calcium_latents.files import read_table, write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.image_predictions import read_image_predictions
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import read_dataset, write_dataset
    from calcium_latents.simulation.visual_cortex.gabors import difference_of_gaussians, gabor
    from calcium_latents.studies.digital_twin.optimal_stimuli import mei_study as study
    from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GABOR, DifferenceGrid
    from calcium_latents.studies.digital_twin.optimal_stimuli.stimulus_comparison import compare_stimuli, rates_at_norm
    from calcium_latents.studies.digital_twin.probe import ModelProbe, TruthProbe

    parameters = study.MeiStudyParameters.from_mapping(options.parameters)
    responses = read_image_responses(options.responses)
    probe = ModelProbe.from_checkpoint(options.checkpoint, options.accelerator)
    climbed = ModelProbe.from_checkpoint(
        options.checkpoint, options.accelerator, parameters.precision
    ).twin.requires_grad_(False)
    neurons, shape = responses["neuron"].values, probe.image_shape
    gabors = read_table(options.gabors, ("neuron", "source", "stimulus", *GABOR))
    differences = read_table(options.differences, ("neuron", "source", "stimulus", *DifferenceGrid.COLUMNS))
    scores = read_table(options.scores, ("neuron", "method", study.SCORE)) if options.scores else None
    own = study.rows_of(gabors, neurons, "own", GABOR)
    shared = study.rows_of(gabors, neurons, "cluster", GABOR)
    own_differences = study.rows_of(differences, neurons, "own", DifferenceGrid.COLUMNS)
    masks = read_image_predictions(options.predictions)["mask_centre_px"].values
    centre_px = np.where(np.isfinite(own[:, :2]), own[:, :2], masks)
    clustered = study.Clustered(
        cluster=read_dataset(options.bar_codes, ["cluster"])["cluster"].values.astype(int),
        centre_px=centre_px,
        score=study.scores_of(neurons, scores, options.seed),
        rate_unit=probe.twin.response_scale.cpu().numpy().astype(float),
        gabors=gabor(shape, *shared.T),
    )
    meis = study.mei_study(climbed.own_rates, shape, clustered, parameters, options.seed)
    stimuli = study.compared_images(
        meis, centre_px, gabor(shape, *own.T), difference_of_gaussians(shape, *own_differences.T), options.seed
    )
    norm, index = parameters.images.norm, np.arange(len(neurons))
    compared = compare_stimuli(probe.own_rates, index, stimuli, norm, parameters.comparison)
    if responses.attrs["simulated"]:
        truth = TruthProbe(responses)
        true = compare_stimuli(truth.own_rates, index, stimuli, norm, parameters.comparison)
        compared = compared.join(true.drop(columns="neuron").add_prefix("true_"))
        true_rates = rates_at_norm(truth.own_rates, index, stimuli["mei"], norm)
        meis["mei_true_rate"] = study.described("mei_true_rate", true_rates)
        meis["neuron_type"] = responses["neuron_type"]
    compared["neuron"] = neurons
    compared.insert(1, "cluster", clustered.cluster)
    meis = meis.assign_coords(neuron=("neuron", neurons))
    meis.attrs = {"label": responses.attrs["label"], "norm": norm, "score": study.SCORE if options.scores else "random"}
    write_dataset(meis, options.output, provenance(options.parameters, [__spec__.name], options.seed))
    write_table(compared, options.comparison)
    if options.clusters:
        write_table(study.cluster_table(meis), options.clusters)


if __name__ == "__main__":
    run_command(main)
