"""Write the event rates of the method that predicts hidden samples best, with the verdict, as netCDF and NWB."""

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="the imported recording (.nc)",
    windows="its windows or trials (.nc), which have the table of trials",
    comparison="comparison with each baseline (.csv)",
    baselines={"required": True, "nargs": "+", "help": "baselines' event rates (.nc)"},
    inferred={"default": [], "nargs": "*", "help": "results at .../MODEL/seed-NUMBER/output.nc"},
    seed={"type": int, "default": 0},
    netcdf="the whole session (.nc)",
    nwb="the same (.nwb)",
)
def main(options) -> None:
    """Write both files; print the verdict."""
    import pandas as pd

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_inferred, read_recording, write_inferred
    from calcium_latents.recordings.inferred import DISTRIBUTION
    from calcium_latents.recordings.trial_table import with_trials_of
    from calcium_latents.recordings.windows import stitch_windows
    from calcium_latents.recordings.writers import write_event_rates_nwb
    from calcium_latents.studies.recordings.study import BASELINES, baseline_file
    from calcium_latents.studies.recordings.verdict import verdict

    found = verdict(pd.read_csv(options.comparison))
    if found.best in BASELINES:
        ending = baseline_file(found.best)
        session = read_inferred(next(path for path in options.baselines if path.endswith(ending)))
    else:
        runs = [(*method_of(path), path) for path in options.inferred]
        path = next(path for model, seed, path in runs if found.best in (model, f"{model}, seed {seed}"))
        session = stitch_windows(read_inferred(path).drop_vars(DISTRIBUTION, errors="ignore"), 0.0)
    session = session.assign_attrs(
        verdict=found.sentence(), description=found.called(found.best), bits_per_event=found.over_constant[0]
    )
    config = {"inferred": session.attrs["config_digest"], "best": found.best}
    write_inferred(session, options.netcdf, provenance(config, [__spec__.name], options.seed))
    recording = with_trials_of(read_recording(options.recording), read_recording(options.windows, ["trial_start"]))
    write_event_rates_nwb(options.nwb, session, recording, found.sentence())
    print(found.sentence())


if __name__ == "__main__":
    run_command(main)
