"""Write a session's inferred event rates and factors, stitched over windows, as netCDF and NWB."""

from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    recording="the imported recording (.nc)",
    windows="its windows or trials (.nc), which have the table of trials",
    inferred="what was inferred from its windows (.nc)",
    configuration={"help": "of the model's training (.yaml), for the notes"},
    verdict={"help": "the sentence on held-out samples (.txt), for the notes"},
    seed={"type": int, "default": 0},
    netcdf="the whole session (.nc)",
    nwb="the same (.nwb)",
)
def main(options) -> None:
    """Write both files."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_inferred, read_recording, write_inferred
    from calcium_latents.recordings.inferred import DISTRIBUTION
    from calcium_latents.recordings.trial_table import with_trials_of
    from calcium_latents.recordings.windows import stitch_windows
    from calcium_latents.recordings.writers import write_event_rates_nwb

    windows = read_recording(options.windows, ["trial_start"])
    recording = with_trials_of(read_recording(options.recording), windows)
    inferred = read_inferred(options.inferred).drop_vars(DISTRIBUTION, errors="ignore")  # four times the size
    session = stitch_windows(inferred, 0.0)  # 0: the windows' own starts say how they overlap
    config = {"inferred": inferred.attrs["config_digest"]}
    write_inferred(session, options.netcdf, provenance(config, [__spec__.name], options.seed))
    notes = {
        name: Path(path).read_text(encoding="utf-8").strip()
        for name, path in (("configuration", options.configuration), ("verdict", options.verdict))
        if path
    }
    write_event_rates_nwb(options.nwb, session, recording, **notes)


if __name__ == "__main__":
    run_command(main)
