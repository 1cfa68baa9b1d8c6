"""Write docs/configuration.md: every field of the configuration, with type, range, default and meaning."""

import argparse
from pathlib import Path

from calcium_latents.commands.cli import run_command


def main(arguments: list[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="docs/configuration.md", help="the page (.md)")
    options = parser.parse_args(arguments)

    from calcium_latents.configuration.documentation import configuration_page
    from calcium_latents.files import atomic_path

    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(options.output)) as temporary:
        temporary.write_text(configuration_page(), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
