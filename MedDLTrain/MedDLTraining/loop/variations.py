"""How the plan's augmentation varies one case: what the previews show."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..cases import PreparedCase
from ..plan import Plan
from .augmentation import Draws, augment
from .sampling import cut, source_shape


def variations(
    case: PreparedCase, plan: Plan, count: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A patch in the middle of the structures, and variations of it.

    Args:
        case: a prepared case.
        plan: patch and augmentation.
        count: of patches, the untouched one included.
        seed: of the variations.

    Returns:
        Images ``(count, C, *patch)`` and labels ``(count, L, *patch)``; the first is the patch itself.
    """
    source = source_shape(plan.patch)
    middle = [n // 2 for n in case.truth.shape[1:]]
    if case.places:
        middle = np.median(np.concatenate(list(case.places.values())), axis=0).astype(int).tolist()
    start = [m - s // 2 for m, s in zip(middle, source, strict=True)]
    image = cut(case.image, start, source, plan.inference.padding_value)
    truth = cut(case.truth, start, source, 0)
    a, b, c = (slice((s - p) // 2, (s - p) // 2 + p) for s, p in zip(source, plan.patch, strict=True))
    images, truths = augment(
        torch.from_numpy(image)[None].repeat(count - 1, 1, 1, 1, 1),
        torch.from_numpy(truth)[None].float().repeat(count - 1, 1, 1, 1, 1),
        plan,
        Draws(seed),
    )
    return (
        np.concatenate([image[None, :, a, b, c], images.numpy()]),
        np.concatenate([truth[None, :, a, b, c].astype(np.float32), truths.numpy()]),
    )


def across(plan: Plan) -> int:
    """The axis that is looked along: that of the thickest slices, or the last."""
    if 1 in plan.patch:
        return plan.patch.index(1)
    spacing = plan.grid.spacing or (1.0, 1.0, 1.0)
    return max(range(3), key=lambda axis: (spacing[axis], axis))
