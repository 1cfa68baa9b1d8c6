"""The section `spike_ground_truth` of a scale: deconvolved events beside real spikes."""

from typing import ClassVar

from calcium_latents.configuration.sections import Deconvolution, Structure


class Parameters(Structure):
    """Deconvolved events beside real spikes."""

    SECTION: ClassVar[str] = "spike_ground_truth"

    deconvolution: Deconvolution
    """Of recordings with simultaneous electrophysiology."""
