"""Smooth a recording's events or fluorescence: the baselines that models are compared with."""

from calcium_latents.commands.cli import command, run_command


@command(
    recording="recording (.nc)",
    parameters="variable (events or fluorescence) and sd_s",
    name={"help": "of the method in results; default: that of the paper for the variable"},
    seed={"type": int, "default": 0},
    output="inferred rates (.nc)",
)
def main(options) -> None:
    """Write the smoothed rates."""
    from calcium_latents.metrics.smoothing import smooth
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_inferred

    recording = read_recording(options.recording)
    config = {**options.parameters, "name": options.name, "recording": recording.attrs["config_digest"]}
    inferred = smooth(recording, **options.parameters, name=options.name)
    write_inferred(inferred, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
