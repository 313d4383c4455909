"""Boxes of voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..spec import Triple
from ..volume import Geometry

Box = tuple[slice, slice, slice]
"""Voxels along K, J, I, or along network axes 0, 1, 2."""


def whole(shape: Triple) -> Box:
    """All of a grid."""
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def box_of(part: Geometry, grid: Geometry) -> Box:
    """Where a part of a grid's voxels lies in it."""
    k, j, i = np.rint(grid.ras_to_index(part.origin)).astype(int)[::-1].tolist()
    return moved(whole(part.shape), (k, j, i))


def joined(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes, of which there is at least one."""
    a, b, c = (slice(min(p.start for p in parts), max(p.stop for p in parts)) for parts in zip(*boxes, strict=True))
    return a, b, c


def moved(box: Box, by: Sequence[int]) -> Box:
    """A box so many voxels further on."""
    a, b, c = (slice(part.start + n, part.stop + n) for part, n in zip(box, by, strict=True))
    return a, b, c


def start_of(box: Box) -> Triple:
    """Its first voxel."""
    return box[0].start, box[1].start, box[2].start


def holds(box: Box, voxel: Sequence[int]) -> bool:
    """Whether a voxel lies in it."""
    return all(part.start <= n < part.stop for n, part in zip(voxel, box, strict=True))


def around(voxel: Sequence[int]) -> Box:
    """The box of one voxel."""
    return slice(voxel[0], voxel[0] + 1), slice(voxel[1], voxel[1] + 1), slice(voxel[2], voxel[2] + 1)


def grown(box: Box) -> Box:
    """A box with one voxel more at each side; it may reach beyond the grid."""
    a, b, c = (slice(part.start - 1, part.stop + 1) for part in box)
    return a, b, c


def shared(box: Box, other: Box) -> Box:
    """What two boxes share, in voxels of the first one; empty where that is nothing."""
    a, b, c = (
        slice(max(p.start, q.start) - p.start, max(min(p.stop, q.stop), p.start) - p.start)
        for p, q in zip(box, other, strict=True)
    )
    return a, b, c


def covered(box: Box, others: Sequence[Box]) -> NDArray[np.bool_]:
    """Which voxels of a box lie in others."""
    found = np.zeros([part.stop - part.start for part in box], dtype=np.bool_)
    for other in others:
        found[shared(box, other)] = True
    return found


def all_layers(box: Box) -> tuple[slice, slice, slice, slice]:
    """The box of an array ``(L, ...)``."""
    return slice(None), box[0], box[1], box[2]
