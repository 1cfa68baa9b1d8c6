"""Simulate the solvable network and compare it with its closed forms.

The defaults of `solvable_network.SolvableNetworkParameters` are for the paper scale (about two minutes on
one core). For the quick scale (about twelve seconds):

    {"network_sizes": [16, 32, 64, 128, 256, 512, 1024], "random_networks": 12, "features": 1000, "samples": 1000,
     "replicates": 3, "low_rank_sizes": [1000, 4000]}

and for the smoke scale (about a second):

    {"neurons": 100, "network_sizes": [16, 64], "random_networks": 4, "dimensions": [2, 3], "exponents": [0, 1],
     "features": 200, "samples": 200, "replicates": 2, "readout_neurons": 256, "draws": 500, "low_rank_sizes": [500]}
"""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the ring network, the spectra, the readouts, and the table of checks."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_parameters(parser, "sizes, see SolvableNetworkParameters")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ring", required=True, help="ring networks beside the closed forms (.nc)")
    parser.add_argument("--spectra", required=True, help="eigenspectra of random features (.csv)")
    parser.add_argument("--gaussian-process", required=True, help="random readouts (.nc)")
    parser.add_argument("--table", help="checks: identity, value, exact, tolerance (.csv)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import atomic_path
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
    spectra = power_law_spectra(
        parameters.dimensions,
        parameters.exponents,
        parameters.features,
        parameters.samples,
        parameters.replicates,
        options.seed,
    )
    with atomic_path(Path(options.spectra)) as temporary:
        thin_ranks(spectra).to_csv(temporary, index=False, float_format="%.8g")
    if options.table:
        with atomic_path(Path(options.table)) as temporary:
            checks_table(parameters, box, spectra, process, options.seed).to_csv(temporary, index=False)


if __name__ == "__main__":
    run_command(main)
