"""The nearest labels, of voxels in the middle between two of the network's too.

Half of all voxels lie in such a middle where a scan is twice as fine as the network's grid, and rounding decides which
of the two counts. So that results are MONAI's, it is the rounding of PyTorch's ``grid_sample``, on coordinates in
-1..1 and float32, as MONAI's ``SpatialResample`` calls it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alignment import aligned
from ..resample import resample
from ..volume import Geometry


def nearest(array: NDArray[Any], network: Geometry, scan: Geometry, fill: float | None) -> NDArray[Any]:
    """Brings labels from the network's grid onto the scan's.

    Args:
        array: ``network.shape``.
        network: its grid.
        scan: the wanted grid.
        fill: value outside the network's outer faces; None repeats the edge.

    Returns:
        ``scan.shape``, with the array's dtype.
    """
    axes = aligned(network, scan)
    if axes is None:
        return resample(array, network, scan, "nearest", fill)
    moved = array.transpose([axis.source for axis in axes])
    indices = (_indices(axis.size, of, axis.step, axis.start) for axis, of in zip(axes, moved.shape, strict=True))
    result: NDArray[Any] = moved[np.ix_(*indices)]
    if fill is not None:
        for n, (axis, of) in enumerate(zip(axes, moved.shape, strict=True)):
            np.moveaxis(result, n, 0)[(axis.at < -0.5) | (axis.at > of - 0.5)] = fill
    return result


def _indices(count: int, of: int, scale: float, start: float) -> NDArray[np.intp]:
    """``(count,)``: the index, below ``of``, that is nearest to ``start + scale * n``."""
    if scale < 0:
        return _indices(count, of, -scale, start + scale * (count - 1))[::-1]
    import torch  # its linspace rounds as the machine's vector unit has it

    step = np.eye(4)
    step[0, 0], step[0, 3] = scale, start
    theta = (_normalised(of) @ step.astype(np.float32)) @ np.linalg.inv(_normalised(count))
    grid = torch.linspace(-1, 1, count).numpy() if count > 1 else np.zeros(1, np.float32)
    grid = grid * np.float32(count - 1) / np.float32(count)
    at = ((grid * theta[0, 0] + theta[0, 3] + np.float32(1)) * np.float32(of) - np.float32(1)) / np.float32(2)
    indices: NDArray[np.intp] = np.rint(np.clip(at, 0, of - 1)).astype(np.intp)
    return indices


def _normalised(size: int) -> NDArray[np.float32]:
    """Indices of an axis -> -1..1 from its first to its last outer face."""
    matrix = np.eye(4)
    matrix[0, 0], matrix[0, 3] = 2 / size, 1 / size - 1
    return matrix.astype(np.float32)
