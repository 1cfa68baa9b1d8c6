"""Simulate a recording with ground truth."""

import argparse
from importlib import import_module

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Call `simulate_NAME` of the module `calcium_latents.simulation.NAME` and write the recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulator", required=True, help="a module of calcium_latents.simulation: lorenz_recording")
    add_parameters(parser, "parameters of the simulation")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", required=True, help="recording (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording

    module = f"calcium_latents.simulation.{options.simulator}"
    simulate = getattr(import_module(module), f"simulate_{options.simulator}")
    recording = simulate(options.parameters, options.seed)
    write_recording(recording, options.output, provenance(options.parameters, [__spec__.name, module], options.seed))


if __name__ == "__main__":
    run_command(main)
