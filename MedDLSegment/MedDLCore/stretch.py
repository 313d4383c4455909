"""Another number of voxels between the same outer faces: the change of grid that nnU-Net makes.

The same values as nnU-Net's, which come from scikit-image's ``resize`` (mode ``edge``) and scipy's splines: beyond its
faces an image goes on with its border voxels, and a cubic spline never leaves the range of the values it is made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .taps import Taps, picked, taps

BORDER = 12
"""Voxels by which an image is continued before a spline is laid through it: an error at the end of a cubic spline
shrinks to a quarter with each voxel."""

DIGITS = 6
"""Significant digits of a spacing in a comparison: headers hold it as a 32-bit number or as the length of a vector."""

TIE = 1e-5
"""Two labels of which this much more or less lies at a voxel share it."""

_INTERPOLATORS = {"linear": "sitkLinear", "cubic": "sitkBSpline3"}
"""SimpleITK's names."""


def stretch(
    array: NDArray[Any], shape: Sequence[int], interpolation: Literal["linear", "cubic"], alone: int | None = None
) -> NDArray[np.float32]:
    """Resamples an array to another number of voxels; the outer faces stay.

    Args:
        array: ``(d0, d1, d2)``.
        shape: voxels along the same axes afterwards.
        interpolation: ``cubic`` is a cubic B-spline.
        alone: this axis is resampled on its own, afterwards, with nearest neighbour; the others slice by slice.

    Returns:
        ``shape``-shaped float32; the array's own values where nothing changes.
    """
    values: NDArray[np.float32] = array.astype(np.float32, copy=False)
    if values.shape == tuple(shape):
        return values
    if alone is None:
        return _interpolated(values, shape, interpolation)
    within = [n for axis, n in enumerate(shape) if axis != alone]
    slices = np.moveaxis(values, alone, 0)
    if slices.shape[1:] != tuple(within):
        slices = np.stack([_interpolated(part, within, interpolation) for part in slices])
    result: NDArray[np.float32] = np.moveaxis(slices[_nearest(len(slices), shape[alone])], 0, alone)
    return np.ascontiguousarray(result)


def stretch_taps(
    shape: Sequence[int], new_shape: Sequence[int], interpolation: Literal["linear", "cubic"], alone: int | None = None
) -> tuple[Taps, Taps, Taps]:
    """What ``stretch`` does along each axis, but that its values are kept within the range of those they come from.

    Args:
        shape: voxels along the three axes.
        new_shape: the same afterwards.
        interpolation: as for ``stretch``.
        alone: as for ``stretch``.
    """
    border = BORDER if interpolation == "cubic" else 0
    a, b, c = (
        picked(_nearest(old, new), old)
        if axis == alone
        else taps(old, old / new * (np.arange(new, dtype=np.float64) + 0.5) - 0.5, interpolation, (border, border))
        for axis, (old, new) in enumerate(zip(shape, new_shape, strict=True))
    )
    return a, b, c


def stretch_labels(array: NDArray[Any], shape: Sequence[int], alone: int | None = None) -> NDArray[Any]:
    """Resamples label values: a voxel takes the label of which most lies there, on a tie the nearest one's.

    Args:
        array: ``(d0, d1, d2)`` unsigned integers.
        shape: voxels along the same axes afterwards.
        alone: as for ``stretch``.
    """
    if array.shape == tuple(shape):
        return array
    at = np.ix_(*(_nearest(old, new) for old, new in zip(array.shape, shape, strict=True)))
    nearest: NDArray[Any] = array[at]
    winner: NDArray[Any] = nearest.copy()
    best = np.zeros(nearest.shape, dtype=np.float32)
    for value in np.unique(array):
        score = stretch(array == value, shape, "linear", alone)
        np.add(score, TIE, out=score, where=nearest == value)
        np.putmask(winner, score > best, value)
        np.maximum(best, score, out=best)
    return winner


def lone_axis(first: Sequence[float], second: Sequence[float], threshold: float | None) -> int | None:
    """The axis that is resampled on its own: that of the largest spacing, where it stands out.

    Args:
        first: mm along the three axes, before; it decides if its largest is more than ``threshold`` times its smallest.
        second: mm afterwards; it decides where the first does not.
        threshold: None: no axis is resampled on its own.

    Returns:
        The axis, or None: also where two axes share the largest spacing.
    """
    if threshold is None:
        return None
    for spacing in (first, second):
        rounded = [float(f"{mm:.{DIGITS}g}") for mm in spacing]
        if max(rounded) / min(rounded) > threshold:
            largest = [axis for axis, mm in enumerate(rounded) if mm == max(rounded)]
            return largest[0] if len(largest) == 1 else None
    return None


def _nearest(size: int, new_size: int) -> NDArray[np.int64]:
    """Index of the nearest old voxel for each new one."""
    at = size / new_size * (np.arange(new_size) + 0.5) - 0.5
    nearest: NDArray[np.int64] = np.clip(np.floor(at + 0.5), 0, size - 1).astype(np.int64)
    return nearest


def _interpolated(
    values: NDArray[np.float32], shape: Sequence[int], interpolation: Literal["linear", "cubic"]
) -> NDArray[np.float32]:
    """Two or three axes."""
    import SimpleITK as sitk

    border = BORDER if interpolation == "cubic" else 1
    image = sitk.GetImageFromArray(np.pad(values, border, mode="edge"))
    factor = [old / new for old, new in zip(values.shape[::-1], shape[::-1], strict=True)]
    dimensions = len(factor)
    resampled = sitk.Resample(
        image,
        [int(n) for n in shape[::-1]],
        sitk.AffineTransform(np.diag(factor).ravel().tolist(), [0.5 * f - 0.5 + border for f in factor]),
        getattr(sitk, _INTERPOLATORS[interpolation]),
        [0.0] * dimensions,
        [1.0] * dimensions,
        np.eye(dimensions).ravel().tolist(),
        0.0,
    )
    result: NDArray[np.float32] = sitk.GetArrayFromImage(resampled)
    return np.clip(result, values.min(), values.max(), out=result)
