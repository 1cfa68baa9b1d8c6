"""Layouts that come out the same to the last bit.

The solver behind constrained layout ends up to about 1e-13 pixels apart from run to run, and names in an SVG file are
hashes of such numbers.
"""

import numpy as np
from matplotlib.figure import Figure

DIGITS = 6  # of a position as a part of the figure


def settle(fig: Figure) -> None:
    """Lay out `fig` (without subfigures) once, round all positions, and keep them. Call it before saving."""
    for _ in range(2):  # labels move with the axes, so a layout settles with the second pass
        fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for axes in fig.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, DIGITS))
