"""Where to look first in a map of uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..spec import FloatTriple
from ..volume import Geometry

EXTENT = 10.0
"""mm. What is unsure over so much is worth a click; a single voxel, on the border of anything, is not."""


def least_sure(uncertainty: NDArray[np.float32], geometry: Geometry) -> FloatTriple | None:
    """The most unsure voxel of the most unsure block of ``EXTENT``.

    Args:
        uncertainty: ``(K, J, I)``, not negative.
        geometry: of the same shape.

    Returns:
        Its centre, RAS mm; None where nothing is unsure.
    """
    size = np.maximum(1, np.round(EXTENT / geometry.spacing[::-1])).astype(int)
    sums = uncertainty
    for axis, step in enumerate(size):
        sums = np.add.reduceat(sums, np.arange(0, sums.shape[axis], step), axis=axis)
    if not sums.any():
        return None
    corner = np.array(np.unravel_index(int(sums.argmax()), sums.shape)) * size
    block = uncertainty[tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))]
    k, j, i = corner + np.unravel_index(int(block.argmax()), block.shape)
    right, anterior, superior = geometry.index_to_ras((i, j, k)).tolist()
    return right, anterior, superior
