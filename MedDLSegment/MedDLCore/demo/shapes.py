"""Signed distances, in mm: negative inside. Each takes points ``(3, K, J, I)`` float32 and returns ``(K, J, I)``.

Exact for tubes, first-order for ellipsoids and cylinders (Quilez, "Ellipsoid SDF": ``k0 (k0 - 1) / k1``): right at the
surface, which is what partial volume needs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Points = NDArray[np.float32]

SMALLEST = 1e-3
"""Keeps the quotient of a distance defined at a centre."""


def rotation(degrees: ArrayLike) -> NDArray[np.float64]:
    """``(3, 3)``: turns about the first, then the second, then the third axis."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        p, q = (axis + 1) % 3, (axis + 2) % 3
        turn[[p, p, q, q], [p, q, p, q]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        matrix = turn @ matrix
    return matrix


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and radii in mm, turned by ``degrees`` about its axes."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def varied(self, rng: np.random.Generator) -> Ellipsoid:
        """Another individual's: shifted, grown and turned a little."""
        shift = rng.normal(0, 3.0, 3)
        growth = rng.uniform(0.86, 1.12) * rng.uniform(0.94, 1.06, 3)
        turn = rng.normal(0, 6.0, 3)
        return Ellipsoid(_triple(self.centre + shift), _triple(self.radii * growth), _triple(self.degrees + turn))

    def __call__(self, points: Points) -> Field:
        """Distance to the surface."""
        matrix = rotation(self.degrees)
        centre = np.asarray(self.centre)
        near = np.zeros(points.shape[1:], dtype=np.float32)
        slope = np.zeros(points.shape[1:], dtype=np.float32)
        for axis, radius in zip(matrix.T, self.radii, strict=True):
            at = np.tensordot(axis.astype(np.float32), points, axes=1) - np.float32(axis @ centre)
            at *= np.float32(1 / radius)
            np.square(at, out=at)
            near += at
            slope += at * np.float32(1 / radius**2)
        np.sqrt(near, out=near)
        np.sqrt(slope, out=slope)
        distance: Field = near * (near - 1) / np.maximum(slope, np.float32(SMALLEST / max(self.radii)))
        return distance


def _triple(values: ArrayLike) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in np.asarray(values))
    return a, b, c


def tube(points: Points, line: ArrayLike, radius: float) -> Field:
    """Distance to a tube around a broken line of points, ``(N, 3)``."""
    nearest: Field | None = None
    for start, stop in itertools.pairwise(np.asarray(line, dtype=np.float64)):
        a, along = start.astype(np.float32), (stop - start).astype(np.float32)
        offset = points - a[:, None, None, None]
        part = np.clip(np.tensordot(along, offset, axes=1) / np.float32(along @ along), 0, 1)
        offset -= along[:, None, None, None] * part
        squared = np.square(offset).sum(axis=0)
        nearest = squared if nearest is None else np.minimum(nearest, squared)
    if nearest is None:
        raise ValueError("a tube needs two points")
    distance: Field = np.sqrt(nearest) - np.float32(radius)
    return distance


def column(points: Points, half: tuple[float, float], power: float, centre: tuple[float, float] = (0.0, 0.0)) -> Field:
    """Distance to a column along the third axis whose section is a superellipse ``|x/a|^p + |y/b|^p = 1``."""
    a, b = half
    x, y = (np.abs(points[n] - np.float32(centre[n])) / np.float32(half[n]) for n in range(2))
    value = x**power + y**power
    around = value ** np.float32(1 / power)
    slope = np.hypot(x ** (power - 1) / a, y ** (power - 1) / b)
    slope *= np.maximum(value, SMALLEST) ** np.float32(1 / power - 1)
    distance: Field = ((around - 1) / np.maximum(slope, SMALLEST)).astype(np.float32)
    return distance


def joined(first: Field, second: Field, width: float) -> Field:
    """Union with a fillet of ``width`` mm (polynomial smooth minimum)."""
    near = np.maximum(width - np.abs(first - second), 0)
    union: Field = np.minimum(first, second) - near * near * np.float32(0.25 / width)
    return union
