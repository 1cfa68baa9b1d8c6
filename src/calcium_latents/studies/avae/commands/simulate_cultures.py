"""Simulate a set of neuronal cultures: noiseless fluorescence of some neurons, statistics of all."""

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="orientation, rate_hz, duration_s, neurons, groups, parameters, discarded_s, nonlinearity",
    seed={"type": int, "required": True},
    recording="noiseless recording (.nc)",
    statistics="table (.csv)",
)
def main(options) -> None:
    """Write the recording of all cultures, and one row of statistics a culture."""
    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording
    from calcium_latents.simulation.culture.culture_recording import simulate_cultures

    recording, statistics = simulate_cultures(options.parameters, options.seed)
    write_recording(recording, options.recording, provenance(options.parameters, [__spec__.name], options.seed))
    write_table(statistics, options.statistics, float_format="%.8g")


if __name__ == "__main__":
    run_command(main)
