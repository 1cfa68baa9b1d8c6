"""Fit the baselines to the samples of a recording that are shown."""

from calcium_latents.commands.cli import command, run_command


@command(
    shown="continuous recording without the hidden samples (.nc)",
    seed={"type": int, "default": 0},
    output_directory="folder; each baseline writes baselines/METHOD/output.nc",
    co_smoothing="table: how well hidden neurons are predicted from the others (.csv)",
)
def main(options) -> None:
    """Write the baselines' event rates, and the table."""
    from pathlib import Path

    from calcium_latents.files import write_table
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_inferred
    from calcium_latents.studies.recordings.baselines import Baselines
    from calcium_latents.studies.recordings.study import baseline_file

    shown = read_recording(options.shown, ["events", "trial_start", "sample_offset"])
    made = provenance({"recording": shown.attrs["config_digest"]}, [__spec__.name], options.seed)
    baselines = Baselines(shown, options.seed)
    for method, inferred in baselines.inferred():
        path = Path(options.output_directory, baseline_file(method))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_inferred(inferred, path, made)
        print(f"{method}: {inferred.attrs['description']}; {inferred.attrs['choice']}", flush=True)
    write_table(baselines.co_smoothing(), options.co_smoothing)


if __name__ == "__main__":
    run_command(main)
