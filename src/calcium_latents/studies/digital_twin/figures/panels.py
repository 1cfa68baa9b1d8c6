"""What the figures of this study share: how clusters look, and images in grey."""

import numpy as np
from matplotlib.axes import Axes

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


def show_grey(axis: Axes, image: np.ndarray, frame: bool = False) -> float:
    """Draw an image [y, x] in grey, zero in the middle; return its largest absolute value, the end of the scale."""
    largest = max(float(np.abs(image).max()), 1e-12)
    axis.imshow(image, cmap="gray", vmin=-largest, vmax=largest)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(frame)
    return largest
