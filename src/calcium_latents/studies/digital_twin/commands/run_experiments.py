"""Show orientations, phases, sizes, contrasts and plaids about optimal Gabors to the model and to the true neurons."""

from pathlib import Path

from calcium_latents.commands.cli import ACCELERATOR, command, run_command


@command(
    responses="responses to images that the model was fitted to (.nc)",
    checkpoint="the fitted model (.pt)",
    bar_codes="clusters of neurons (.nc)",
    gabors="optimal Gabors (.csv)",
    parameters="fields of tuning_parameters.ExperimentParameters",
    tuning="tuning curves (.nc)",
    indices="tuning indices (.csv)",
    accelerator=ACCELERATOR,
)
def main(options) -> None:
    """Write tuning curves and the indices that sum them up; true neurons see the model's stimuli."""
    import hashlib

    from calcium_latents.files import read_table, write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import read_dataset, write_dataset
    from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import Counter
    from calcium_latents.studies.digital_twin.probe import ModelProbe, TruthProbe
    from calcium_latents.studies.digital_twin.tuning.tuning_parameters import ExperimentParameters
    from calcium_latents.studies.digital_twin.tuning.tuning_tables import (
        GABOR_COLUMNS,
        indices_of,
        measure,
        tuning_dataset,
    )

    settings = ExperimentParameters.from_mapping(options.parameters)
    seed, stimuli = settings.seed, settings.stimuli
    responses = read_image_responses(options.responses)
    clusters = read_dataset(options.bar_codes, ["cluster"])["cluster"].values
    names = responses["neuron"].values
    gabors = read_table(options.gabors, GABOR_COLUMNS)
    chosen = {}
    for stimulus in stimuli:
        rows = gabors[(gabors["source"] == "model") & (gabors["stimulus"] == stimulus)].set_index("neuron")
        absent = [name for name in names if name not in rows.index]
        if absent or rows.index.duplicated().any():
            found = f"{len(rows)}, without neuron {absent[0]}" if absent else "some twice"
            expected = f"one row of source model and stimulus {stimulus} for every neuron"
            fail(options.gabors, "neuron", expected, found, "Find the optimal stimuli of this data set.")
        chosen[stimulus] = rows.loc[names].reset_index()
    if len(clusters) != len(names):
        fail(options.bar_codes, "neuron", f"{len(names)} neurons", f"{len(clusters)}", "Use one data set.")
    probes = {"model": Counter(ModelProbe.from_checkpoint(options.checkpoint, options.accelerator))}
    if int(responses.attrs.get("simulated", 0)) and "position_px" in responses:
        probes["truth"] = Counter(TruthProbe(responses))
    found = measure(probes, chosen, settings)
    for source, counter in probes.items():
        print(f"experiments, {source}: images shown: {counter.images}")
    types = responses["neuron_type"].values.astype(str) if "neuron_type" in responses else None
    about = {"neuron": names, "cluster": clusters, "neuron_type": types}
    table = indices_of(found, chosen, settings, about)
    dataset = tuning_dataset(found, chosen, settings, names, probes["model"].image_shape)
    files = {"checkpoint": options.checkpoint, "gabors": options.gabors}
    config = {name: hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] for name, path in files.items()}
    origin = provenance({"parameters": options.parameters, **config}, [__spec__.name], seed)
    write_dataset(dataset, options.tuning, origin)
    write_table(table, options.indices, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
