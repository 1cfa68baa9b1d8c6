"""Cut a deconvolved session into overlapping windows, or into the user's trials, on the sub-frame grid."""

import argparse

from calcium_latents.commands.cli import add_parameters, run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the recording of trials that models read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="continuous recording with events (.nc)")
    add_parameters(parser, "bin_width_s, windows and trials of an entry of config/recordings.yaml")
    parser.add_argument("--base-directory", default=".", help="what the entry's paths are relative to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="recording of trials (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.recordings.readers import window_options
    from calcium_latents.recordings.windows import cut_windows

    recording = read_recording(options.recording)
    trials = cut_windows(recording, **window_options(options.parameters, options.base_directory))
    config = {**options.parameters, "recording": recording.attrs["config_digest"]}
    write_recording(trials, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
