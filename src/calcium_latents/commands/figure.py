"""Draw one figure."""

from calcium_latents.commands.cli import command, run_command


@command(
    name="STUDY_MODULE, of a study's folder figures",
    input={"action": "append", "default": [], "metavar": "NAME=PATH", "help": "may come again, also for one name"},
    output_stem="path without .png, .svg",
)
def main(options) -> None:
    """Write STEM.png and STEM.svg."""
    from calcium_latents.figures import draw_figure, parse_inputs

    draw_figure(options.name, parse_inputs(options.input), options.output_stem)


if __name__ == "__main__":
    run_command(main)
