"""Simulate a recording with ground truth."""

from importlib import import_module

from calcium_latents.commands.cli import command, run_command

#: Name of a simulator -> its module, which has a function `simulate_NAME`.
SIMULATORS = {
    "lorenz_recording": "calcium_latents.simulation.lorenz.lorenz_recording",
    "latent_population": "calcium_latents.simulation.latent_population.latent_population",
    "two_photon_session": "calcium_latents.simulation.two_photon_session.session",
}


@command(
    simulator={"required": True, "choices": SIMULATORS},
    parameters="parameters of the simulation",
    seed={"type": int, "required": True},
    output="recording (.nc)",
)
def main(options) -> None:
    """Call `simulate_NAME` of a module of `calcium_latents.simulation` and write the recording."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording

    module = SIMULATORS[options.simulator]
    simulate = getattr(import_module(module), f"simulate_{options.simulator}")
    recording = simulate(options.parameters, options.seed)
    write_recording(recording, options.output, provenance(options.parameters, [__spec__.name, module], options.seed))


if __name__ == "__main__":
    run_command(main)
