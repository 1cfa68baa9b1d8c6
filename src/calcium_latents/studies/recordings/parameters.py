"""The section `recordings` of a scale: how the user's recordings are analysed."""

from typing import Annotated, ClassVar

from pydantic import Field

from calcium_latents.configuration.sections import BinWidth, Deconvolution, Models, Structure, Windows
from calcium_latents.parameter_section import Numeric, Positive


class Cut(Structure):
    """How recordings are cut where their entries say nothing."""

    bin_width_s: BinWidth
    """Of the grid of time, s; null, or more than the imaging period: one bin an imaging frame."""
    windows: Windows
    """Where there are no trials."""


class Parameters(Models):
    """A user's recordings through RADICaL, with baselines."""

    SECTION: ClassVar[str] = "recordings"
    TAKES_RECORDINGS: ClassVar[bool] = True

    deconvolution: Deconvolution
    """Of all recordings."""
    held_out_fraction: Annotated[float, Numeric(), Field(ge=0, lt=1)]
    """Of each neuron's samples, hidden from all methods and then scored; 0: use and score none."""
    held_out_run_s: Positive
    """Samples are hidden in runs of this length, s, because deconvolution makes neighbours alike."""
    cut: Cut
    """Into windows or trials."""
