"""Hide a random part of a recording's samples from all that comes after, to be scored at the end."""

import argparse

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the recording without these samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="recording with events (.nc)")
    parser.add_argument("--fraction", type=float, required=True, help="of each neuron's samples; 0 hides none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, help="recording (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.recordings.hiding import hide_samples

    recording = read_recording(options.recording)
    config = {"fraction": options.fraction, "recording": recording.attrs["config_digest"]}
    shown = hide_samples(recording, options.fraction, options.seed)
    write_recording(shown, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
