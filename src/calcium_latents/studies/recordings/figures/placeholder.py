"""A figure of which a recording has nothing to show: what to add."""

from pathlib import Path

from calcium_latents.figures import style


def draw_line(text: str, output_stem: Path) -> list[Path]:
    """Write a figure that is `text` alone."""
    fig = style.figure(0.8)
    fig.text(0.5, 0.5, text, ha="center", va="center", fontsize=7.5)
    return style.save(fig, output_stem)
