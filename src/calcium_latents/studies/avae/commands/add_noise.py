"""Add white Gaussian noise to a noiseless recording of simulated cultures: the traces that models are trained on."""

import argparse

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the noisy recording; the noiseless fluorescence rides along."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="noiseless recording of cultures (.nc)")
    parser.add_argument("--noise", type=float, required=True, help="standard deviation, in units of the fluorescence")
    parser.add_argument("--label", required=True, help="name of these data in print")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", required=True, help="recording (.nc)")
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.simulation.culture.culture_recording import add_noise

    recording = read_recording(options.recording)
    config = {"noise": options.noise, "label": options.label, "recording": recording.attrs["config_digest"]}
    traces = add_noise(recording, options.noise, options.label, options.seed)
    write_recording(traces, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
