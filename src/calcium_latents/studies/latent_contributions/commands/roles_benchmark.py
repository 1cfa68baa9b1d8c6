"""Score roles of neurons in simulated networks whose initiators, stabilisers and leads are known."""

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="parameters of roles_benchmark",
    seed={"type": int, "required": True},
    scores="table (.csv)",
    example="example transition and influence (.nc)",
)
def main(options) -> None:
    """Write one row a level of difficulty, network, role and method, and an example for the figures."""
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
