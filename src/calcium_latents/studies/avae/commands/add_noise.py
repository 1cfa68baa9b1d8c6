"""Add white Gaussian noise to a noiseless recording of simulated cultures: the traces that models are trained on."""

from calcium_latents.commands.cli import command, run_command


@command(
    recording="noiseless recording of cultures (.nc)",
    noise={"type": float, "required": True, "help": "standard deviation, in units of the fluorescence"},
    label="name of these data in print",
    seed={"type": int, "required": True},
    output="recording (.nc)",
)
def main(options) -> None:
    """Write the noisy recording; the noiseless fluorescence rides along."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.simulation.culture.culture_recording import add_noise

    recording = read_recording(options.recording)
    config = {"noise": options.noise, "label": options.label, "recording": recording.attrs["config_digest"]}
    traces = add_noise(recording, options.noise, options.label, options.seed)
    write_recording(traces, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
