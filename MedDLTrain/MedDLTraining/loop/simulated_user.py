"""Where a person would click next: into the middle of the largest error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MedDLCore.metrics import bounding_box
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
    error: _Part | None = None
    largest, meant = 0, (0, True)
    for positive in (True, False):
        for value in clicks.labels:
            is_found, is_true = (a[value - 1] > 0 if overlapping else a[0] == value for a in (found, truth))
            wrong = is_true & ~is_found if positive else is_found & ~is_true
            if np.count_nonzero(wrong) <= largest:
                continue
            component = _largest_component(_Part.of(wrong))
            if (size := int(np.count_nonzero(component.mask))) > largest:
                largest, error, meant = size, component, (value, positive)
    if error is None:
        return None
    depth = _depth(error, found.shape[1:], spacing)
    if rng is None:
        chosen = int(depth.argmax())
    else:
        inner = np.flatnonzero(depth >= INNER * depth.max())
        chosen = int(inner[rng.integers(len(inner))])
    a, b, c = (int(n) + start for n, start in zip(np.unravel_index(chosen, depth.shape), error.start, strict=True))
    return Clicked((a, b, c), *meant)


@dataclass(frozen=True, eq=False)
class _Part:
    """The smallest box that holds a mask. Errors are small, and nothing else of the grid matters.

    Attributes:
        mask: ``(d0, d1, d2)``, of the box.
        start: the box's first voxel.
    """

    mask: NDArray[np.bool_]
    start: tuple[int, int, int]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], start: Sequence[int] = (0, 0, 0)) -> _Part:
        """Of a mask that is not empty; ``start`` is its own first voxel."""
        box = bounding_box(mask)
        if box is None:
            raise ValueError("the mask is empty")
        a, b, c = (before + side.start for before, side in zip(start, box, strict=True))
        return cls(mask[box], (a, b, c))


def _largest_component(part: _Part) -> _Part:
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(part.mask.astype(np.uint8)))
    return _Part.of(sitk.GetArrayFromImage(sitk.RelabelComponent(components)) == 1, part.start)


def _depth(part: _Part, shape: Sequence[int], spacing: Sequence[float]) -> NDArray[np.float32]:
    """How many mm each voxel of an error lies within it, from 0. Outside: -inf.

    The error ends where the grid does, but not along an axis of one voxel: a single slice has its depth in its plane.
    """
    margins = [(int(n > 1), int(n > 1)) for n in shape]
    image = sitk.GetImageFromArray(np.pad(part.mask, margins).astype(np.uint8))
    image.SetSpacing([float(mm) for mm in spacing[::-1]])
    distances = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    a, b, c = (slice(before, before + n) for (before, _), n in zip(margins, part.mask.shape, strict=True))
    inner: NDArray[np.float32] = sitk.GetArrayFromImage(distances)[a, b, c]
    return np.where(part.mask, inner, -np.inf).astype(np.float32)
