"""Every score of one structure of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..volume import Geometry
from .overlap import NAN, overlap
from .surfaces import surface_distances

HAUSDORFF_PERCENT = 95.0


@dataclass(frozen=True)
class Scores:
    """How well a structure was found. What cannot be told is NaN, never 0 or 1.

    ==================  =====================  ======================  ===========
    ..                  nothing in the truth   nothing was found       both empty
    ==================  =====================  ======================  ===========
    dice, iou           0                      0                       NaN
    precision           0                      NaN                     NaN
    recall              NaN                    0                       NaN
    distances           NaN                    NaN                     NaN
    surface_dice        0                      0                       NaN
    volume error, mL    what was found         minus the truth         0
    volume error, %     NaN                    -100                    NaN
    ==================  =====================  ======================  ===========

    Attributes:
        dice: see ``Overlap``; for masks it is the F1 score.
        iou, precision, recall: see ``Overlap``.
        hd95: 95th percentile of the surface distances, mm: see ``SurfaceDistances.hausdorff``.
        mean_surface_distance: mm, symmetric.
        surface_dice: at the tolerance that was asked for.
        truth_volume, found_volume: mL.
        volume_error: found minus truth, mL.
        volume_error_percent: of the truth's volume.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    hd95: float
    mean_surface_distance: float
    surface_dice: float
    truth_volume: float
    found_volume: float
    volume_error: float
    volume_error_percent: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of the voxels: the same number as ``dice``."""
        return self.dice


def score(truth: NDArray[np.bool_], found: NDArray[np.bool_], geometry: Geometry, tolerance: float) -> Scores:
    """Compares two masks.

    Args:
        truth: ``(K, J, I)``.
        found: the same shape.
        geometry: their grid.
        tolerance: of the surface Dice, mm.
    """
    counts = overlap(truth, found)
    distances = surface_distances(truth, found, geometry)
    millilitres = geometry.voxel_volume / 1000
    truth_volume = (counts.both + counts.truth_only) * millilitres
    found_volume = (counts.both + counts.found_only) * millilitres
    error = found_volume - truth_volume
    return Scores(
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        hd95=distances.hausdorff(HAUSDORFF_PERCENT),
        mean_surface_distance=distances.mean(),
        surface_dice=distances.dice(tolerance),
        truth_volume=truth_volume,
        found_volume=found_volume,
        volume_error=error,
        volume_error_percent=100 * error / truth_volume if truth_volume else NAN,
    )
