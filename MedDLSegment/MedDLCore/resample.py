"""The one place where an array changes its grid: before the network, after it, and for irregular series."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .alignment import Axis, aligned
from .taps import Taps, taps
from .volume import Geometry

Interpolation = Literal["nearest", "linear", "cubic"]

WHOLE_INDEX = 1e-4
"""An index this near a whole number, in voxels, over the whole extent, counts as whole: no interpolation then."""

WITHIN_FACE = 0.5 - 1e-3
"""Up to this part of a voxel beyond the outer centres an interpolator surely repeats the edge by itself."""

_INTERPOLATORS = {"nearest": "sitkNearestNeighbor", "linear": "sitkLinear", "cubic": "sitkBSpline3"}
"""SimpleITK's names."""


def resample(
    array: NDArray[Any], source: Geometry, target: Geometry, interpolation: Interpolation, fill: float | None = 0.0
) -> NDArray[Any]:
    """Brings an array onto another grid.

    Where the target's voxel centres fall on the source's (crops, extensions, permutations, flips), voxels are copied
    and the values are exactly the same; otherwise they are interpolated.

    Args:
        array: ``(K, J, I)`` on ``source``.
        source: its grid; any affine.
        target: the wanted grid; any affine.
        interpolation: ``cubic`` is a cubic B-spline. ``nearest`` keeps the dtype and invents no value.
        fill: value outside the source's outer faces; None repeats the source's edge, for targets that reach little
            beyond it.

    Returns:
        ``target.shape``; the array's dtype for ``nearest`` and for copies, otherwise float32 (float64 for values that
        float32 cannot tell apart: float64 and integers of 32 and 64 bits).
    """
    if fill is None:
        array, source = _with_edge(array, source, target)
        fill = 0.0
    target_to_source = np.linalg.inv(source.ijk_to_ras) @ target.ijk_to_ras
    copied = _copy(array, target_to_source, target.shape, fill)
    if copied is not None:
        return copied
    return _interpolate(array, target_to_source, target.shape, interpolation, fill)


def resample_taps(
    source: Geometry, target: Geometry, interpolation: Literal["linear", "cubic"], fill: float | None = 0.0
) -> tuple[tuple[int, int, int], tuple[Taps, Taps, Taps]] | None:
    """What ``resample`` does along each axis; None where the axes of the grids are not parallel. Arguments as there.

    Returns:
        For K, J, I of the target: the axis of the source that it runs along, and what its values are made of.
    """
    axes = aligned(source, target)
    if axes is None:
        return None
    whole = all(abs(x.start - round(x.start)) + abs(abs(x.step) - 1) * x.size <= WHOLE_INDEX for x in axes)
    a, b, c = (_taps(axis, source.shape[axis.source], whole, interpolation, fill is None) for axis in axes)
    return (axes[0].source, axes[1].source, axes[2].source), (a, b, c)


def _taps(axis: Axis, size: int, whole: bool, interpolation: Literal["linear", "cubic"], on_edge: bool) -> Taps:
    low, high = -float(axis.at.min()), float(axis.at.max()) - (size - 1)
    edge = (_repeated(low), _repeated(high)) if on_edge else (0, 0)
    return taps(size, np.round(axis.at) if whole else axis.at, interpolation, edge)


def _repeated(beyond: float) -> int:
    """Voxels of an edge that are repeated for a target that reaches so far beyond the outer centres."""
    return math.ceil(beyond - WHOLE_INDEX) if beyond > WITHIN_FACE else 0


def reach_beyond(source: Geometry, target: Geometry) -> NDArray[np.float64]:
    """How far the target's centres reach beyond the source's outer centres.

    Returns:
        ``(3, 2)``: voxels of the source, along K, J, I, at the low and the high end. Negative where they stay inside;
        half a voxel is the source's outer face.
    """
    last = np.array(target.shape[::-1]) - 1.0
    corners = np.array(np.meshgrid(*[(0.0, n) for n in last])).reshape(3, -1).T
    indices = source.ras_to_index(target.index_to_ras(corners))[:, ::-1]
    return np.stack([-indices.min(axis=0), indices.max(axis=0) - (np.array(source.shape) - 1)], axis=1)


def _with_edge(array: NDArray[Any], source: Geometry, target: Geometry) -> tuple[NDArray[Any], Geometry]:
    """The array with its edge repeated so far that every centre of the target lies within its outer centres."""
    beyond = reach_beyond(source, target)
    widths = [[_repeated(end) for end in ends] for ends in beyond.tolist()]
    if not np.any(widths):
        return array, source
    padded = np.pad(array, widths, mode="edge")
    start, stop = [-low for low, _ in widths], [n + high for n, (_, high) in zip(source.shape, widths, strict=True)]
    return padded, source.cropped(start, stop)


def _copy(
    array: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, int, int], fill: float
) -> NDArray[Any] | None:
    """Copies voxels where ``matrix`` (target ijk -> source ijk) only permutes, flips and shifts by whole voxels."""
    whole = np.round(matrix)
    extent = np.array([*shape[::-1], 1])
    if (np.abs(matrix - whole) @ extent > WHOLE_INDEX).any():
        return None
    axes = whole[:3, :3].astype(int)
    if not (np.abs(axes).sum(axis=0) == 1).all() or not (np.abs(axes).sum(axis=1) == 1).all():
        return None
    result = np.full(shape, fill, dtype=array.dtype)
    source_axes, into, out_of = [0, 0, 0], [slice(0)] * 3, [slice(0)] * 3
    for n in range(3):  # n: target axis in i, j, k order; numpy's axis is 2 - n
        m = int(np.flatnonzero(axes[:, n])[0])
        step, offset = int(axes[m, n]), int(whole[m, 3])
        size = array.shape[2 - m]
        first, last = sorted(((0 - offset) * step, (size - 1 - offset) * step))
        start, stop = max(first, 0), min(last, shape[2 - n] - 1) + 1
        if start >= stop:
            return result
        a, b = sorted((start * step + offset, (stop - 1) * step + offset))
        source_axes[2 - n], into[2 - n] = 2 - m, slice(start, stop)
        out_of[2 - m] = slice(a, b + 1) if step > 0 else slice(b, a - 1 if a > 0 else None, -1)
    result[tuple(into)] = array[tuple(out_of)].transpose(source_axes)
    return result


def _interpolate(
    array: NDArray[Any],
    matrix: NDArray[np.float64],
    shape: tuple[int, int, int],
    interpolation: Interpolation,
    fill: float,
) -> NDArray[Any]:
    """Interpolates in index space, so that left-handed and sheared grids need no special care."""
    import SimpleITK as sitk  # here: a third of a second, and many runs only copy voxels

    dtype = array.dtype if interpolation == "nearest" else np.result_type(array.dtype, np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=_supported(dtype)))
    transform = sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())
    resampled = sitk.Resample(
        image,
        [int(n) for n in shape[::-1]],
        transform,
        getattr(sitk, _INTERPOLATORS[interpolation]),
        [0.0] * 3,
        [1.0] * 3,
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    values: NDArray[Any] = sitk.GetArrayFromImage(resampled).astype(dtype, copy=False)
    return values


def _supported(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """SimpleITK knows neither bool nor half precision."""
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if dtype == np.float16 else dtype
