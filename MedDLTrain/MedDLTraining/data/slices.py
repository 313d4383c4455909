"""What was drawn on the slices that a scanner acquired, on the straight grid that MedDL makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MedDLCore.resample import resample
from MedDLCore.volume import AcquiredSlices, Geometry

SAME_SLICE_MM = 0.05
"""Corners of a frame and of the slice that it was drawn on may lie so far apart: headers round to few decimals."""


def slices_met(planes: Sequence[Geometry], acquired: AcquiredSlices) -> list[int] | None:
    """The acquired slice on which each plane lies; None where one lies on none.

    Args:
        planes: of shape ``(1, rows, columns)``.
        acquired: of the scan.
    """
    slices = [acquired.geometry(n) for n in range(len(acquired))]
    middles = np.array([one.corners().mean(axis=0) for one in slices])
    met = []
    for plane in planes:
        nearest = int(np.argmin(np.linalg.norm(middles - plane.corners().mean(axis=0), axis=1)))
        if not plane.same_as(slices[nearest], SAME_SLICE_MM):
            return None
        met.append(nearest)
    return met


def onto_grid(stack: NDArray[np.bool_], acquired: AcquiredSlices, grid: Geometry) -> NDArray[np.bool_]:
    """Brings a mask from the slices onto the scan's grid: each slice of the grid takes the nearest acquired one.

    Args:
        stack: ``(N, rows, columns)`` on the acquired slices.
        acquired: parallel to the grid's slices; tilted stacks are shifted within them.
        grid: of the scan, straight.

    Returns:
        ``grid.shape``. Voxel by voxel the stack, for an even and straight series.
    """
    slices = [acquired.geometry(n) for n in range(len(acquired))]
    depths = np.array([grid.ras_to_index(one.corners().mean(axis=0))[2] for one in slices])
    result = np.zeros(grid.shape, np.bool_)
    for k in range(grid.shape[0]):
        n = int(np.argmin(np.abs(depths - k)))
        if not stack[n].any():
            continue
        plane, target = slices[n], _slice(grid, k, depths[n] - k)
        same = plane.same_as(target, SAME_SLICE_MM)
        result[k] = stack[n] if same else resample(stack[n : n + 1], plane, target, "nearest")[0] > 0
    return result


def _slice(grid: Geometry, k: int, moved: float) -> Geometry:
    """The ``k``th slice of a grid, moved by so many slices across it, and a millimetre thick."""
    matrix = grid.cropped((k, 0, 0), (k + 1, *grid.shape[1:])).ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2] * moved
    matrix[:3, 2] = np.cross(matrix[:3, 0], matrix[:3, 1])
    matrix[:3, 2] /= np.linalg.norm(matrix[:3, 2])
    return Geometry((1, *grid.shape[1:]), matrix)
