"""Say in a sentence how a recording's model does against simple baselines."""

from calcium_latents.commands.cli import command, run_command


@command(
    comparison="held-out comparison with every baseline (.csv)",
    inferred={"default": [], "nargs": "*", "help": "models' results (.nc)"},
    output="the sentence, and what models warn of, a line each (.txt)",
)
def main(options) -> None:
    """Write the sentence, and the warnings of models that were trained."""
    from calcium_latents.files import atomic_path, read_table
    from calcium_latents.recordings import read_inferred
    from calcium_latents.recordings.inferred import training_warnings
    from calcium_latents.studies.recordings.verdict import verdict

    columns = ["likelihood", "model", "reference", "bits_per_event", "lower_bits", "upper_bits"]
    found = verdict(read_table(options.comparison, columns))
    lines = [found.sentence()]
    for path in options.inferred:
        inferred = read_inferred(path, [])
        lines += [f"Warning: {found.called(inferred.attrs['model'])}: {text}." for text in training_warnings(inferred)]
    with atomic_path(options.output) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
