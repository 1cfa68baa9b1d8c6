"""Draw one figure."""

import argparse

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write STEM.png and STEM.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="a module of calcium_latents.figures")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=PATH", help="may come again, also for one name"
    )
    parser.add_argument("--output-stem", required=True, help="path without .png, .svg")
    options = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("agg")
    from calcium_latents.figures import draw_figure, parse_inputs

    draw_figure(options.name, parse_inputs(options.input), options.output_stem)


if __name__ == "__main__":
    run_command(main)
