"""The surface of a mask as elements: where they lie, and the area of each.

A cell is the box between eight neighbouring voxel centres. Where some of the eight are inside the mask and some are
not, the cell holds an element of the surface, at its middle. Its area is that of the polygons that cut the cell's
edges half-way between inside and outside (marching cubes, Lorensen & Cline 1987; Nikolov et al. 2021 measure surfaces
so, doi:10.2196/26151).
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int, int]
Edge = frozenset[Corner]

CORNERS: tuple[Corner, ...] = tuple(itertools.product((0, 1), (0, 1), (0, 1)))
"""Of a cell: 0 or 1 along K, J, I. Corner n is bit n of the cell's code."""


def cell_codes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which corners of each cell are inside.

    Args:
        mask: ``(K, J, I)``. Beyond its faces everything is outside.

    Returns:
        ``(K + 1, J + 1, I + 1)``: cell (0, 0, 0) has its middle half a voxel before the first centre along each axis.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([n + 1 for n in mask.shape], np.uint8)
    for bit, corner in enumerate(CORNERS):
        a, b, c = (slice(start, start + n + 1) for start, n in zip(corner, mask.shape, strict=True))
        codes |= padded[a, b, c] << bit
    return codes


def element_areas(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area of the surface in a cell, by its code.

    Args:
        axes: ``(3, 3)`` mm: columns lead from a voxel centre to the next along K, J, I; any that span space.

    Returns:
        ``(256,)`` mm^2; 0 for codes 0 and 255.
    """
    return _areas(tuple(np.asarray(axes, np.float64).ravel().tolist()))


@functools.lru_cache(maxsize=16)
def _areas(axes: tuple[float, ...]) -> NDArray[np.float64]:
    matrix = np.array(axes).reshape(3, 3)
    areas = np.array([sum(_area(polygon @ matrix.T) for polygon in polygons) for polygons in _all_polygons()])
    areas.setflags(write=False)
    return areas


def _area(points: NDArray[np.float64]) -> float:
    """Of the triangles between the polygon's sides and its middle: it need not be flat."""
    spokes = points - points.mean(axis=0)
    return float(np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)), axis=1).sum() / 2)


@functools.cache
def _all_polygons() -> tuple[tuple[NDArray[np.float64], ...], ...]:
    """``(n, 3)`` points along K, J, I, in voxels, of each polygon of each code."""
    return tuple(_polygons({corner for bit, corner in enumerate(CORNERS) if code >> bit & 1}) for code in range(256))


def _polygons(inside: set[Corner]) -> tuple[NDArray[np.float64], ...]:
    """The sides of the polygons lie in the cell's faces: from where a face's border leaves the inside to where it came.

    Each cut edge is left in one of its two faces and entered in the other, so the sides join to closed polygons. In a
    face with two inside corners that face each other, each is cut off alone, seen from both cells alike.
    """
    following: dict[Edge, Edge] = {}
    for face in _faces():
        for n, corner in enumerate(face):
            if corner in inside and face[(n + 1) % 4] not in inside:
                first = next(m for m in range(n, n - 4, -1) if face[m - 1] not in inside)
                following[frozenset((corner, face[(n + 1) % 4]))] = frozenset((face[first - 1], face[first]))
    polygons = []
    while following:
        edge = next(iter(following))
        polygon = []
        while edge in following:
            polygon.append(np.mean(list(edge), axis=0))
            edge = following.pop(edge)
        polygons.append(np.array(polygon))
    return tuple(polygons)


@functools.cache
def _faces() -> tuple[tuple[Corner, ...], ...]:
    """The four corners of each face, counter-clockwise as seen from outside."""
    faces = []
    for axis, side in itertools.product(range(3), (0, 1)):
        corners = []
        for ahead in ((0, 0), (1, 0), (1, 1), (0, 1))[:: 1 if side else -1]:
            corner = [0, 0, 0]
            corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, *ahead
            corners.append((corner[0], corner[1], corner[2]))
        faces.append(tuple(corners))
    return tuple(faces)
