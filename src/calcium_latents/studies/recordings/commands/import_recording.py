"""Read a user's file, whatever its format, as a recording."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_parameters(parser, "the entry of config/recordings.yaml")
    parser.add_argument("--base-directory", default=".", help="what the entry's paths are relative to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="recording (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording
    from calcium_latents.recordings.readers import read_user_file

    recording = read_user_file(options.parameters, options.base_directory)
    write_recording(recording, options.output, provenance(options.parameters, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
