"""Read a user's file, whatever its format, as a recording."""

import json
import sys
from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="the entry of config/recordings.yaml",
    base_directory={"default": ".", "help": "what the entry's paths are relative to"},
    seed={"type": int, "default": 0},
    output="recording (.nc)",
)
def main(options) -> None:
    """Write the recording."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import write_recording
    from calcium_latents.recordings.plausibility import in_words, plausibility_table
    from calcium_latents.recordings.readers import read_user_file

    recording = read_user_file(options.parameters, options.base_directory, Path(options.output).parent)
    for note in json.loads(recording.attrs.get("reader_notes", "[]")):
        print(f"{options.parameters['file']}: {note}", file=sys.stderr)
    print(in_words(plausibility_table(recording)), file=sys.stderr)
    write_recording(recording, options.output, provenance(options.parameters, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
