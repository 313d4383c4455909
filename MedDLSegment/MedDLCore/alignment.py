"""Two grids whose axes are parallel: along each axis, where the voxel centres of one lie among those of the other.

Between such grids an array is interpolated one axis at a time, and a slice of one needs few slices of the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .volume import Geometry

PARALLEL = 1e-3
"""Axes are parallel when an index moves by less than this, in voxels, along the others, over the whole extent."""


class Axis(NamedTuple):
    """One axis of the target.

    Attributes:
        source: the axis of the source's array that it runs along.
        start: index of the source, along that axis, at which the target's first centre lies.
        step: by how much the index grows from one centre to the next; negative where the axes run against each other.
        size: centres of the target.
    """

    source: int
    start: float
    step: float
    size: int

    @property
    def at(self) -> NDArray[np.float64]:
        """``(size,)``: the source's indices at the target's centres."""
        return self.start + self.step * np.arange(self.size, dtype=np.float64)


def aligned(source: Geometry, target: Geometry) -> tuple[Axis, Axis, Axis] | None:
    """Lays the axes of two grids beside each other.

    Returns:
        For K, J, I of the target its axis of the source, each a different one; None where axes are not parallel.
    """
    matrix = np.linalg.solve(source.ijk_to_ras, target.ijk_to_ras)
    along = np.abs(matrix[:3, :3]).argmax(axis=0).tolist()  # for i, j, k of the target
    rest = matrix[:3, :3].copy()
    rest[along, range(3)] = 0
    if sorted(along) != [0, 1, 2] or (np.abs(rest) @ target.shape[::-1] > PARALLEL).any():
        return None
    k, j, i = (
        Axis(2 - m, float(matrix[m, 3]), float(matrix[m, n]), target.shape[2 - n])
        for n, m in ((2, along[2]), (1, along[1]), (0, along[0]))
    )
    return k, j, i
