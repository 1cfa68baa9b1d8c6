"""Score roles of neurons in simulated networks whose initiators, stabilisers and leads are known."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write one row a level of difficulty, network, role and method, and an example for the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_parameters(parser, "parameters of roles_benchmark")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--scores", required=True, help="table (.csv)")
    parser.add_argument("--example", required=True, help="example transition and influence (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.studies.latent_contributions.roles_benchmark import benchmark
    from calcium_latents.studies.latent_contributions.roles_example import example

    write_table(benchmark(options.parameters, options.seed), options.scores)
    dataset = example(options.parameters, options.seed)
    write_dataset(dataset, options.example, provenance(options.parameters, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
