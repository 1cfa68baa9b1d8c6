"""Simulate a two-photon session, and write it as the files that a user has."""

from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="fields of TwoPhotonSessionParameters",
    seed={"type": int, "required": True},
    output="folder: suite2p/plane0, session.nwb, trials.csv, behaviour.csv and truth.nc",
)
def main(options) -> None:
    """Write one session in every format, and a Recording with its true firing rates."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording
    from calcium_latents.simulation.two_photon_session import files_nwb, files_suite2p, session

    simulated = session.simulate_session(options.parameters, options.seed)
    folder = Path(options.output)
    files_suite2p.write_suite2p(simulated, folder / "suite2p")
    files_suite2p.write_tables(simulated, folder)
    files_nwb.write_nwb(simulated, folder / "session.nwb")
    made = provenance(options.parameters, [__spec__.name, session.__name__], options.seed)
    write_recording(session.session_recording(simulated), folder / "truth.nc", made)


if __name__ == "__main__":
    run_command(main)
