"""Write docs/configuration.md: every field of the configuration, with type, range, default and meaning."""

from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(output={"default": "docs/configuration.md", "help": "the page (.md)"})
def main(options) -> None:
    """Write the page."""
    from calcium_latents.configuration.documentation import configuration_page
    from calcium_latents.files import atomic_path

    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(options.output)) as temporary:
        temporary.write_text(configuration_page(), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
