"""What was found in boxes around points, as one label map of the scan.

Each box was segmented on its own. Where boxes share voxels, a connected part of a structure counts if at least half of
it lies nearer to its own point than to that of another box which sees it as well: a box sees best what is around its
point, and only pieces of what is around the next one. Whole parts are kept or left, so that no structure is cut between
two points. Where parts of two exclusive structures meet after that, the box decides whose point is nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, Notice
from ..spec import FloatTriple
from ..volume import Geometry, Label, LabelMap
from .clean_up import components
from .decide import only
from .layers import Layers

Part = tuple[slice, slice, slice]


def join(
    found: Sequence[LabelMap],
    points: Sequence[FloatTriple],
    scan: Geometry,
    labels: Sequence[Label],
    overlapping: bool,
) -> tuple[LabelMap, tuple[Notice, ...]]:
    """Lays the results of boxes onto the scan's grid. Outside the boxes everything is background.

    Warns of a box in which nothing was found (EMPTY_RESULT), and of structures that reach a face of their box within
    the scan, where no other box goes on: they may be cut off there (GRID_CUTS).

    Args:
        found: of each box, on its part of the scan's grid.
        points: the middle of each box, RAS mm.
        scan: the scan's grid.
        labels: structures to keep, and to warn of; exclusive ones compete with all that the boxes have.
        overlapping: structures may overlap; else they are exclusive, in one layer.
    """
    places = [_place(box.geometry, scan) for box in found]
    nearest = [_nearest(n, places, points, scan) for n in range(len(found))]
    own = [_own(box, near) for box, near in zip(found, nearest, strict=True)]
    notices: list[Notice] = []
    for n, (box, point) in enumerate(zip(own, points, strict=True)):
        if not only(found[n], labels).array.any():
            notices.append(Notice(Code.EMPTY_RESULT, f"None of the structures was found around {point}."))
        if cut := _cut(only(box, labels), n, places, scan):
            message = f"{', '.join(cut)}, found around {point}, may be cut off at the border of the box."
            notices.append(Notice(Code.GRID_CUTS, message))
    if overlapping:
        layers = Layers(scan.shape, labels)
        for box, place in zip(own, places, strict=True):
            for label in box.labels:
                layers.add(label.value, box.mask(label), itemgetter(place))
        arrays, layer_of = layers.arrays()
        placed = tuple(replace(label, layer=layer_of.get(label.value, 0)) for label in labels)
        return LabelMap(arrays[0] if len(arrays) == 1 else np.stack(arrays), scan, placed), tuple(notices)
    array = np.zeros(scan.shape, found[0].array.dtype)
    for box, place in zip(own, places, strict=True):
        np.copyto(array[place], box.array, where=box.array > 0)
    for box, place, near in zip(own, places, nearest, strict=True):  # again: the nearest has the last word
        np.copyto(array[place], box.array, where=(box.array > 0) & near)
    return only(LabelMap(array, scan, found[0].labels), labels), tuple(notices)


def _place(box: Geometry, scan: Geometry) -> Part:
    """Where a part of the scan's grid lies in it."""
    k, j, i = np.rint(scan.ras_to_index(box.origin)).astype(int)[::-1].tolist()
    return slice(k, k + box.shape[0]), slice(j, j + box.shape[1]), slice(i, i + box.shape[2])


def _shared(box: Part, other: Part) -> Part | None:
    """What another box shares with one, in the indices of this one."""
    ends = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)]
    if any(start >= stop for start, stop in ends):
        return None
    k, j, i = (slice(start - a.start, stop - a.start) for (start, stop), a in zip(ends, box, strict=True))
    return k, j, i


def _nearest(n: int, places: Sequence[Part], points: Sequence[FloatTriple], scan: Geometry) -> NDArray[np.bool_]:
    """The voxels of a box to which no point of another box that holds them is nearer."""
    near = np.ones([part.stop - part.start for part in places[n]], dtype=np.bool_)
    for other, place in enumerate(places):
        shared = None if other == n else _shared(places[n], place)
        if shared is not None:
            start = [part.start + within.start for part, within in zip(places[n], shared, strict=True)]
            stop = [part.start + within.stop for part, within in zip(places[n], shared, strict=True)]
            near[shared] &= _nearer(scan.cropped(start, stop), points[n], points[other])
    return near


def _nearer(grid: Geometry, point: FloatTriple, other: FloatTriple) -> NDArray[np.bool_]:
    """The voxels on this side of the plane half-way between two points."""
    normal = np.subtract(other, point)
    along = normal @ grid.ijk_to_ras[:3, :3]
    k, j, i = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    middle = float(normal @ (np.add(point, other) / 2 - grid.origin))
    side: NDArray[np.bool_] = along[0] * i + along[1] * j + along[2] * k <= middle
    return side


def _own(box: LabelMap, near: NDArray[np.bool_]) -> LabelMap:
    """The box's result without what belongs to the points of others."""
    if near.all():
        return box
    array = box.array.copy()
    result = replace(box, array=array)
    for label in box.labels:
        mask = box.mask(label)
        if (mask & ~near).any():
            parts = components(mask)
            count = np.bincount(parts.ravel())
            lost = 2 * np.bincount(parts[near], minlength=len(count)) < count
            lost[0] = False
            result.layer(label.layer)[lost[parts]] = 0
    return result


def _cut(box: LabelMap, n: int, places: Sequence[Part], scan: Geometry) -> tuple[str, ...]:
    """The names of the structures that may be cut off at a face of the box."""
    alone = np.ones(box.geometry.shape, dtype=np.bool_)
    for other, place in enumerate(places):
        shared = None if other == n else _shared(places[n], place)
        if shared is not None:
            alone[shared] = False
    faces: list[tuple[Any, ...]] = []
    for axis, (part, size) in enumerate(zip(places[n], scan.shape, strict=True)):
        before = (slice(None),) * axis
        faces += [(*before, 0)] if part.start > 0 else []
        faces += [(*before, -1)] if part.stop < size else []
    touching = [label for label in box.labels if any((box.mask(label)[face] & alone[face]).any() for face in faces)]
    return tuple(label.name for label in touching)
