"""Overlap of two masks: Dice (Dice 1945, Zou et al. 2004), intersection over union, precision and recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..volume import LabelMap

NAN = float("nan")


@dataclass(frozen=True)
class Overlap:
    """Voxels of two masks by where they agree. A ratio of nothing to nothing is NaN, never 0 or 1.

    Attributes:
        both: in the truth and in what was found (true positives).
        found_only: false positives.
        truth_only: false negatives.
    """

    both: int
    found_only: int
    truth_only: int

    @property
    def dice(self) -> float:
        """``2 TP / (2 TP + FP + FN)``, which is the F1 score of the voxels; NaN where both masks are empty."""
        return _ratio(2 * self.both, 2 * self.both + self.found_only + self.truth_only)

    @property
    def iou(self) -> float:
        """``TP / (TP + FP + FN)`` (Jaccard 1912); NaN where both masks are empty."""
        return _ratio(self.both, self.both + self.found_only + self.truth_only)

    @property
    def precision(self) -> float:
        """``TP / (TP + FP)``; NaN where nothing was found."""
        return _ratio(self.both, self.both + self.found_only)

    @property
    def recall(self) -> float:
        """``TP / (TP + FN)``, the sensitivity; NaN where the truth is empty."""
        return _ratio(self.both, self.both + self.truth_only)


def overlap(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> Overlap:
    """Counts the voxels of two bool arrays of equal shape."""
    if truth.shape != found.shape:
        raise ValueError(f"masks of different shape: {truth.shape} and {found.shape}")
    both = int(np.count_nonzero(truth & found))
    return Overlap(both, int(np.count_nonzero(found)) - both, int(np.count_nonzero(truth)) - both)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """``2 |A and B| / (|A| + |B|)`` of two bool arrays of equal shape; 1 where both are empty: they are the same."""
    counts = overlap(a, b)
    return counts.dice if counts != Overlap(0, 0, 0) else 1.0


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


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else NAN
