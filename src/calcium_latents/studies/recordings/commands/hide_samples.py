"""Hide a random part of a recording's samples from all that comes after, to be scored at the end."""

from calcium_latents.commands.cli import command, run_command


@command(
    recording="recording with events (.nc)",
    fraction={"type": float, "required": True, "help": "of each neuron's samples; 0 hides none"},
    run_s={"type": float, "required": True, "help": "length of the runs that they are hidden in, s"},
    seed={"type": int, "default": 0},
    output="recording (.nc)",
)
def main(options) -> None:
    """Write the recording without these samples."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import open_recording, write_recording
    from calcium_latents.recordings.hiding import hide_samples

    with open_recording(options.recording) as recording:
        config = {"fraction": options.fraction, "run_s": options.run_s, "recording": recording.attrs["config_digest"]}
        shown = hide_samples(recording, options.fraction, options.seed, options.run_s)
        write_recording(shown, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
