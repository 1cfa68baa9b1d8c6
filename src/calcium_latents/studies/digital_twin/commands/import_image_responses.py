"""Read a user's recording of responses to images, whatever its format, as ImageResponses.

The fields of the entry that `--parameters` holds are described in `recordings.readers.images.image_responses`.
"""

import sys

from calcium_latents.commands.cli import command, run_command


@command(
    parameters="the entry of the recording",
    label="name of the data set in print",
    folder={"default": ".", "help": "what the entry's paths are relative to"},
    seed={"type": int, "default": 0, "help": "of the choice of validation and test images"},
    output="responses (.nc)",
)
def main(options) -> None:
    """Write the ImageResponses."""
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.image_responses import write_image_responses
    from calcium_latents.recordings.readers.images.image_responses import on_negatives, read_image_entry

    responses = read_image_entry(options.parameters, options.folder, options.label, options.seed)
    print(f"{options.label}: {on_negatives(responses)}", file=sys.stderr)
    described = {"entry": options.parameters, "label": options.label}
    write_image_responses(responses, options.output, provenance(described, [__spec__.name], options.seed))


if __name__ == "__main__":
    run_command(main)
