"""Find the Gabor and the difference of Gaussians that drive each neuron, and each cluster of neurons, most."""

from typing import Any

from calcium_latents.commands.cli import ACCELERATOR, command, run_command


@command(
    responses="responses to images that the model was fitted to (.nc)",
    checkpoint="the fitted model (.pt)",
    predictions="its predictions, with the centres of masks (.nc)",
    bar_codes="clusters of neurons (.nc)",
    parameters="fields of search_parameters.OptimalStimuliParameters (gabors: {...}, ...)",
    gabors="optimal Gabors (.csv)",
    differences="optimal differences of Gaussians (.csv)",
    check="the search against the whole grid (.csv)",
    accelerator=ACCELERATOR,
)
def main(options) -> None:
    """Write the optima of the model, of the true neurons where they are known, and a check against the whole grid."""
    import pandas as pd

    from calcium_latents.files import write_table
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.image_predictions import read_image_predictions
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.recordings.netcdf import read_dataset
    from calcium_latents.studies.digital_twin.optimal_stimuli import gabor_study as study
    from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid
    from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import OptimalStimuliParameters
    from calcium_latents.studies.digital_twin.probe import ModelProbe, Probe, TruthProbe

    parameters = OptimalStimuliParameters.from_mapping(options.parameters)
    seed, share, precision = parameters.seed, parameters.share_places, parameters.precision
    responses = read_image_responses(options.responses)
    predictions = read_image_predictions(options.predictions)
    clusters = read_dataset(options.bar_codes, ["cluster"])["cluster"].values
    names = responses["neuron"].values
    for path, count in ((options.predictions, predictions.sizes["neuron"]), (options.bar_codes, len(clusters))):
        if count != len(names):
            fail(path, "neuron", f"the {len(names)} neurons of {options.responses}", f"{count}", "Use one data set.")
    if "mask_centre_px" not in predictions:
        fail(options.predictions, "mask_centre_px", "centres of masks", "none", "Give predictions of the digital twin.")
    probes: dict[str, tuple[Probe, Any]] = {
        "model": (
            ModelProbe.from_checkpoint(options.checkpoint, options.accelerator),
            predictions["mask_centre_px"].values,
        )
    }
    if int(responses.attrs.get("simulated", 0)) and "position_px" in responses:
        probes["truth"] = (TruthProbe(responses), responses["position_px"].values)
    shape = {"image_shape": (responses.sizes["y"], responses.sizes["x"])}
    grids = [GaborGrid.from_mapping(parameters.gabors.given() | shape)]
    # amplitudes of both families agree unless other ones are asked for
    contrasts = grids[0].contrasts
    amplitudes = {"contrasts": [*(-value for value in contrasts[::-1]), *contrasts]}
    grids.append(DifferenceGrid.from_mapping(amplitudes | parameters.differences.given() | shape))
    settings = [parameters.search, parameters.difference_search]
    together, check = parameters.clusters, parameters.check
    fast = (
        ModelProbe.from_checkpoint(options.checkpoint, options.accelerator, precision)
        if precision != "float32"
        else None
    )
    tables: dict[str, list[pd.DataFrame]] = {options.gabors: [], options.differences: []}
    for source, (probe, starts) in probes.items():
        neurons = study.Neurons(names, clusters, starts)
        for path, grid, how in zip(tables, grids, settings, strict=True):
            table, stages = study.optima_tables(
                probe, source, grid, neurons, how, together, share, seed, fast if source == "model" else None
            )
            tables[path].append(table)
            shown = ", ".join(f"{stage} {count}" for stage, count in stages.items())
            print(f"{grid.SECTION}, {source}: images shown: {shown}; the whole grid: {grid.size}")
    found = {path: pd.concat(parts, ignore_index=True) for path, parts in tables.items()}
    model = study.Neurons(names, clusters, probes["model"][1])
    found[options.check] = study.check_search(probes["model"][0], grids[0], model, settings[0], check, share)
    for path, table in found.items():
        write_table(table, path, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
