"""Settings of the protocols that cluster neurons."""

from typing import Annotated, ClassVar

from pydantic import Field

from calcium_latents.parameter_section import Count, Counts, Numeric, ParameterSection, Positive


class Settings(ParameterSection):
    """Settings of the protocols."""

    SECTION: ClassVar[str] = "clustering"

    min_samples: Count = 50
    """Of the published DBSCAN (50 in the authors' script)."""
    relative_min_samples: Count = 5
    """Of DBSCAN with relative eps."""
    training_min_samples: Counts = (5, 10, 20)
    """Candidates where min_samples is chosen on training neurons."""
    pca_eps_factor: Positive = 1.0
    """Factor on the published eps of principal components. Their scores grow with the square root of the number of
    samples (15 000 as published); 1 leaves the grid as published."""
    most_components: Count = 8
    """Of a mixture whose number of components BIC chooses."""
    smallest_cluster: Annotated[float, Numeric(), Field(gt=0, le=0.5)] = 0.05
    """Of HDBSCAN, as a part of the neurons (at least 5 neurons)."""
    permutations: Annotated[int, Numeric(whole=True), Field(ge=20)] = 200
    """Of labels, for the null."""
