"""What a value between voxels is made of, along one axis: an interpolation as weights of the axis's own voxels.

Where two grids have parallel axes, an interpolation in space is one along each axis, one after the other. Weights are
found here once for each axis, so that everything that moves values between such grids multiplies with the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

WHOLE = 1e-6
"""Places this near to whole indices, in voxels, are those of voxels."""

FACE = 1e-9
"""Voxels by which rounding may move a place on an outer face. The face at the low end counts as inside, as in ITK."""

POLE = 3**0.5 - 2
"""Of the filter whose output are the coefficients of a cubic B-spline (Unser, Aldroubi and Eden 1993)."""

REACH = 18
"""Voxels on either side of which a cubic B-spline is made: what lies farther has a weight below ``NOTHING``."""

NOTHING = 1e-9
"""A smaller weight counts as 0. Products with weights that fade away are slow: they end in numbers that processors
handle one at a time."""


@dataclass(frozen=True, eq=False)
class Taps:
    """What the values at ``n`` places along an axis are made of.

    Attributes:
        index: ``(n, T)`` int64: voxels of the axis. A voxel may appear more than once in a row.
        weight: ``(n, T)`` float64: how much each counts; the sum of a row is 1.
        inside: ``(n,)`` bool: the place lies within the outer faces of the axis.
    """

    index: NDArray[np.int64]
    weight: NDArray[np.float64]
    inside: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.index)

    def flipped(self, size: int) -> Taps:
        """The same of an axis of ``size`` voxels that runs the other way."""
        return replace(self, index=size - 1 - self.index)

    def part(self, places: slice) -> Taps:
        """Of some of the places."""
        return Taps(self.index[places], self.weight[places], self.inside[places])

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """First and one past the last voxel that the places ``start`` to ``stop`` are made of."""
        used = self.index[start:stop]
        return int(used.min()), int(used.max()) + 1

    def matrix(self, start: int, stop: int) -> NDArray[np.float64]:
        """``(stop - start, voxels of the span)``: the values at these places are its product with the span's."""
        first, last = self.span(start, stop)
        matrix = np.zeros((stop - start, last - first))
        np.add.at(matrix, (np.arange(stop - start)[:, None], self.index[start:stop] - first), self.weight[start:stop])
        matrix[np.abs(matrix) < NOTHING] = 0
        return matrix


def picked(index: NDArray[Any], size: int) -> Taps:
    """Takes single voxels of an axis; places before the first of its ``size`` voxels or after the last are outside."""
    within = np.clip(index, 0, size - 1).astype(np.int64)
    return Taps(within[:, None], np.ones((len(index), 1)), within == index)


def taps(
    size: int, at: NDArray[np.float64], interpolation: Literal["linear", "cubic"], edge: tuple[int, int] = (0, 0)
) -> Taps:
    """Interpolates along an axis as ITK does.

    ``linear`` repeats the outer voxels up to the outer faces; ``cubic`` is the cubic B-spline through the voxels'
    values, which are mirrored at the centres of the outer voxels.

    Args:
        size: voxels of the axis.
        at: ``(n,)``: places, as indices of the axis.
        interpolation: between voxels.
        edge: voxels by which the axis is first continued, at its low and its high end, with its outer voxels.
    """
    low, high = edge
    whole = np.round(at)
    if np.abs(at - whole).max() <= WHOLE:
        inside = (whole >= -low) & (whole < size + high)
        return replace(picked(whole, size), inside=inside)
    longer = low + size + high
    place = at + low
    inside = (place >= -0.5 - FACE) & (place < longer - 0.5 - FACE)
    index, weight = (_linear if interpolation == "linear" else _cubic)(np.clip(place, -0.5, longer - 0.5), longer)
    return Taps(np.clip(index - low, 0, size - 1), weight, inside)


def _linear(at: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    within = np.clip(at, 0, size - 1)
    first = np.floor(within).astype(np.int64)
    part = within - first
    return np.stack([first, np.minimum(first + 1, size - 1)], axis=1), np.stack([1 - part, part], axis=1)


def _cubic(at: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The spline's four basis functions at a place, each times the filter that finds its coefficient."""
    first = np.floor(at).astype(np.int64)
    t = at - first
    basis = ((1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3)  # each times 6
    offsets = np.arange(-REACH, REACH + 1)
    weight = np.zeros((len(at), len(offsets)))
    for n, part in enumerate(basis, start=-1):
        weight += np.outer(part, -POLE / (1 - POLE**2) * POLE ** np.abs(offsets - n))
    period = max(1, 2 * (size - 1))
    around = np.mod(first[:, None] + offsets, period)
    return np.minimum(around, period - around) if size > 1 else np.zeros_like(around), weight
