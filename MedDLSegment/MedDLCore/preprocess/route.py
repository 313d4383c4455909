"""A change to a grid with parallel axes, and the way there: which axis when, and how much of the array at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taps import Taps

ROWS = 16
"""Places along an axis that are found in one product: few, so that a matrix holds little beside its band."""

BATCH = 2_000_000
"""Voxels of the array that are read together, unless a single plane has more."""

WINDOW = 16_000_000
"""Voxels that a product along the slowest axis takes or makes, unless a single place needs more."""

TOUCHED = 8
"""Multiplications in the time of which a number is read or written."""

SLOWEST = 3
"""Times as long that a multiplication takes along the slowest axis, where its numbers lie far apart in memory."""

Part = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Change:
    """A change to a grid with parallel axes.

    Attributes:
        source: for axes 0, 1, 2 of the result the axis of the array that it runs along.
        taps: for axes 0, 1, 2 of the result.
        fill: the value where a place lies outside along some axis.
        bounds: the smallest and the largest value that the result may have; each broadcasts to it.
    """

    source: tuple[int, int, int]
    taps: tuple[Taps, Taps, Taps]
    fill: float = 0.0
    bounds: tuple[NDArray[Any], NDArray[Any]] | None = None


class Band(NamedTuple):
    """Places ``start`` to ``stop`` along an axis, which are made of its voxels ``first`` to ``last``."""

    start: int
    stop: int
    first: int
    last: int


class Route(NamedTuple):
    """How an array is brought onto another grid.

    Attributes:
        source: of the change.
        box: the part of the array, in the order of the result's axes, that is left by those which only crop or flip.
        stored: the result's axes, the one that is slowest in memory first. All that follows is in this order.
        shape: of the part.
        taps: None where nothing is left to do.
        before: the axes that are cheapest brought onto the new grid before the slowest one.
        after: those that are after it.
        batch: planes that are read at a time.
        bands: of the slowest axis, in the order in which they are made.
    """

    source: tuple[int, int, int]
    box: Part
    stored: list[int]
    shape: list[int]
    taps: list[Taps | None]
    before: tuple[int, ...]
    after: tuple[int, ...]
    batch: int
    bands: list[Band]

    @classmethod
    def of(cls, array: NDArray[Any], change: Change) -> Route:
        """The one for an array of this shape and layout."""
        box, taps = _box(change)
        view = array.transpose(change.source)[box]
        stored = sorted(range(3), key=lambda axis: -abs(view.strides[axis]))
        shape, taps = [view.shape[axis] for axis in stored], [taps[axis] for axis in stored]
        before, after = _around_slowest(shape, taps)
        batch = max(1, BATCH // (shape[1] * shape[2]))
        return cls(change.source, box, stored, shape, taps, before, after, batch, _slowest(shape, taps, before, batch))

    def seen(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of an array, the slowest axis first; no copy."""
        part: NDArray[Any] = array.transpose(self.source)[self.box].transpose(self.stored)
        return part

    @property
    def most_numbers(self) -> int:
        """Numbers that are held at the peak, the part of the result that was made last included."""
        rows = max(band.stop - band.start for band in self.bands)
        plane, done = (math.prod(_sizes(self.shape, self.taps, axes)[1:]) for axes in (self.before, (1, 2)))
        read = 2 * self.batch * self.shape[1] * self.shape[2]
        return self.reach * plane + max(read, 2 * rows * max(plane, done))

    @property
    def reach(self) -> int:
        """Planes that the widest band is made of."""
        return _reach(self.bands)


def works_in(array: NDArray[Any]) -> np.dtype[Any]:
    """The type that values are interpolated in: float32, or float64 for numbers that float32 cannot tell apart."""
    return np.result_type(array.dtype, np.float32)


def bands(taps: Taps | None, rows: int = ROWS) -> list[Band]:
    """``rows`` places each; none where nothing is left to do along the axis."""
    if taps is None:
        return []
    ends = [(start, min(start + rows, len(taps))) for start in range(0, len(taps), rows)]
    return [Band(start, stop, *taps.span(start, stop)) for start, stop in ends]


def _box(change: Change) -> tuple[Part, list[Taps | None]]:
    """See ``Route``."""
    box, taps = [slice(None)] * 3, list[Taps | None](change.taps)
    for axis, along in enumerate(change.taps):
        steps = set(np.diff(along.index[:, 0]).tolist())
        if along.index.shape[1] == 1 and len(steps) < 2 and 0 not in steps:
            first, last = along.index[[0, -1], 0].tolist()
            step = steps.pop() if steps else 1
            box[axis] = slice(first, last + 1, step) if step > 0 else slice(first, last - 1 if last else None, step)
            taps[axis] = None
    return (box[0], box[1], box[2]), taps


def _sizes(shape: Sequence[int], taps: Sequence[Taps | None], changed: Sequence[int]) -> list[int]:
    """The shape when some axes are on the new grid."""
    return [
        len(along) if axis in changed and along is not None else n
        for axis, (n, along) in enumerate(zip(shape, taps, strict=True))
    ]


def _around_slowest(shape: Sequence[int], taps: Sequence[Taps | None]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes before and after the slowest one, in the cheapest order: mostly, what shrinks most comes first."""
    of_axes = [bands(along) for along in taps]

    def time(order: tuple[int, ...]) -> int:
        sizes, total = list(shape), 0
        for axis in (axis for axis in order if of_axes[axis]):
            old, new = sizes[axis], of_axes[axis][-1].stop
            multiplied = sum((band.stop - band.start) * (band.last - band.first) for band in of_axes[axis])
            taken = math.prod(sizes) // old * (multiplied + TOUCHED * (old + new))
            total += taken if axis else SLOWEST * taken
            sizes[axis] = new
        return total

    order = min(itertools.permutations(range(3)), key=time)
    return order[: order.index(0)], order[order.index(0) + 1 :]


def _slowest(shape: Sequence[int], taps: Sequence[Taps | None], before: Sequence[int], batch: int) -> list[Band]:
    """The bands of the slowest axis, with fewer places each where planes are large."""
    if taps[0] is None:
        ends = [(start, min(start + batch, shape[0])) for start in range(0, shape[0], batch)]
        return [Band(start, stop, start, stop) for start, stop in ends]
    taken, made = (math.prod(_sizes(shape, taps, changed)[1:]) for changed in (before, (1, 2)))
    rows = ROWS
    while rows > 1 and max(_reach(bands(taps[0], rows)) * taken, rows * made) > WINDOW:
        rows //= 2
    return sorted(bands(taps[0], rows), key=lambda band: band.first)


def _reach(of_axis: Sequence[Band]) -> int:
    return max(band.last - band.first for band in of_axis)
