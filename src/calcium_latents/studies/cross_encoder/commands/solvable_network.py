"""Simulate the solvable network and compare it with its closed forms."""

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="sizes, see SolvableNetworkParameters",
    seed={"type": int, "required": True},
    ring="ring networks beside the closed forms (.nc)",
    spectra="eigenspectra of random features (.csv)",
    gaussian_process="random readouts (.nc)",
    table="checks: identity, value, exact, tolerance (.csv)",
)
def main(options) -> None:
    """Write the ring network, the spectra, the readouts, and the table of checks."""
    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.studies.cross_encoder.power_law import power_law_spectra, thin_ranks
    from calcium_latents.studies.cross_encoder.solvable_checks import checks_table
    from calcium_latents.studies.cross_encoder.solvable_network import (
        SolvableNetworkParameters,
        gaussian_process_box,
        ring_network_box,
    )

    parameters = SolvableNetworkParameters.from_mapping(options.parameters)
    origin = provenance(parameters.to_dict(), [__spec__.name], options.seed)
    box = ring_network_box(parameters, options.seed)
    write_dataset(box, options.ring, origin)
    process = gaussian_process_box(parameters, options.seed)
    write_dataset(process, options.gaussian_process, origin)
    sizes = (parameters.dimensions, parameters.exponents, parameters.features, parameters.samples)
    spectra = power_law_spectra(*sizes, parameters.replicates, options.seed)
    write_table(thin_ranks(spectra), options.spectra, float_format="%.8g")
    write_table(checks_table(parameters, box, spectra, process, options.seed), options.table)


if __name__ == "__main__":
    run_command(main)
