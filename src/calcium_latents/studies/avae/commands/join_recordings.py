"""Join recordings of one or several conditions into one set of traces: one rate, one duration, neurons stacked."""

import argparse
import json
import sys

from calcium_latents.commands.cli import command, run_command


def named_recording(text: str) -> tuple[str, str, str]:
    """Parse CONDITION=NAME=FILE; only the file may contain a further `=`."""
    parts = tuple(part.strip() for part in text.split("=", 2))
    if len(parts) != 3 or not all(parts):
        raise argparse.ArgumentTypeError(f"expected CONDITION=NAME=FILE, found {text!r}")
    return parts


@command(
    recording={
        "required": True,
        "action": "append",
        "type": named_recording,
        "metavar": "CONDITION=NAME=FILE",
        "help": "continuous recording of dF/F (.nc), its condition and its name; may come again",
    },
    rate_hz={"type": float, "required": True, "help": "samples per second of the result"},
    duration_s={"type": float, "help": "how much to take from the start; default: the shortest"},
    longest_gap_s={"type": float, "default": 0.2, "help": "missing samples are bridged up to this long"},
    label="names the result in titles",
    seed={"type": int, "default": 0, "help": "noted in the file; nothing here is random"},
    output="traces (.nc)",
)
def main(options) -> None:
    """Write the joined recording."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_recording
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.joining import join_recordings

    recordings: dict[str, dict] = {}
    for condition, name, path in options.recording:
        if name in recordings.setdefault(condition, {}):
            found = f"{name!r} twice in {condition!r}"
            fail(path, "--recording", "each recording once", found, "Give each its own name.")
        recordings[condition][name] = read_recording(path)
    joined = join_recordings(recordings, options.rate_hz, options.duration_s, options.label, options.longest_gap_s)
    used_s = joined.sizes["time"] / options.rate_hz
    for one in json.loads(joined.attrs["joined_from"]):
        if one["duration_s"] > used_s + 1 / options.rate_hz:
            print(f"{one['name']}: the first {used_s:.6g} s of {one['duration_s']:.6g} s are used.", file=sys.stderr)
    config = {name: getattr(options, name) for name in ("rate_hz", "duration_s", "longest_gap_s", "label")}
    # A list: the order of the recordings numbers the cultures.
    config["recordings"] = [
        [condition, name, recording.attrs["config_digest"]]
        for condition, members in recordings.items()
        for name, recording in members.items()
    ]
    write_recording(joined, options.output, provenance(config, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
