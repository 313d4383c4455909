"""The patch around a click: where it lies, which part of its result counts, and that part on the scan's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cut import Cut
from ..spec import Triple
from ..volume import Geometry
from .box import Box

MARGIN = 0.125
"""Of a patch, at each of its faces: there the network sees little of what is around, and nothing is changed."""


@dataclass(frozen=True)
class Window:
    """A patch within the network's grid.

    Attributes:
        box: what the network sees.
        inner: what of it counts: without a margin, but for faces at which the grid ends.
        shape: of the grid.
    """

    box: Box
    inner: Box
    shape: Triple

    @property
    def cut(self) -> Cut:
        """What of the grid lies outside."""
        a, b, c = ((part.start, n - part.stop) for part, n in zip(self.box, self.shape, strict=True))
        return a, b, c

    @property
    def inner_of_box(self) -> Box:
        """What counts, as a part of the patch."""
        a, b, c = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(self.inner, self.box, strict=True))
        return a, b, c


def window_around(voxel: Sequence[int], shape: Triple, patch: Triple) -> Window:
    """The patch with a voxel in its middle, moved back into the grid where it would leave it."""
    box, inner = [], []
    for at, n, p in zip(voxel, shape, patch, strict=True):
        start = min(max(at - p // 2, 0), max(n - p, 0))
        stop = min(start + p, n)
        margin = min(int(MARGIN * p), (p - 1) // 2)
        box.append(slice(start, stop))
        inner.append(slice(start + margin * (start > 0), stop - margin * (stop < n)))
    return Window((box[0], box[1], box[2]), (inner[0], inner[1], inner[2]), shape)


def on_scan(inner: Box, network: Geometry, scan: Geometry) -> tuple[Box, NDArray[np.bool_]]:
    """Where a part of the network's grid lies on the scan's.

    Args:
        inner: of the network's grid.
        network: the network's grid.
        scan: the scan's grid.

    Returns:
        The box of the scan around it, and which voxels of that box have their centres in it, ``(k, j, i)``.
    """
    onto = box_around(inner, network, scan)
    if min(part.stop - part.start for part in onto) == 0:
        return onto, np.zeros([part.stop - part.start for part in onto], np.bool_)
    part = scan.cropped([one.start for one in onto], [one.stop for one in onto])
    return onto, centred_in(inner, network, part)


def box_around(inner: Box, network: Geometry, scan: Geometry) -> Box:
    """The box of the scan around a part of the network's grid; empty where the scan does not reach there.

    A grid along the patient's axes around an oblique scan has corners that lie outside it.
    """
    corners = np.stack(np.meshgrid(*_faces(inner), indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]
    found = scan.ras_to_index(network.index_to_ras(corners))[:, ::-1]
    low = [max(int(np.floor(v)), 0) for v in found.min(axis=0)]
    high = [min(int(np.ceil(v)) + 1, n) for v, n in zip(found.max(axis=0), scan.shape, strict=True)]
    a, b, c = (slice(m, max(m, n)) for m, n in zip(low, high, strict=True))
    return a, b, c


def centred_in(box: Box, network: Geometry, part: Geometry) -> NDArray[np.bool_]:
    """``(k, j, i)``: which voxels of a part of the scan have their centres in a box of the network's grid."""
    to_network = np.linalg.inv(network.ijk_to_ras) @ part.ijk_to_ras
    within = np.ones(part.shape, dtype=bool)
    k, j, i = np.ogrid[tuple(slice(n) for n in part.shape)]
    for axis, (first, last) in enumerate(_faces(box)):
        x, y, z, offset = to_network[2 - axis]
        at = x * i + y * j + z * k + offset
        within &= (at >= first) & (at < last)
    return within


def _faces(box: Box) -> list[tuple[float, float]]:
    return [(part.start - 0.5, part.stop - 0.5) for part in box]
