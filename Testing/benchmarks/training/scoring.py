"""One scorer for all engines: it reads label maps as files and knows nothing of who wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MedDLCore.metrics import dice

from .cases import LABELS

TOLERANCE = 1e-3
"""mm, and parts of a direction's unit vector, by which grids may differ."""


class WrongGridError(Exception):
    """A label map does not lie on its scan."""


def score(truth: Path, found: Path) -> dict[str, dict[str, float]]:
    """Dice and HD95 of each label.

    Args:
        truth: label map.
        found: label map on the same grid.

    Raises:
        WrongGridError: it lies on another.
    """
    one, other = (sitk.ReadImage(str(path), sitk.sitkUInt8) for path in (truth, found))
    if _grid(one) != _grid(other):
        raise WrongGridError(f"{found} does not lie on the grid of {truth}")
    return {name: _of_label(one == value, other == value) for name, value in LABELS.items()}


def _of_label(truth: sitk.Image, found: sitk.Image) -> dict[str, float]:
    masks = [sitk.GetArrayFromImage(image).astype(bool) for image in (truth, found)]
    return {"dice": dice(*masks), "hd95": hd95(truth, found)}


def hd95(one: sitk.Image, other: sitk.Image) -> float:
    """The 95th percentile of the distances between two surfaces, the larger of both directions; mm.

    A surface is the voxels that have a neighbour, by a face, outside. NaN where one of the masks is empty.

    Args:
        one: mask, 0 and 1.
        other: the same grid.
    """
    if not all(sitk.GetArrayViewFromImage(mask).any() for mask in (one, other)):
        return float("nan")
    first, second = (sitk.BinaryContour(sitk.ConstantPad(mask, (1,) * 3, (1,) * 3)) for mask in (one, other))
    return max(_percentile(first, second), _percentile(second, first))


def _percentile(source: sitk.Image, target: sitk.Image) -> float:
    distances = sitk.SignedMaurerDistanceMap(target, squaredDistance=False, useImageSpacing=True)
    on_surface: NDArray[np.bool_] = sitk.GetArrayFromImage(source).astype(bool)
    return float(np.percentile(np.abs(sitk.GetArrayFromImage(distances)[on_surface]), 95))


def _grid(image: sitk.Image) -> tuple[object, ...]:
    values = np.array([*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()])
    return image.GetSize(), *np.round(values / TOLERANCE).astype(int).tolist()
