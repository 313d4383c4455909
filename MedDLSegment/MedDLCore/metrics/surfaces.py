"""Distances between the surfaces of two masks, in mm.

Surfaces are elements with areas (see ``surface_elements``), as Nikolov et al. 2021 define the surface Dice
(doi:10.2196/26151). The distance of an element is that to the nearest element of the other surface; every statistic
weights it with the element's area, so that it does not depend on how finely a grid samples the surface along an axis.

The elements of a leaning surface fill a layer of cells, of which the nearest is taken: distances there come out up to
half a voxel too small, as in every measure on voxels. Compare them among results on one grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..resample import resample
from ..volume import Geometry
from .boxes import bounding_box
from .overlap import NAN
from .surface_elements import cell_codes, element_areas

ROUNDING_MM = 1e-4
"""Distances of whole voxels must not fall out of a tolerance of just that size because they are float32."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """How far each surface is from the other. To an empty mask every distance is infinite.

    Attributes:
        from_truth: ``(n,)`` float32, mm: of each element of the truth's surface to the nearest of the other.
        truth_areas: ``(n,)`` mm^2.
        from_found: ``(m,)`` float32, mm: the other way round.
        found_areas: ``(m,)`` mm^2.
    """

    from_truth: NDArray[np.float32]
    truth_areas: NDArray[np.float64]
    from_found: NDArray[np.float32]
    found_areas: NDArray[np.float64]

    def hausdorff(self, percent: float = 95.0) -> float:
        """The larger of both directions' percentile of distances, mm; HD95 for 95, the Hausdorff distance for 100.

        NaN where one mask is empty, or both: a distance to nothing is no number.
        """
        if self._one_is_empty:
            return NAN
        return max(
            _percentile(self.from_truth, self.truth_areas, percent),
            _percentile(self.from_found, self.found_areas, percent),
        )

    def mean(self) -> float:
        """The mean over both surfaces (average symmetric surface distance), mm; NaN as for ``hausdorff``."""
        if self._one_is_empty:
            return NAN
        both = self.from_truth @ self.truth_areas + self.from_found @ self.found_areas
        return float(both / (self.truth_areas.sum() + self.found_areas.sum()))

    def dice(self, tolerance: float) -> float:
        """The part of both surfaces that lies within ``tolerance`` mm of the other (surface Dice, normalised).

        0 where one mask is empty; NaN where both are.
        """
        total = self.truth_areas.sum() + self.found_areas.sum()
        near = self.truth_areas[self.from_truth <= tolerance + ROUNDING_MM].sum()
        near += self.found_areas[self.from_found <= tolerance + ROUNDING_MM].sum()
        return float(near / total) if total else NAN

    @property
    def _one_is_empty(self) -> bool:
        return not (len(self.truth_areas) and len(self.found_areas))


def surface_distances(truth: NDArray[np.bool_], found: NDArray[np.bool_], geometry: Geometry) -> SurfaceDistances:
    """Measures two masks.

    Args:
        truth: ``(K, J, I)``.
        found: the same shape.
        geometry: their grid. Where its axes are not perpendicular, both masks are first brought onto a straight grid
            of its finest spacing, by nearest neighbour.

    Memory beyond the masks: about 20 bytes for each voxel of the smallest box that holds both.
    """
    if truth.shape != found.shape or truth.shape != geometry.shape:
        raise ValueError(f"masks {truth.shape} and {found.shape} do not fit geometry {geometry.shape}")
    box = bounding_box(truth | found)
    if box is None:
        nothing, no_areas = np.zeros(0, np.float32), np.zeros(0)
        return SurfaceDistances(nothing, no_areas, nothing, no_areas)
    truth, found = truth[box], found[box]
    grid = geometry.cropped([part.start for part in box], [part.stop for part in box])
    if not geometry.is_orthogonal:
        straight = grid.with_spacing_from_first_voxel([grid.spacing.min()] * 3)
        truth, found = (resample(mask, grid, straight, "nearest") for mask in (truth, found))
        grid = straight
    areas = element_areas(grid.ijk_to_ras[:3, 2::-1])
    codes = [cell_codes(mask) for mask in (truth, found)]
    of_truth, of_found = ((code != 0) & (code != 255) for code in codes)
    return SurfaceDistances(
        _distances_to(of_found, grid)[of_truth],
        areas[codes[0][of_truth]],
        _distances_to(of_truth, grid)[of_found],
        areas[codes[1][of_found]],
    )


def _distances_to(surface: NDArray[np.bool_], grid: Geometry) -> NDArray[np.float32]:
    """The exact Euclidean distance, mm, of every cell to the nearest that is marked (Maurer et al. 2003)."""
    import SimpleITK as sitk  # here: a third of a second

    if not surface.any():
        return np.full(surface.shape, np.inf, np.float32)

    image = sitk.GetImageFromArray(surface.view(np.uint8))
    image.SetSpacing(grid.spacing.tolist())
    signed: NDArray[Any] = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True))
    distances: NDArray[np.float32] = np.maximum(signed, 0, out=signed)  # below 0 is the inside of what is marked
    return distances


def _percentile(distances: NDArray[np.float32], areas: NDArray[np.float64], percent: float) -> float:
    """The distance within which so many percent of the area lie."""
    order = np.argsort(distances)
    reached = np.cumsum(areas[order])
    return float(distances[order[min(np.searchsorted(reached, reached[-1] * percent / 100), len(order) - 1)]])
