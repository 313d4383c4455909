"""A label map on the planes that the scanner acquired, which DICOM SEG must refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..volume import Geometry


def onto_planes(array: NDArray[Any], geometry: Geometry, planes: Sequence[Geometry]) -> NDArray[Any]:
    """Brings one layer of a label map onto planes, each in its own place.

    Where a plane is one of the grid's own, its voxels are copied exactly; elsewhere (a regularised grid under a
    tilted or gappy series) each pixel takes the value of the voxel in which its centre lies, 0 outside the grid.

    Args:
        array: ``(K, J, I)`` labels on ``geometry``.
        geometry: any affine grid.
        planes: N grids of one shape ``(1, rows, columns)``.

    Returns:
        ``(N, rows, columns)``, dtype of ``array``.
    """
    result = np.zeros((len(planes), *planes[0].shape[1:]), dtype=array.dtype)
    for n, plane in enumerate(planes):
        first, last = _slices_met(plane, geometry)
        if first < last:
            slab = geometry.cropped((first, 0, 0), (last, *geometry.shape[1:]))
            result[n] = resample(array[first:last], slab, _with_depth_of(plane, geometry), "nearest")[0]
    return result


def _slices_met(plane: Geometry, grid: Geometry) -> tuple[int, int]:
    """First and one past the last K of the grid that the plane comes near: all that is needed of the grid."""
    _, rows, columns = plane.shape
    corners = [(i, j, 0) for i in (0, columns - 1) for j in (0, rows - 1)]
    k = grid.ras_to_index(plane.index_to_ras(corners))[:, 2]
    first, last = int(np.floor(k.min())) - 1, int(np.ceil(k.max())) + 2
    return max(first, 0), min(last, grid.shape[0])


def _with_depth_of(plane: Geometry, grid: Geometry) -> Geometry:
    """The same pixels, with the grid's own step across the plane, so that the grid's own planes can be copied.

    A plane is one voxel thick: how it would go on does not change where its pixels lie.
    """
    matrix = plane.ijk_to_ras.copy()
    across = int(np.argmax(np.abs(matrix[:3, 2] @ grid.direction)))
    matrix[:3, 2] = grid.ijk_to_ras[:3, across]
    return Geometry(plane.shape, matrix)
