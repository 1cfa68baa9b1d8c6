"""Say in a sentence how a recording's model does against simple baselines."""

from calcium_latents.commands.cli import command, run_command


@command(comparison="held-out comparison with every baseline (.csv)", output="the sentence (.txt)")
def main(options) -> None:
    """Write the sentence."""
    from calcium_latents.files import atomic_path, read_table
    from calcium_latents.studies.recordings.verdict import verdict

    columns = ["likelihood", "model", "reference", "bits_per_event", "lower_bits", "upper_bits"]
    found = verdict(read_table(options.comparison, columns))
    with atomic_path(options.output) as temporary:
        temporary.write_text(found.sentence() + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
