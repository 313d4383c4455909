"""Where the patches of a sliding window lie, and how much each voxel of a patch counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SMALLEST_WEIGHT = 1e-12
"""Relative weight of a patch's farthest corner: small enough to change nothing, and never 0."""


SMALLEST_WEIGHT_OF_MONAI = 1e-3
"""The same in MONAI's ``compute_importance_map``, as a part of the Gaussian's peak, which may lie between voxels."""


def window_starts(
    size: int, patch: int, overlap: float, windows: Literal["even", "stepped"] = "even"
) -> tuple[int, ...]:
    """First index of each patch along one axis: neighbours are at most ``patch * (1 - overlap)`` voxels apart.

    Args:
        size: voxels along the axis, at least ``patch``.
        patch: voxels of the patch.
        overlap: fraction shared with the neighbour, 0 <= overlap < 1.
        windows: ``even``: evenly spread. ``stepped``: ``int(patch * (1 - overlap))`` voxels apart, the last one moved
            back to the end (MONAI's ``dense_patch_slices``).
    """
    if windows == "stepped":
        interval = max(1, int(patch * (1 - overlap)))
        return tuple(min(n, size - patch) for n in range(0, size - patch + interval, interval))
    step = max(1.0, patch * (1 - overlap))
    count = math.ceil((size - patch) / step - 1e-9) + 1
    if count == 1:
        return (0,)
    return tuple(round((size - patch) / (count - 1) * n) for n in range(count))


def smallest_weight_of_monai(patch: Sequence[int], sigma: float) -> float:
    """MONAI's smallest weight as a part of the largest weight of a voxel; see ``gaussian``."""
    exponent = sum(-0.5 * (0.5 / (sigma * n)) ** 2 for n in patch if n % 2 == 0)
    largest = math.exp(max(exponent, math.log(SMALLEST_WEIGHT_OF_MONAI)))
    return SMALLEST_WEIGHT_OF_MONAI / largest


def gaussian(patch: Sequence[int], sigma: float, smallest: float = SMALLEST_WEIGHT) -> NDArray[np.float32]:
    """Weights of a patch: a Gaussian around its centre (Isensee et al. 2021, nnU-Net), 1 at the centre.

    Args:
        patch: voxels along each axis.
        sigma: standard deviation as a fraction of the patch.
        smallest: no weight is below this.

    Returns:
        ``patch``-shaped float32 in (0, 1].
    """
    weights = np.ones((), dtype=np.float64)
    for n in patch:
        exponent = -0.5 * ((np.arange(n) - (n - 1) / 2) / (sigma * n)) ** 2
        weights = np.multiply.outer(weights, np.exp(exponent - exponent.max()))
    clamped: NDArray[np.float32] = np.maximum(weights, smallest).astype(np.float32)
    return clamped


def nnunet_gaussian(patch: Sequence[int], sigma: float) -> NDArray[np.float32]:
    """Weights of a patch as nnU-Net makes them (nnU-Net v2, ``compute_gaussian``).

    A Gaussian around voxel n // 2, 10 at its centre, rounded to half precision. What becomes zero there takes the
    smallest of the other weights.

    Args:
        patch: voxels along each axis.
        sigma: standard deviation as a fraction of the patch.

    Returns:
        ``patch``-shaped float32, positive.
    """
    weights = np.full((), 10.0)
    for n in patch:
        weights = np.multiply.outer(weights, np.exp(-0.5 * ((np.arange(n) - n // 2) / (sigma * n)) ** 2))
    rounded: NDArray[np.float32] = weights.astype(np.float16).astype(np.float32)
    rounded[rounded == 0] = rounded[rounded > 0].min()
    return rounded
