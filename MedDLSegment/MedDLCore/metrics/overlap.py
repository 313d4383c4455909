"""Overlap of two masks (Dice 1945, Zou et al. 2004)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..volume import LabelMap


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """``2 |A and B| / (|A| + |B|)`` of two bool arrays of equal shape; 1 where both are empty."""
    if a.shape != b.shape:
        raise ValueError(f"masks of different shape: {a.shape} and {b.shape}")
    size = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / size if size else 1.0


def dice_by_label(truth: LabelMap, found: LabelMap) -> dict[str, float]:
    """Dice of each label of ``truth`` by name, on its grid (``found`` is brought there by nearest neighbour).

    A label that ``found`` does not know counts as empty there.
    """
    by_name = {label.name: label for label in found.labels}
    scores = {}
    for label in truth.labels:
        other = by_name.get(label.name)
        if other is None:
            mask = np.zeros(truth.geometry.shape, dtype=np.bool_)
        else:
            moved = resample(found.layer(other.layer), found.geometry, truth.geometry, "nearest")
            mask = moved == other.value
        scores[label.name] = dice(truth.mask(label), mask)
    return scores
