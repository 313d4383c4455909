"""One scorer for all engines: it reads label maps as files and knows nothing of who wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MedDLCore.metrics import dice, surface_distances
from MedDLCore.volume import Geometry

from .cases import LABELS

TOLERANCE = 1e-3
"""mm by which the corners of grids may lie apart."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


class WrongGridError(Exception):
    """A label map does not lie on its scan."""


def score(truth: Path, found: Path) -> dict[str, dict[str, float]]:
    """Dice, and HD95 in mm, of each label; a distance to nothing is NaN.

    Args:
        truth: label map.
        found: label map on the same grid.

    Raises:
        WrongGridError: it lies on another.
    """
    (one, grid), (other, its_grid) = (_label_map(path) for path in (truth, found))
    if not grid.same_as(its_grid, TOLERANCE):
        raise WrongGridError(f"{found} does not lie on the grid of {truth}")
    return {name: _of_label(one == value, other == value, grid) for name, value in LABELS.items()}


def _of_label(truth: NDArray[np.bool_], found: NDArray[np.bool_], grid: Geometry) -> dict[str, float]:
    return {"dice": dice(truth, found), "hd95": surface_distances(truth, found, grid).hausdorff(95)}


def _label_map(path: Path) -> tuple[NDArray[np.uint8], Geometry]:
    """``(K, J, I)`` and its grid."""
    image = sitk.ReadImage(str(path), sitk.sitkUInt8)
    array: NDArray[np.uint8] = sitk.GetArrayFromImage(image)
    direction = LPS_TO_RAS @ np.reshape(image.GetDirection(), (3, 3))
    return array, Geometry.from_parts(array.shape, image.GetSpacing(), direction, LPS_TO_RAS @ image.GetOrigin())
