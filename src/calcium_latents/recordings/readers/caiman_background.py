"""The background under CaImAn's components: their fluorescence C + YrA is free of it, and dF/F needs it as baseline."""

import numpy as np
import scipy.sparse


def background_under(
    footprints: scipy.sparse.csc_matrix, spatial: scipy.sparse.csc_matrix | np.ndarray, temporal: np.ndarray
) -> np.ndarray | None:
    """Return the background under each component [component, frame] in the units of C; None where one has no footprint.

    In these units a movie's frame y seen through a footprint a is a'y / a'a, and the background's is a'b f / a'a.

    Args:
        footprints: [pixel, component].
        spatial: [pixel, background].
        temporal: [background, frame].
    """
    weight = np.asarray(footprints.multiply(footprints).sum(axis=0)).ravel()
    if not (weight > 0).all():
        return None
    overlap = footprints.T @ spatial
    overlap = overlap.toarray() if scipy.sparse.issparse(overlap) else np.asarray(overlap)
    return overlap / weight[:, None] @ temporal
