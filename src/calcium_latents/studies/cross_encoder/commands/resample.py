"""Bring a deconvolved recording to the cross-encoder's form: spontaneous activity, or responses to stimuli."""

from calcium_latents.commands.cli import command, run_command
from calcium_latents.errors import UserError


@command(
    recording="continuous recording with events (.nc)",
    rate_hz={"type": float, "required": True, "help": "bins per second; the paper uses 5"},
    trials={"help": "stimulus onsets: table (.csv) with columns start_s and condition, or file"},
    window_s={"type": float, "help": "response window after an onset; needs --trials"},
    seed={"type": int, "default": 0, "help": "noted in the file; nothing here is random"},
    output="recording (.nc)",
)
def main(options) -> None:
    """Write the resampled recording; given onsets, the mean activity in the window after each."""
    if (options.trials is None) != (options.window_s is None):
        raise UserError("--trials and --window-s come together: expected both or neither, found one of them.")

    from calcium_latents.files import read_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.resampling import resample
    from calcium_latents.recordings.responses import stimulus_responses
    from calcium_latents.recordings.trial_table import FROM_FILE, checked_trials, trial_table

    recording = read_recording(options.recording)
    config = {"rate_hz": options.rate_hz, "recording": recording.attrs["config_digest"]}
    resampled = resample(recording, options.rate_hz)
    if options.trials:
        if options.trials == FROM_FILE:
            source, table = recording.attrs["source"], trial_table(recording)
            if table is None or "condition" not in table:
                fail(source, "trials", "a table with a column condition", "none", "Name a CSV file that has it.")
        else:
            source, table = options.trials, read_table(options.trials, ["condition"])
        table = checked_trials(table, source)
        starts, conditions = table["start_s"].tolist(), table["condition"].tolist()
        config |= {"starts_s": starts, "conditions": [str(c) for c in conditions], "window_s": options.window_s}
        resampled = stimulus_responses(resampled, starts, conditions, options.window_s)
    write_recording(resampled, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
