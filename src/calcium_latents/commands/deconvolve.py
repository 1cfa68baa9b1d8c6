"""Deconvolve a recording's fluorescence into events."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the recording with its events."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True)
    parser.add_argument("--method", default="oasis", help="oasis or caiman")
    add_parameters(parser, "options of the method")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="recording with events (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.deconvolution.interface import deconvolve
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording

    recording = read_recording(options.recording)
    deconvolved = deconvolve(recording, options.method, processes=options.processes, **options.parameters)
    modules = [__spec__.name, f"calcium_latents.deconvolution.{options.method}"]
    config = {"method": options.method, **options.parameters, "recording": recording.attrs["config_digest"]}
    write_recording(deconvolved, options.output, provenance(config, modules, options.seed))


if __name__ == "__main__":
    run_command(main)
