"""Smooth a recording's events or fluorescence: the baselines that models are compared with."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the smoothed rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True)
    add_parameters(parser, "variable (events or fluorescence) and sd_s")
    parser.add_argument("--name", help="of the method in results; default: that of the paper for the variable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="inferred rates (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.metrics.smoothing import smooth
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_inferred

    recording = read_recording(options.recording)
    config = {**options.parameters, "name": options.name, "recording": recording.attrs["config_digest"]}
    inferred = smooth(recording, **options.parameters, name=options.name)
    write_inferred(inferred, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
