"""A region of interest: only a part of the scan goes through the network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError
from ..spec import ModelSpec
from ..volume import Geometry, Volume
from .grid import network_grid


@dataclass(frozen=True)
class Region:
    """A box parallel to the patient's axes, in RAS millimetres.

    Attributes:
        low: smallest R, A, S.
        high: largest R, A, S.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(np.isfinite([*self.low, *self.high])):
            raise MedDLError(Code.REGION_OUTSIDE, f"The region {self.low} to {self.high} is not made of numbers.")
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise MedDLError(Code.REGION_OUTSIDE, f"The region {self.low} to {self.high} is empty.")

    def grown(self, margin: float) -> Region:
        """The box with ``margin`` mm more on each side."""
        low, high = np.array(self.low) - margin, np.array(self.high) + margin
        return Region((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def cut_out(volumes: Sequence[Volume], region: Region) -> tuple[Volume, ...]:
    """Cuts each volume to the smallest index box that holds the region (clipped to the volume).

    Of a volume that the region does not meet, the voxels nearest to it: a scan may be cut to its foreground before, and
    the region of a scan lie beside that. Nothing is found there then. See ``check_meets`` for the scan itself.
    """
    return tuple(_cut_out(volume, region) for volume in volumes)


def check_meets(scan: Geometry, region: Region) -> None:
    """Makes sure that some voxel of the scan touches the region.

    Raises:
        MedDLError: REGION_OUTSIDE.
    """
    lowest, highest = bounds(scan)
    first, last = _indices(scan, region)
    if (region.low > highest).any() or (region.high < lowest).any() or (first >= last).any():
        raise MedDLError(
            Code.REGION_OUTSIDE,
            f"The region of interest does not meet the scan, which reaches from {np.round(lowest, 1).tolist()} to "
            f"{np.round(highest, 1).tolist()} mm (R, A, S).",
        )


def inside(geometry: Geometry, region: Region) -> NDArray[np.bool_]:
    """``(K, J, I)`` bool: voxels whose centre lies in the region. Broadcasts one axis at a time to save memory."""
    size = geometry.shape[::-1]
    matrix = geometry.ijk_to_ras
    result = np.ones(geometry.shape, dtype=np.bool_)
    for world in range(3):
        k, j, i = (
            (matrix[world, axis] * np.arange(size[axis], dtype=np.float64)).reshape(
                [-1 if n == axis else 1 for n in (2, 1, 0)]
            )
            for axis in (2, 1, 0)
        )
        at = (k + matrix[world, 3]) + j + i
        result &= (at >= region.low[world]) & (at <= region.high[world])
    return result


def _cut_out(volume: Volume, region: Region) -> Volume:
    return cut_box(volume, *_indices(volume.geometry, region))


def cut_box(volume: Volume, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Volume:
    """The voxels from ``start`` to before ``stop`` (K, J, I), as far as there are any; at least one. A view."""
    geometry = volume.geometry
    first = [min(max(n, 0), size - 1) for n, size in zip(start.tolist(), geometry.shape, strict=True)]
    last = [max(min(n, size), low + 1) for n, size, low in zip(stop.tolist(), geometry.shape, first, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return replace(
        volume,
        array=volume.array[..., box[0], box[1], box[2]],
        geometry=geometry.cropped(first, last),
        acquired=None,
    )


def bounds(geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(3,)`` smallest and largest R, A, S of the outer corners, mm."""
    corners = geometry.corners()
    return corners.min(axis=0), corners.max(axis=0)


def _indices(geometry: Geometry, region: Region) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last index K, J, I of the box that holds the region, clipped to the grid."""
    lowest, highest = bounds(geometry)
    # Within the scan's own box first: an index of 1e300 is no whole number any more.
    low, high = np.clip(region.low, lowest, highest), np.clip(region.high, lowest, highest)
    indices = geometry.ras_to_index(list(itertools.product(*zip(low, high, strict=True))))[:, ::-1]
    first = np.maximum(np.floor(indices.min(axis=0) + 0.5).astype(np.int64), 0)
    last = np.minimum(np.floor(indices.max(axis=0) + 0.5).astype(np.int64) + 1, geometry.shape)
    return first, last


def seen_for(region: Region | None, volume: Volume, spec: ModelSpec) -> Region | None:
    """What the network sees for a region of interest: half a patch more on each side.

    A network that takes the whole scan at once is always given the whole scan.
    """
    if region is None or spec.inference.patch is None:
        return None
    spacing = network_grid(volume.geometry, spec.grid).spacing[::-1].tolist()
    return region.grown(max(n * mm for n, mm in zip(spec.inference.patch, spacing, strict=True)) / 2)


def part_within(volume: Volume, region: Region | None) -> Geometry:
    """The grid of the region's voxels; None: of the whole scan."""
    return volume.geometry if region is None else cut_out((volume,), region)[0].geometry
