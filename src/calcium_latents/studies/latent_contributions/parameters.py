"""The section `latent_contributions` of a scale: benchmark of neurons' roles, applications to other studies."""

from typing import ClassVar, Literal

from calcium_latents.configuration.sections import Name, Structure
from calcium_latents.parameter_section import LEFT_OUT, Text
from calcium_latents.studies.latent_contributions.contribution_parameters import ContributionParameters
from calcium_latents.studies.latent_contributions.roles_benchmark_parameters import RolesBenchmarkParameters


class Application(Structure):
    """What another study leaves behind, traced back to neurons."""

    study: Literal["radical", "cross_encoder", "recordings"]
    """The other study."""
    dataset: Text
    """A dataset of it, or: each recording (of config/recordings.yaml)."""
    recording: Literal["events.nc", "deconvolved.nc"]
    """File of the dataset."""
    model: Text = LEFT_OUT
    """A model of that study; left out: principal components of the recording."""
    method: Literal["pca", "regression", "integrated_gradients"]
    """From activity to latents."""
    parameters: ContributionParameters = ContributionParameters()
    """Of the method."""


class Parameters(Structure):
    """Which neurons drive a latent, and when."""

    SECTION: ClassVar[str] = "latent_contributions"

    roles_benchmark: RolesBenchmarkParameters
    """Of neurons' roles."""
    applications: dict[Name, Application]
    """By name."""
