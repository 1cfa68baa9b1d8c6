"""Deconvolve a recording's fluorescence into events."""

from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    recording="recording (.nc)",
    method={"default": "oasis", "help": "oasis or caiman"},
    parameters="options of the method",
    processes={"type": int, "default": 1},
    seed={"type": int, "default": 0},
    output="recording with events (.nc)",
)
def main(options) -> None:
    """Write the recording with its events."""
    from calcium_latents.deconvolution.interface import deconvolve
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import open_recording, write_recording
    from calcium_latents.recordings.fields import place

    modules = [__spec__.name, f"calcium_latents.deconvolution.{options.method}"]
    with open_recording(options.recording) as recording:
        config = {"method": options.method, **options.parameters, "recording": recording.attrs["config_digest"]}
        path, folder = place(recording, options.recording), Path(options.output).parent
        folder.mkdir(parents=True, exist_ok=True)
        deconvolved = deconvolve(
            recording, options.method, processes=options.processes, path=path, folder=folder, **options.parameters
        )
        write_recording(deconvolved, options.output, provenance(config, modules, options.seed))


if __name__ == "__main__":
    run_command(main)
