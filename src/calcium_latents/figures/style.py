"""How all figures look: sizes for print, one colour-blind-safe colour per method, files with stable bytes."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from calcium_latents.files import atomic_path  # noqa: E402
from calcium_latents.planning.studies import labels  # noqa: E402

WIDTH_IN = 7.2  # two journal columns, 183 mm
DPI = 200
REMARK_IN = 0.15  # what a remark adds to a figure's height
_remark: ContextVar[str] = ContextVar("remark", default="")
POSITION_DIGITS = 6  # of the axes, as parts of the figure

# Okabe & Ito's palette (jfly.uni-koeln.de/color): told apart by people with any common colour blindness.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F"

TRUE_COLOUR = BLACK
COLOURS = {
    **{"black": BLACK, "orange": ORANGE, "sky": SKY, "green": GREEN, "yellow": YELLOW, "blue": BLUE},
    **{"vermillion": VERMILLION, "purple": PURPLE, "grey": GREY},
}
#: method -> (label, colour, marker), in the order of legends, as the studies say. Colour and marker both differ.
METHODS = {name: (label, COLOURS[colour], marker) for name, (label, colour, marker) in labels().items()}
#: colour and marker of the first, second ... group of neurons
GROUPS = (
    *((SKY, "o"), (ORANGE, "^"), (GREEN, "s"), (PURPLE, "D")),
    *((BLACK, "v"), (BLUE, "P"), (VERMILLION, "X"), (YELLOW, "*")),
)
_SPARE = (SKY, YELLOW, GREY, BLACK)
_SPARE_MARKERS = ("v", "X", "<", ">")

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "savefig.dpi": DPI,
    "figure.dpi": 100,
    "svg.hashsalt": "calcium-latents",
    "image.interpolation": "nearest",
}


def figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure in the house style, laid out so that nothing overlaps."""
    with plt.rc_context(RC):
        return plt.figure(figsize=(width_in, height_in), layout="constrained")


def styled(function):
    """Decorate a `draw` function.

    Everything in it runs under the house style, and its figure is closed at the end.
    """

    def wrapper(*args, **kwargs):
        with plt.rc_context(RC):
            try:
                return function(*args, **kwargs)
            finally:
                plt.close("all")

    wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
    return wrapper


@contextmanager
def remark(text: str) -> Generator[None]:
    """Have a line above all that is in figures that are saved in the block; an empty text is none."""
    token = _remark.set(text)
    try:
        yield
    finally:
        _remark.reset(token)


def save(fig: Figure, output_stem: str | Path) -> list[Path]:
    """Write `<output_stem>.png` and `.svg` atomically and without dates: equal figures are equal bytes."""
    if _remark.get():
        fig.set_figheight(fig.get_figheight() + REMARK_IN)
        title = fig.get_suptitle()
        size = fig._suptitle.get_fontsize() if title else 6.5  # pyrefly: ignore[missing-attribute]  # matplotlib's own
        fig.suptitle("\n".join(filter(None, [_remark.get(), title])), fontsize=size)
    _settle(fig)
    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None, "Creator": None})):
        path = Path(output_stem).with_name(Path(output_stem).name + suffix)
        with plt.rc_context(RC), atomic_path(path) as temporary:
            fig.savefig(temporary, metadata=metadata)
        written.append(path)
    return written


def _settle(fig: Figure) -> None:
    """Lay out `fig` once, round all positions, and keep them.

    The solver behind constrained layout ends up to about 1e-13 pixels apart from run to run, and names in an SVG file
    are hashes of such numbers.
    """
    with plt.rc_context(RC):
        for _ in range(2):  # labels move with the axes, so a layout settles with the second pass
            fig.draw_without_rendering()
    fig.set_layout_engine(None)  # "none" would keep one that does nothing, for which each file is drawn twice
    parts = list(fig.subfigs)
    for part in parts:  # which grows
        parts += part.subfigs
        for corner in ("p0", "p1"):
            setattr(part.bbox_relative, corner, np.round(getattr(part.bbox_relative, corner), POSITION_DIGITS))
    for axes in fig.axes:
        left, bottom, width, height = np.round(axes.get_position(original=True).bounds, POSITION_DIGITS)
        axes.set_position((left, bottom, width, height))


def label(method: str) -> str:
    """Return the name of a method as it is printed."""
    return METHODS.get(method, (method, "", ""))[0]


def appearance(method: str, methods: Iterable[str] = ()) -> dict[str, str]:
    """Return colour and marker of a method.

    Methods the palette does not know take the spare ones in order.
    """
    if method in METHODS:
        _, colour, marker = METHODS[method]
        return {"color": colour, "marker": marker}
    unknown = sorted(set(methods) - set(METHODS) | {method})
    index = unknown.index(method)
    return {"color": _SPARE[index % len(_SPARE)], "marker": _SPARE_MARKERS[index % len(_SPARE_MARKERS)]}


def in_order(methods: Iterable[str]) -> list[str]:
    """Sort methods as in legends: known ones first, in the order of `METHODS`."""
    known = list(METHODS)
    return sorted(set(methods), key=lambda name: (known.index(name) if name in known else len(known), name))


def panel_letter(axes: Axes, letter: str, x: float = -0.02, y: float = 1.02) -> None:
    """Put a bold panel letter at the upper left of an axes, outside of it."""
    axes.text(x, y, letter, transform=axes.transAxes, fontsize=10, fontweight="bold", ha="right", va="bottom")


def note(axes: Axes, text: str, x: float = 0.0, y: float = 0.0, **options) -> None:
    """Write a small remark (n, meaning of error bars) in axes coordinates."""
    look: dict[str, Any] = {"fontsize": 6, "color": "0.3", "va": "bottom"} | options
    axes.text(x, y, text, transform=axes.transAxes, **look)


def few_ticks(integer: bool = False) -> MaxNLocator:
    """Return a locator of at most three ticks, for small axes."""
    return MaxNLocator(nbins=2, integer=integer)


def sequence(count: int) -> list:
    """Return `count` colours in a perceptually even order, for ordered things such as speeds."""
    return [
        matplotlib.colormaps["viridis"](x)
        for x in ([0.3] if count == 1 else [0.88 * i / (count - 1) for i in range(count)])
    ]
