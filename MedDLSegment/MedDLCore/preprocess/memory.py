"""How much memory ``prepare`` needs, without running it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..spec import FromMinimum, IntensityStep, ModelSpec, Percentiles, ZScore
from ..volume import Volume
from .grid import network_grid
from .prepare import laid_over, split_channels
from .region import Region

FLOAT32, FLOAT64 = 4, 8
"""Bytes of a voxel."""

BODY = 12
"""Bytes per voxel of the scan that finding the body takes: masks, their components as ITK has them, and a copy."""


def preparing_memory(volumes: Sequence[Volume], spec: ModelSpec, region: Region | None = None) -> int:
    """Bytes that ``prepare`` holds at its peak beyond the volumes, its result included. Arguments as there."""
    whole = split_channels(volumes, spec)
    first = laid_over(volumes, spec, region)
    grid = math.prod(network_grid(first, spec.grid).shape)
    largest = max(
        _of_channel(scan, math.prod((first if n == 0 else scan.geometry).shape), grid, spec, n, region is not None)
        for n, scan in enumerate(whole)
    )
    voxels = whole[0].array.size
    aligned = ((len(whole) - 1) * FLOAT32 + 2) * voxels if spec.grid.crop != "none" else 0
    toned = sum(scan.array.size for scan in whole) * FLOAT32 if spec.steps_on_scan else 0
    body = BODY * voxels if spec.grid.crop == "nonzero" else 0
    previous = (2 * voxels + 3 * grid) * FLOAT32 if spec.previous else 0
    return spec.input_channels * grid * FLOAT32 + aligned + toned + previous + max(largest, body)


def _of_channel(scan: Volume, part: int, grid: int, spec: ModelSpec, channel: int, is_cut: bool) -> int:
    """The largest of what lives at one time: while moving, while taking statistics, while mapping values."""
    steps = spec.intensity_of(channel)
    size = np.result_type(scan.array.dtype, np.float32).itemsize
    moving = _moving(part, grid, size, spec.grid.interpolation, is_cut or size != scan.array.dtype.itemsize)
    mapping = min(len(steps), 2) * FLOAT32 * grid
    if not any(isinstance(step, (Percentiles, ZScore, FromMinimum)) for step in steps):
        return max(moving, size * grid + mapping)
    if spec.statistics == "scan":
        return max(moving, size * grid + max(mapping, _measuring(scan.array.size, scan.array.dtype.itemsize, steps)))
    if not is_cut:
        return max(moving, size * grid + max(mapping, _measuring(grid, size, steps)))
    whole = math.prod(network_grid(scan.geometry, spec.grid).shape)  # the whole scan is moved too, to be measured there
    measuring = size * whole + max(mapping, _measuring(whole, size, steps))
    return size * grid + max(measuring, _moving(scan.array.size, whole, size, spec.grid.interpolation, True))


def _measuring(voxels: int, size: int, steps: Sequence[IntensityStep]) -> int:
    """Of ``fit_intensity``: a copy that is sorted for percentiles, and what earlier steps have made of the values."""
    sorted_copy = max(size, FLOAT32) * voxels if any(isinstance(step, Percentiles) for step in steps) else 0
    return sorted_copy + min(len(steps) - 1, 2) * FLOAT32 * voxels


def _moving(voxels: int, grid: int, size: int, interpolation: str, copied: bool) -> int:
    """Of ``resample``: ITK's image, its spline coefficients, the result as an image and as an array."""
    image = size * voxels * (2 if copied else 1)
    coefficients = FLOAT64 * voxels if interpolation == "cubic" else 0
    return max(image + coefficients, size * voxels + coefficients + size * grid, size * voxels + 2 * size * grid)
