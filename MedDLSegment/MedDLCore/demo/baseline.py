"""What a threshold could do at best: the yardstick that shows how hard the phantom is.

An oracle that cheats in the threshold's favour: for each organ on its own it is told the truth, and takes the
smoothing, the window of Hounsfield units and the connected component that overlap most with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..volume import LabelMap, Volume

LOW: tuple[float, ...] = tuple(range(-80, 80, 20))
HIGH: tuple[float, ...] = (*range(30, 150, 20), 3071)
"""Edges of the windows that are tried, HU, each with each: a soft organ's mean lies between the two ranges' middles."""

SMOOTHINGS = (0.0, 1.0, 2.0)
"""Deviations of the Gaussian that is applied first, in voxels."""


def best_threshold(
    volume: Volume,
    truth: LabelMap,
    low: Sequence[float] = LOW,
    high: Sequence[float] = HIGH,
    smoothings: Sequence[float] = SMOOTHINGS,
) -> dict[str, float]:
    """The best Dice of any component (6 neighbours) of any window, by label name.

    Args:
        volume: ``(K, J, I)`` HU.
        truth: one layer, on the volume's grid.
        low: lower edges to try, HU.
        high: upper edges to try, HU.
        smoothings: Gaussian deviations to try, voxels; 0 is the volume as it is.
    """
    import SimpleITK as sitk

    count = max(label.value for label in truth.labels) + 1
    sizes = np.bincount(truth.array.ravel(), minlength=count)
    best = np.zeros(count)
    scan = sitk.GetImageFromArray(volume.array.astype(np.float32))
    for deviation in smoothings:
        smooth = sitk.DiscreteGaussian(scan, [deviation**2] * 3, 32, 0.01, False) if deviation else scan
        for lower, upper in itertools.product(low, high):
            if lower >= upper:
                continue
            components = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.BinaryThreshold(smooth, lower, upper)))
            number = int(components.max()) + 1
            pairs = components.astype(np.int64) * count + truth.array
            common = np.bincount(pairs.ravel(), minlength=number * count).reshape(number, count)[1:]
            if len(common):
                dice = 2 * common / np.maximum(common.sum(axis=1, keepdims=True) + sizes, 1)
                best = np.maximum(best, dice.max(axis=0))
    return {label.name: float(best[label.value]) for label in truth.labels}
