"""The smallest boxes that hold structures: what is measured of a structure is measured there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box, K, J, I, that holds every voxel of a mask; None where it is empty."""
    ends = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
        if not len(there):
            return None
        ends.append(slice(int(there[0]), int(there[-1]) + 1))
    return ends[0], ends[1], ends[2]


def boxes_of_values(labels: NDArray[Any]) -> dict[int, Box]:
    """The smallest box of each value but 0, in three passes however many values there are.

    Args:
        labels: ``(K, J, I)`` uint8 or uint16.
    """
    ends: dict[int, list[slice]] = {}
    for axis in range(3):
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for n in range(labels.shape[axis]):
            for value in np.flatnonzero(np.bincount(labels.take(n, axis).ravel())).tolist():
                first.setdefault(value, n)
                last[value] = n
        for value in first:
            ends.setdefault(value, []).append(slice(first[value], last[value] + 1))
    return {value: (its[0], its[1], its[2]) for value, its in ends.items() if value}


def joined(boxes: list[Box]) -> Box | None:
    """The smallest box that holds all boxes; None without any."""
    if not boxes:
        return None
    sides = zip(*boxes, strict=True)
    a, b, c = (slice(min(part.start for part in its), max(part.stop for part in its)) for its in sides)
    return a, b, c
