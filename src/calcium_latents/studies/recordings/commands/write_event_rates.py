"""Write a session's inferred event rates and factors, stitched over windows, as netCDF and NWB."""

import argparse

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", required=True, help="the imported recording (.nc)")
    parser.add_argument("--inferred", required=True, help="what was inferred from its windows (.nc)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--netcdf", required=True)
    parser.add_argument("--nwb", required=True)
    options = parser.parse_args(arguments)

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_inferred, read_recording, write_inferred
    from calcium_latents.recordings.inferred import DISTRIBUTION
    from calcium_latents.recordings.windows import stitch_windows
    from calcium_latents.recordings.writers import write_event_rates_nwb

    recording = read_recording(options.recording)
    inferred = read_inferred(options.inferred).drop_vars(DISTRIBUTION, errors="ignore")  # four times the size
    session = stitch_windows(inferred, 0.0)  # 0: the windows' own starts say how they overlap
    config = {"inferred": inferred.attrs["config_digest"]}
    write_inferred(session, options.netcdf, provenance(config, [__spec__.name], options.seed))
    write_event_rates_nwb(options.nwb, session, recording)


if __name__ == "__main__":
    run_command(main)
