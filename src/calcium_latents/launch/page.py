"""The page that a run shows from its first figure on: results/SCALE/index.html. The report comes at the end."""

import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import docutils.core

from calcium_latents.files import atomic_path

NAME = "index.html"
RELOAD_S = 15
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd }
figure { margin: 1.5rem 0 } img { max-width: 100%; border: 1px solid #eee }
figcaption { font-size: .9rem; color: #444 }
.state { color: #555 } .waiting { color: #777; columns: 2; font-size: .9rem }
"""


class Drawn(NamedTuple):
    """A figure of the run."""

    study: str
    name: str
    picture: Path
    caption: Path  # reStructuredText
    done: bool
    expected_s: float | None  # until it is there


def write_page(results: Path, title: str, state: str, figures: Iterable[Drawn], running: bool) -> Path:
    """Write results/SCALE/index.html: the figures that are there, under their captions' first lines, and those to come.

    Args:
        results: folder of the scale.
        title: of the page.
        state: a line on how far the run is.
        figures: all of the run.
        running: whether the page shall load itself again.

    Returns:
        The page's path.
    """
    by_study: dict[str, list[Drawn]] = {}
    for figure in figures:
        by_study.setdefault(figure.study, []).append(figure)
    parts = [_study(results, study, drawn) for study, drawn in by_study.items()]
    links = [
        f'<a href="{name}">{text}</a>'
        for name, text in {"claims.html": "claims beside our numbers", "report.html": "the whole report"}.items()
        if (results / name).is_file()
    ]
    reload = f'<meta http-equiv="refresh" content="{RELOAD_S}">' if running else ""
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{reload}<title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>"
        f'<p class="state">{" · ".join([html.escape(state), *links])}</p>\n{"".join(parts)}</body></html>\n'
    )
    results.mkdir(parents=True, exist_ok=True)
    with atomic_path(results / NAME) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return results / NAME


def _study(results: Path, study: str, figures: Sequence[Drawn]) -> str:
    shown = [_figure(results, figure) for figure in figures if figure.done]
    waiting = [f"<li>{html.escape(figure.name)}{_when(figure)}</li>" for figure in figures if not figure.done]
    to_come = f'<ul class="waiting">{"".join(waiting)}</ul>' if waiting else ""
    return f"<h2>{html.escape(study)}</h2>\n{''.join(shown)}{to_come}\n"


def _when(figure: Drawn) -> str:
    return "" if figure.expected_s is None else f" in about {duration(figure.expected_s)}"


def _figure(results: Path, figure: Drawn) -> str:
    place = html.escape(Path(os.path.relpath(figure.picture, results)).as_posix())
    # a picture that is drawn again has another address, so that browsers do not show the old one
    stamp = figure.picture.stat().st_mtime_ns if figure.picture.is_file() else 0
    return (
        f'<figure id="{html.escape(figure.name)}"><a href="{place}"><img src="{place}?{stamp}" loading="lazy"'
        f' alt="{html.escape(figure.name)}"></a><figcaption>{_caption(figure.caption)}</figcaption></figure>\n'
    )


def _caption(path: Path) -> str:
    """Return a caption as HTML, without the parts that only Snakemake's report fills in."""
    text = path.read_text(encoding="utf-8").partition("{{")[0].partition("{%")[0]
    settings = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False, "raw_enabled": False}
    return docutils.core.publish_parts(text, writer="html5", settings_overrides=settings)["body"]


def duration(seconds: float) -> str:
    """Return a duration in words: "40 s", "6 min", "2 h 10 min"."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
