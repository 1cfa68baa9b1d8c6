"""What the figures of this study share: tables by panel, legends with notes, and how clusters look."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.claims.paper import PaperValue, read_paper
from calcium_latents.figures.inputs import Inputs

#: Colours and strokes of clusters: no type, animal or method has them, whose marks are filled (Tol's muted colours,
#: personal.sron.nl/~pault, without those too light for strokes). 7 x 8 differ.
CLUSTER_COLOURS = ("#332288", "#CC6677", "#44AA99", "#882255", "#999933", "#AA4499", "#117733")
CLUSTER_MARKERS = ("x", "1", "+", "2", "_", "3", "|", "4")


def cluster_look(cluster: int) -> dict[str, str]:
    """Return colour and marker of a cluster (0 the largest): 56 pairs."""
    return {
        "color": CLUSTER_COLOURS[cluster % len(CLUSTER_COLOURS)],
        "marker": CLUSTER_MARKERS[cluster % len(CLUSTER_MARKERS)],
    }


def tidy(panels: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of a figure's panels as one, with the letters in its first column, `panel`."""
    return pd.concat(panels, names=["panel"]).reset_index("panel").reset_index(drop=True)


def paper_values(inputs: Inputs) -> Mapping[str, PaperValue]:
    """Return what the paper states, of the input `paper`."""
    return read_paper("digital_twin", inputs["paper"][0].parent)


def mark(label: str, color: str, marker: str = "", **look) -> Line2D:
    """Return what stands for a marker (or with `ls` a line) in a legend."""
    return Line2D([], [], label=label, **{"color": color, "marker": marker, "ls": "" if marker else "-"} | look)


def legend_below(fig, handles: Sequence, note: str, ncols: int, width: int = 150) -> None:
    """Put a legend below all panels, and above it what a reader must know, in lines of `width` characters."""
    look = {"loc": "outside lower center", "ncols": ncols, "title_fontsize": 6}
    fig.legend(handles=handles, title=fill(note, width), **look).get_title().set_multialignment("center")


def show_grey(axis: Axes, image: np.ndarray, frame: bool = False) -> float:
    """Draw an image [y, x] in grey, zero in the middle; return its largest absolute value, the end of the scale."""
    largest = max(float(np.abs(image).max()), 1e-12)
    axis.imshow(image, cmap="gray", vmin=-largest, vmax=largest)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(frame)
    return largest
