"""Where voxels lie.

Axis order is ``(K, J, I)``: slices first, as numpy and SimpleITK arrays are. World coordinates are RAS millimetres
(right, anterior, superior are positive), as in Slicer.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import Code, MedDLError

SINGULAR_DETERMINANT = 1e-6
"""Axes whose unit vectors span less than this volume do not span space."""

SAME_PLACE_MM = 1e-3
"""Two geometries are the same when no corner of the volume moves further than this between them."""

SAME_SPACING_MM = 1e-3
"""A spacing this near to the wanted one is it (the tolerance of MONAI's ``Spacing``)."""

SAME_CORNER = 1e-8
"""Part of a voxel by which a corner may miss being the first along every axis (numpy's ``allclose``, in MONAI)."""

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the voxels of a ``(K, J, I)`` array lie.

    Attributes:
        shape: number of voxels along K, J, I.
        ijk_to_ras: ``(4, 4)`` float64, mm: maps the index ``(i, j, k, 1)`` of a voxel to its centre. Any
            invertible affine: left-handed, oblique and sheared axes are allowed.

    Raises:
        MedDLError: GEOM_SINGULAR where the axes do not span space.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        if len(shape) != 3 or min(shape) < 1:
            raise MedDLError(Code.GEOM_SINGULAR, f"A volume needs three axes of at least one voxel, not {shape}.")
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise MedDLError(Code.GEOM_SINGULAR, "The image's axes are not finite numbers.")
        lengths = np.linalg.norm(matrix[:3, :3], axis=0)
        if (lengths <= 0).any() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < SINGULAR_DETERMINANT:
            raise MedDLError(
                Code.GEOM_SINGULAR,
                f"The image's axes do not span space (spacing {np.round(lengths, 6).tolist()} mm).",
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "ijk_to_ras", matrix)

    @classmethod
    def from_parts(
        cls, shape: Sequence[int], spacing: ArrayLike, direction: ArrayLike | None = None, origin: ArrayLike = (0, 0, 0)
    ) -> Geometry:
        """Builds a geometry from the parts that file formats store.

        Args:
            shape: voxels along K, J, I.
            spacing: ``(3,)`` mm along i, j, k.
            direction: ``(3, 3)`` whose columns are the unit vectors of i, j, k in RAS; identity if None.
            origin: ``(3,)`` RAS mm, centre of voxel (0, 0, 0).
        """
        matrix = np.eye(4)
        axes = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
        matrix[:3, :3] = axes * np.asarray(spacing, dtype=np.float64)
        matrix[:3, 3] = origin
        k, j, i = shape
        return cls((k, j, i), matrix)

    @property
    def spacing(self) -> NDArray[np.float64]:
        """``(3,)`` mm: distance of neighbouring voxels along i, j, k."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return lengths

    @property
    def direction(self) -> NDArray[np.float64]:
        """``(3, 3)``: columns are the unit vectors of i, j, k in RAS."""
        axes: NDArray[np.float64] = self.ijk_to_ras[:3, :3] / self.spacing
        return axes

    @property
    def origin(self) -> NDArray[np.float64]:
        """``(3,)`` RAS mm: centre of voxel (0, 0, 0)."""
        return self.ijk_to_ras[:3, 3]

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, mm^3."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    @property
    def orientation(self) -> str:
        """Three letters: the anatomical directions in which i, j, k run, to the nearest axis, e.g. ``LPS``."""
        world, sign = _nearest_axes(self.direction)
        return "".join(_LETTERS[axis][int(positive)] for axis, positive in zip(world, sign > 0, strict=True))

    @property
    def is_orthogonal(self) -> bool:
        """The axes are perpendicular: no corner moves by more than ``SAME_PLACE_MM`` when they are made so."""
        axes = self.direction
        u, _, vt = np.linalg.svd(axes)
        straight = (u @ vt) * self.spacing
        moved = (straight - self.ijk_to_ras[:3, :3]) @ (np.array(self.shape[::-1], dtype=np.float64) * _CUBE).T
        return bool(np.linalg.norm(moved, axis=0).max() <= SAME_PLACE_MM)

    def index_to_ras(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """``(..., 3)`` indices i, j, k (may be fractional) -> ``(..., 3)`` RAS mm."""
        points: NDArray[np.float64] = np.asarray(ijk, dtype=np.float64) @ self.ijk_to_ras[:3, :3].T + self.origin
        return points

    def ras_to_index(self, ras: ArrayLike) -> NDArray[np.float64]:
        """``(..., 3)`` RAS mm -> ``(..., 3)`` fractional indices i, j, k."""
        offsets = np.asarray(ras, dtype=np.float64) - self.origin
        indices: NDArray[np.float64] = offsets @ np.linalg.inv(self.ijk_to_ras[:3, :3]).T
        return indices

    def corners(self) -> NDArray[np.float64]:
        """``(8, 3)`` RAS mm: the outer corners of the volume (voxel edges, not centres)."""
        return self.index_to_ras(np.array(self.shape[::-1]) * _CUBE - 0.5)

    def corner_distance(self, other: Geometry) -> float:
        """How far, in mm, the farthest outer corner lies from the same corner of ``other``."""
        return float(np.linalg.norm(self.corners() - other.corners(), axis=1).max())

    def same_as(self, other: Geometry, tolerance: float = SAME_PLACE_MM) -> bool:
        """Equal shape, and no corner further than ``tolerance`` mm away."""
        return self.shape == other.shape and self.corner_distance(other) <= tolerance

    def reoriented(self, orientation: str) -> Geometry:
        """The same voxels, indexed so that i, j, k run as the three letters say (e.g. ``RAS``).

        Axes are permuted and flipped to the nearest match, never interpolated.
        """
        wanted_world, wanted_sign = parse_orientation(orientation)
        world, sign = _nearest_axes(self.direction)
        size = np.array(self.shape[::-1])
        matrix = np.eye(4)
        matrix[:3, 3] = self.origin
        new_size = [0, 0, 0]
        for new_axis in range(3):
            old_axis = int(np.flatnonzero(world == wanted_world[new_axis])[0])
            column = self.ijk_to_ras[:3, old_axis]
            new_size[new_axis] = int(size[old_axis])
            if sign[old_axis] == wanted_sign[new_axis]:
                matrix[:3, new_axis] = column
            else:
                matrix[:3, new_axis] = -column
                matrix[:3, 3] += column * (size[old_axis] - 1)
        return Geometry((new_size[2], new_size[1], new_size[0]), matrix)

    def permuted(self, axes: Sequence[int]) -> Geometry:
        """The same voxels with K, J, I (0, 1, 2) in another order: the grid of ``array.transpose(axes)``."""
        matrix = self.ijk_to_ras.copy()
        matrix[:, :3] = self.ijk_to_ras[:, [2 - axes[2 - column] for column in range(3)]]
        k, j, i = (self.shape[axis] for axis in axes)
        return Geometry((k, j, i), matrix)

    def with_spacing(self, spacing: ArrayLike) -> Geometry:
        """A grid with this orientation and exactly ``spacing`` (``(3,)`` mm along i, j, k), centred on this volume.

        The number of voxels is the rounded extent, so that the outer faces agree within half a new voxel.
        """
        target = np.asarray(spacing, dtype=np.float64)
        size = np.array(self.shape[::-1], dtype=np.float64)
        new_size = np.maximum(1, np.round(size * self.spacing / target)).astype(int)
        return self._centred(new_size, target)

    def with_spacing_from_first_voxel(self, spacing: ArrayLike) -> Geometry:
        """A grid with this orientation and ``spacing`` (``(3,)`` mm along i, j, k) that keeps the first voxel's centre.

        As MONAI's ``Spacing`` does it (``compute_shape_offset``): along an axis there are ``round((n - 1) * old / new +
        1)`` voxels, halves rounded to even, so that the last centre falls within half a new voxel of the old one. Along
        an axis whose spacing is within ``SAME_SPACING_MM`` of the wanted one nothing changes. The new axes are
        perpendicular, k first. Where the old ones are not, to within ``SAME_CORNER`` voxels (the rounding of a tilted
        NIfTI header suffices), it is not the first voxel but the middle that stays.
        """
        wanted = np.asarray(spacing, dtype=np.float64)
        target = np.where(np.abs(wanted - self.spacing) <= SAME_SPACING_MM, self.spacing, wanted)
        old, new = self.ijk_to_ras[:, [2, 1, 0, 3]], np.eye(4)  # MONAI's axis 0 is k
        new[:3, :3] = _perpendicular(old[:3, :3]) * target[::-1]
        last = np.array(self.shape) - 1
        corners = np.concatenate([_CUBE * last, np.ones((8, 1))], axis=1).T
        indices = (np.linalg.solve(new, old) @ corners)[:3]
        size = np.round(np.ptp(indices, axis=1) + 1).astype(int)
        lowest = (indices.min(axis=1, keepdims=True) >= indices - SAME_CORNER).all(axis=0)
        if lowest.any():
            new[:3, 3] = (old @ corners)[:3, int(np.argmax(lowest))]
        else:
            new[:3, 3] = old[:3, :3] @ ((last + 1) / 2) + old[:3, 3] - new[:3, :3] @ (size / 2)
        return Geometry((int(size[0]), int(size[1]), int(size[2])), new[:, [2, 1, 0, 3]])

    def with_shape(self, shape: Sequence[int]) -> Geometry:
        """A grid of ``shape`` (K, J, I) with this spacing and orientation, with the same centre (crops or extends)."""
        return self._centred(np.array(tuple(shape)[::-1]), self.spacing)

    def _centred(self, size: NDArray[Any], spacing: NDArray[np.float64]) -> Geometry:
        centre = self.index_to_ras((np.array(self.shape[::-1]) - 1) / 2)
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * spacing
        matrix[:3, 3] = centre - matrix[:3, :3] @ ((size - 1) / 2)
        return Geometry((int(size[2]), int(size[1]), int(size[0])), matrix)

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Geometry:
        """The grid of ``array[start[0]:stop[0], ...]``; ``start`` and ``stop`` are K, J, I and may lie outside."""
        first, last = np.asarray(start), np.asarray(stop)
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.index_to_ras(first[::-1])
        k, j, i = (int(n) for n in last - first)
        return Geometry((k, j, i), matrix)


def _perpendicular(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(3, 3)``: unit columns, the first along the first axis, the others perpendicular to those before (MONAI's)."""
    upper = np.linalg.cholesky(axes.T @ axes).T
    perpendicular: NDArray[np.float64] = axes @ np.linalg.inv(upper)
    return perpendicular


_CUBE = np.array(list(itertools.product((0.0, 1.0), repeat=3)))


def parse_orientation(letters: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Three letters -> the world axis (0 R-L, 1 A-P, 2 S-I) and the sign (+1 towards R, A, S) of each.

    Raises:
        MedDLError: MODEL_INVALID where the letters do not name three different axes.
    """
    world, sign = [], []
    for letter in letters.upper():
        for axis, (negative, positive) in enumerate(_LETTERS):
            if letter in (negative, positive):
                world.append(axis)
                sign.append(1.0 if letter == positive else -1.0)
    if len(letters) != 3 or sorted(world) != [0, 1, 2]:
        raise MedDLError(Code.MODEL_INVALID, f"{letters!r} is not an orientation such as RAS or LPS.")
    return np.array(world), np.array(sign)


def _nearest_axes(direction: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The assignment of i, j, k to world axes with the largest summed alignment, and its signs."""
    best = max(itertools.permutations(range(3)), key=lambda axes: sum(abs(direction[a, n]) for n, a in enumerate(axes)))
    return np.array(best), np.array([1.0 if direction[axis, n] >= 0 else -1.0 for n, axis in enumerate(best)])
