"""The background under CaImAn's components: their fluorescence C + YrA is free of it, and dF/F needs it as baseline."""

import numpy as np
import scipy.sparse

from calcium_latents.recordings.on_disk import Columns


def background_under(
    footprints: scipy.sparse.csc_matrix, spatial: scipy.sparse.csc_matrix | np.ndarray, temporal: np.ndarray
) -> Columns | None:
    """Return the background under each component [frame, component] in the units of C; None where one has no footprint.

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
    share = overlap / weight[:, None]

    def under(numbers: np.ndarray) -> np.ndarray:
        # A product of one row rounds otherwise than the same row among others.
        some = np.resize(numbers, 2) if numbers.size == 1 < len(share) else numbers
        return (share[some] @ temporal)[: numbers.size].T

    return Columns((temporal.shape[1], len(share)), np.result_type(share, temporal), under)
