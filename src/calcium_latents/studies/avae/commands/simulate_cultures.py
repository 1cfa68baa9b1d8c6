"""Simulate a set of neuronal cultures: noiseless fluorescence of some neurons, statistics of all."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the recording of all cultures, and one row of statistics a culture."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_parameters(parser, "orientation, rate_hz, duration_s, neurons, groups, parameters, discarded_s, nonlinearity")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--recording", required=True, help="noiseless recording (.nc)")
    parser.add_argument("--statistics", required=True, help="table (.csv)")
    options = parser.parse_args(arguments)

    from calcium_latents.files import atomic_path
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording
    from calcium_latents.simulation.culture.culture_recording import simulate_cultures

    recording, statistics = simulate_cultures(options.parameters, options.seed)
    write_recording(recording, options.recording, provenance(options.parameters, [__spec__.name], options.seed))
    with atomic_path(Path(options.statistics)) as temporary:
        statistics.to_csv(temporary, index=False, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
