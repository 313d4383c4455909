"""Where a person would click next: into the middle of the largest error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MedDLCore.preprocess import Clicked
from MedDLCore.spec import Clicks

INNER = 0.5
"""Of the depth of an error's deepest voxel: a drawn click is at least so far from the error's border."""


def next_click(
    found: NDArray[Any],
    truth: NDArray[Any],
    clicks: Clicks,
    spacing: Sequence[float],
    overlapping: bool,
    rng: np.random.Generator | None = None,
) -> Clicked | None:
    """The next correction.

    The error is the largest connected component (6 neighbours) of what some label lacks, or has too much; of equally
    large ones, what lacks. The click is its deepest voxel, as interactive segmentation is evaluated (Xu et al. 2016),
    or, in training, one that is drawn from its inner part (Sofiiuk et al. 2022).

    Args:
        found: ``(1, d0, d1, d2)`` label values; of overlapping labels ``(N, d0, d1, d2)`` masks, label n + 1 at n.
        truth: alike.
        clicks: which labels can be clicked.
        spacing: mm along axes 0, 1, 2.
        overlapping: whether they are masks.
        rng: draws; None: the deepest voxel, the first of equally deep ones.

    Returns:
        None where nothing is wrong.
    """
    largest, error, meant = 0, None, (0, True)
    for positive in (True, False):
        for value in clicks.labels:
            is_found, is_true = (a[value - 1] > 0 if overlapping else a[0] == value for a in (found, truth))
            wrong = is_true & ~is_found if positive else is_found & ~is_true
            if np.count_nonzero(wrong) <= largest:
                continue
            component = _largest_component(wrong)
            if (size := int(np.count_nonzero(component))) > largest:
                largest, error, meant = size, component, (value, positive)
    if error is None:
        return None
    depth = _depth(error, spacing)
    if rng is None:
        chosen = int(depth.argmax())
    else:
        inner = np.flatnonzero(depth >= INNER * depth.max())
        chosen = int(inner[rng.integers(len(inner))])
    a, b, c = (int(n) for n in np.unravel_index(chosen, depth.shape))
    return Clicked((a, b, c), *meant)


def _largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    largest: NDArray[np.bool_] = sitk.GetArrayFromImage(sitk.RelabelComponent(components)) == 1
    return largest


def _depth(mask: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float32]:
    """How many mm each voxel of the mask lies within it, from 0; the grid ends where the mask does. Outside: -inf."""
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing([float(mm) for mm in spacing[::-1]])
    distances = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    inner: NDArray[np.float32] = sitk.GetArrayFromImage(distances)[1:-1, 1:-1, 1:-1]
    return np.where(mask, inner, -np.inf).astype(np.float32)
