"""How embeddings of traces are scored."""

from typing import ClassVar

from calcium_latents.metrics.clustering_parameters import Settings
from calcium_latents.parameter_section import Count, Flag, Seed


class ScoreParameters(Settings):
    """Clustering of embeddings, and what else is scored."""

    SECTION: ClassVar[str] = "avae.scores"

    clustered: Count | None = None
    """Partitions of each split to cluster at most; null: all."""
    most_neurons: Count = 1500
    """Test neurons to cluster at most."""
    published_samples: Count | None = None
    """Scales the published eps of principal components to traces of another length; null: `pca_eps_factor` holds."""
    map: Flag = True
    """false: no t-SNE, which takes seconds a method; the workflow sets it."""
    seed: Seed = 0
    """Of permutations and draws."""
