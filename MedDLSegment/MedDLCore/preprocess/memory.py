"""How much memory ``prepare`` needs, without running it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ..cut import NOTHING_CUT, Cut, inner
from ..spec import Grid, ModelSpec, ZScore
from ..volume import Geometry, Volume
from .grid import network_grid
from .moving import change_for
from .prepare import laid_over, split_channels
from .region import Region
from .route import Route, works_in

FLOAT32, FLOAT64 = 4, 8
"""Bytes of a voxel."""

BODY = 12
"""Bytes per voxel of the scan that finding the body takes: masks, their components as ITK has them, and a copy."""

HEAP = 20_000_000
"""Bytes that the allocator keeps of the pieces that products were made of (measured; glibc)."""

COUNTS = 2_000_000
"""Bytes that counting the voxels of a scan by their values takes, whatever its size."""


def preparing_memory(
    volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None, cut: Cut = NOTHING_CUT
) -> int:
    """Bytes that ``prepare`` holds at its peak beyond the volumes, its result included. Arguments as there."""
    whole = split_channels(volumes, spec)
    first = laid_over(volumes, spec, region)
    grid = _left(first, spec.grid, cut)
    voxels = whole[0].array.size
    of_body = any(isinstance(step, ZScore) and step.body for n in range(len(whole)) for step in spec.intensity_of(n))
    finding = BODY * voxels if spec.grid.crop == "nonzero" and (of_body or spec.previous) else 0
    on_first = (len(whole) - 1) * FLOAT32 * voxels if spec.grid.crop != "none" else 0
    is_cut = spec.foreground is not None and spec.foreground.grid == "scan"
    toned = sum(channel.array.size for channel in whole) * (FLOAT32 if spec.steps_on_scan else 1) if is_cut else 0
    previous = (2 * voxels + 3 * grid) * FLOAT32 if spec.previous else 0
    moving = max(
        n * grid * FLOAT32 + _of_channel(n, channel, first, spec, cut, region is not None)
        for n, channel in enumerate(whole)
    )
    held = on_first + of_body * voxels + toned + previous
    return max(on_first + finding, held + max(COUNTS, moving, spec.input_channels * grid * FLOAT32))


def _of_channel(n: int, channel: Volume, first: Geometry, spec: ModelSpec, cut: Cut, is_part: bool) -> int:
    """While a channel is moved and while statistics are taken on the network's grid; its own result included."""
    array, geometry = channel.array, channel.geometry
    part = array[tuple(slice(size) for size in first.shape)] if n == 0 else array
    moving = _moving(part, first if n == 0 else geometry, first, spec.grid, cut)
    if spec.statistics == "scan" or not spec.intensity_of(n)[spec.steps_on_scan :]:
        return moving
    size, scan = works_in(array).itemsize, first if not is_part else geometry
    if size == FLOAT32 and not is_part and cut == NOTHING_CUT:
        return moving
    measured = size * _left(scan, spec.grid)
    return max(measured + FLOAT32 * _left(first, spec.grid, cut), measured + _moving(array, geometry, scan, spec.grid))


def _left(first: Geometry, grid: Grid, cut: Cut = NOTHING_CUT) -> int:
    """Voxels of the network's grid without what is cut off."""
    shape = network_grid(first, grid).shape
    return math.prod(part.stop - part.start for part in inner(cut, shape))


def _moving(array: NDArray[Any], geometry: Geometry, first: Geometry, grid: Grid, cut: Cut = NOTHING_CUT) -> int:
    """Of ``moved``, and of what it is written into: the latter takes memory only as it is filled."""
    size, voxels = works_in(array).itemsize, array.size
    result = FLOAT32 * _left(first, grid, cut)
    apart = grid.rule == "extent" and not geometry.same_as(first)
    change = None if apart else change_for(geometry, first, grid, 0.0, cut)
    if change is not None:
        return result + HEAP + Route.of(array, change).most_numbers * size
    made = math.prod(first.shape) if apart else result // FLOAT32  # by ITK: as an image, then as an array
    coefficients = FLOAT64 * voxels if grid.interpolation == "cubic" else 0
    return max(2 * size * voxels + coefficients, size * (voxels + 2 * made), size * made + result)
