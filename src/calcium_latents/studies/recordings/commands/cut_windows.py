"""Cut a deconvolved session into overlapping windows, or into the user's trials, on the sub-frame grid."""

from calcium_latents.commands.cli import command, run_command


@command(
    recording="continuous recording with events (.nc)",
    parameters="bin_width_s, windows and trials of an entry of config/recordings.yaml",
    base_directory={"default": ".", "help": "what the entry's paths are relative to"},
    seed={"type": int, "default": 0},
    output="recording of trials (.nc)",
)
def main(options) -> None:
    """Write the recording of trials that models read."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import open_recording, write_recording
    from calcium_latents.recordings.readers import window_options
    from calcium_latents.recordings.windows import cut_windows

    cut = window_options(options.parameters, options.base_directory)
    with open_recording(options.recording) as recording:
        config = {**options.parameters, "recording": recording.attrs["config_digest"]}
        trials = cut_windows(recording.drop_vars("fluorescence", errors="ignore"), **cut)  # no model reads it
        write_recording(trials, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
