"""An irregular stack onto its even, straight grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..volume import Geometry
from .dicom_geometry import Layout

ON_A_SLICE = 1e-6
"""A plane this near a slice, in parts of the distance to the next, is that slice."""


def straightened(array: NDArray[Any], layout: Layout, fill: float) -> NDArray[Any]:
    """Linear interpolation between neighbouring slices, each taken where it lies.

    Each slice is first shifted within its plane (a tilted stack), then planes between two slices are their weighted
    mean. Where only one of the two has been scanned, that one counts alone.

    Args:
        array: ``(N, J, I)``: the slices.
        layout: of these slices.
        fill: value where nothing was scanned.

    Returns:
        ``layout.geometry.shape``, in the array's dtype; interpolated integers are rounded.
    """
    result = np.empty(layout.geometry.shape, array.dtype)
    below = np.clip(np.searchsorted(layout.depths, layout.planes, side="right") - 1, 0, max(len(array) - 2, 0))
    placed: dict[int, NDArray[Any]] = {}
    for m, n in enumerate(below):
        placed = {k: placed[k] if k in placed else _placed(array, layout, k) for k in (n, min(n + 1, len(array) - 1))}
        first, second = placed[n], placed[min(n + 1, len(array) - 1)]
        distance = layout.depths[min(n + 1, len(array) - 1)] - layout.depths[n]
        weight = float((layout.planes[m] - layout.depths[n]) / distance) if distance else 0.0
        result[m] = _as_type(_between(first, second, weight), array.dtype, fill)
    return result


def _placed(array: NDArray[Any], layout: Layout, n: int) -> NDArray[np.float32]:
    """Slice ``n`` on the rows and columns of the grid; NaN where it did not scan."""
    image: NDArray[np.float32] = array[n].astype(np.float32)
    if not layout.tilted:
        return image
    source = layout.acquired.geometry(n)
    matrix = source.ijk_to_ras.copy()
    normal = matrix[:3, 2]
    matrix[:3, 3] = layout.geometry.origin + normal * (layout.depths[n] - layout.planes[0])
    target = Geometry((1, *layout.geometry.shape[1:]), matrix)
    moved: NDArray[np.float32] = resample(image[np.newaxis], source, target, "linear", fill=np.nan)[0]
    return moved


def _between(first: NDArray[np.float32], second: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    if weight < ON_A_SLICE:
        return first
    if weight > 1 - ON_A_SLICE:
        return second
    mean = first * np.float32(1 - weight) + second * np.float32(weight)
    known: NDArray[np.float32] = np.where(np.isnan(mean), np.where(np.isnan(first), second, first), mean)
    return known


def _as_type(image: NDArray[np.float32], dtype: np.dtype[Any], fill: float) -> NDArray[Any]:
    image = np.where(np.isnan(image), np.float32(fill), image)
    return (np.rint(image) if dtype.kind in "iu" else image).astype(dtype)
