"""The section `event_fidelity` of a scale: noise levels, and how they are deconvolved."""

from typing import Annotated, ClassVar

from pydantic import Field

from calcium_latents.configuration.sections import Deconvolution, Names, Structure
from calcium_latents.parameter_section import FieldsOf, Text
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


class Dataset(Structure):
    """A simulated recording."""

    parameters: Annotated[dict[str, object], FieldsOf(LorenzRecordingParameters)]
    """Over those of `common`."""


class Parameters(Structure):
    """How well deconvolved events follow spikes."""

    SECTION: ClassVar[str] = "event_fidelity"

    common: LorenzRecordingParameters
    """Of all recordings."""
    datasets: Annotated[dict[Text, Dataset], Field(min_length=1)]
    """Simulated recordings, quietest first."""
    run: Names
    """Datasets that are run."""
    deconvolution: Deconvolution
    """Of all recordings."""
