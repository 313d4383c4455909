"""The box of the foreground: what of the grid the network need not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Cut = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Voxels at the low and the high end of axes 0, 1, 2."""

NOTHING_CUT: Cut = ((0, 0), (0, 0), (0, 0))


def around(inside: NDArray[np.bool_], margin: int) -> Cut:
    """What lies outside the smallest box that holds every voxel inside, with a margin.

    Args:
        inside: ``(axis 0, axis 1, axis 2)``.
        margin: voxels added to the box on each side, as far as the array goes.
    """
    if not inside.any():
        return NOTHING_CUT
    a, b, c = (_ends(inside, axis, margin) for axis in range(3))
    return a, b, c


def _ends(inside: NDArray[np.bool_], axis: int, margin: int) -> tuple[int, int]:
    used = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
    return max(0, int(used[0]) - margin), max(0, inside.shape[axis] - 1 - int(used[-1]) - margin)
