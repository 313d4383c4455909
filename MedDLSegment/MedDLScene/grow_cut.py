"""Structures without a model: they grow from seeds, by Slicer's grow-cut (Zhu et al. 2014, Fast GrowCut).

Every voxel becomes what that seed is from which a path of the least change of intensity leads to it. So the first cases
of a new structure are drawn quickly, on any volume, and then trained from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry, Volume

from .libraries import slicer, vtk
from .placement import arrayOfImage, fillImage

NOTHING = 0
"""In seeds: nobody has said what is there."""

INSIDE, OUTSIDE = 1, 2
"""In seeds of one structure."""

RADIUS = 2.0
"""mm, of the seed at a click."""

REACH = 25.0
"""mm: so far beyond its outermost click a structure can grow."""

MOST_VOXELS = 500_000
"""That are grown at once where a person waits: about a second. What they take rises faster than their number."""


def growCut(volume: Volume, seeds: NDArray[Any]) -> NDArray[np.uint16]:
    """Grows every seed until all voxels are something.

    Args:
        volume: ``(K, J, I)``.
        seeds: ``(K, J, I)`` whole numbers below 2**15: one for each structure, and one for what is none of them;
            ``NOTHING`` elsewhere.

    Returns:
        ``(K, J, I)`` the numbers of the seeds.

    Raises:
        MedDLError: CLICKS_MISMATCH where all seeds are of one kind, which would then be everywhere.
    """
    if len(np.unique(seeds[seeds != NOTHING])) < 2:
        raise MedDLError(
            Code.CLICKS_MISMATCH,
            "Seeds of one kind would grow over the whole volume.",
            "Mark what does not belong to the structure, too, or another structure.",
        )
    # Slicer's grow-cut wants three voxels along each axis, and from the outermost ones nothing grows on.
    image, seeds = (np.pad(array, 1, "edge") for array in (volume.array, seeds))
    grower = slicer.vtkImageGrowCutSegment()
    grower.SetIntensityVolume(_image(image, volume.geometry))
    grower.SetSeedLabelVolume(_image(seeds.astype(np.int16), volume.geometry))
    grower.Update()
    return arrayOfImage(grower.GetOutput())[1:-1, 1:-1, 1:-1].astype(np.uint16)


def grownAroundClicks(
    volume: Volume,
    clicks: Sequence[Click],
    drawn: NDArray[np.uint8],
    radius: float = RADIUS,
    reach: float = REACH,
    now: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], Geometry]:
    """One structure, grown in a box around its clicks and what was drawn of it, not in the whole volume.

    The faces of the box that lie within the volume are seeds of what it is not, unless something was drawn there: one
    click is enough to begin with. Where the box is the whole volume, the volume's faces are.

    Where it is told what there is ``now``, only what is around the clicks grows anew, whatever was drawn elsewhere; and
    where that would be more than ``MOST_VOXELS``, as many around the last click. What goes on beyond the box goes on
    into it.

    Args:
        volume: ``(K, J, I)``.
        clicks: on this one structure, in their order; at least one.
        drawn: ``(K, J, I)``: ``INSIDE`` where a person drew it, ``OUTSIDE`` where something else is, or ``NOTHING``.
        radius: mm, of the seed at a click.
        reach: mm, from the outermost click or seed of the structure to the faces of the box.
        now: ``(K, J, I)``: where the structure is; None: it begins anew.

    Returns:
        Where in the box it is, and the box.

    Raises:
        MedDLError: CLICKS_MISMATCH where no click and no stroke says where it is; REGION_OUTSIDE for a click outside of
            the volume.
    """
    seeds, size = drawn.copy(), np.array(volume.array.shape)
    places = np.array([volume.geometry.ras_to_index(click.point)[::-1] for click in clicks])
    if not ((places >= -0.5) & (places <= size - 0.5)).all():
        raise MedDLError(Code.REGION_OUTSIDE, "The click does not lie in the volume.")
    for click in clicks:
        _drawBall(seeds, volume.geometry, click, radius, INSIDE if click.positive else OUTSIDE)
    if not (seeds == INSIDE).any():
        raise MedDLError(Code.CLICKS_MISMATCH, "No click says where the structure is.", "Click into it, too.")
    around = np.round(places).astype(int)
    if now is None:
        around = np.concatenate([np.argwhere(seeds == INSIDE), around])
    low, high = _around(around, reach, volume.geometry)
    if now is not None and np.prod(high - low) > MOST_VOXELS:
        edge = np.cbrt(MOST_VOXELS * volume.geometry.voxel_volume)
        near_low, near_high = _around(around[-1:], edge / 2, volume.geometry)
        low, high = np.maximum(low, near_low), np.minimum(high, near_high)
    k, j, i = (slice(int(m), int(n)) for m, n in zip(low, high, strict=True))
    place = volume.geometry.cropped(low, high)
    part = seeds[k, j, i]
    faces = _faces(low > 0, high < size, part.shape) & (part == NOTHING)
    part[faces] = OUTSIDE
    if now is not None and ((low > 0) | (high < size)).any():
        part[faces & now[k, j, i]] = INSIDE
    kinds = np.unique(part[part != NOTHING])
    if len(kinds) == 1:
        return np.full(part.shape, kinds[0] == INSIDE), place
    return growCut(Volume(volume.array[k, j, i], place), part) == INSIDE, place


def _around(places: NDArray[np.int64], reach: float, grid: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The box that reaches so many mm beyond the outermost of these voxels, K, J, I, as far as the grid does."""
    margin = np.ceil(reach / grid.spacing[::-1]).astype(int)
    return np.maximum(places.min(axis=0) - margin, 0), np.minimum(places.max(axis=0) + 1 + margin, grid.shape)


def _faces(before: NDArray[np.bool_], behind: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The outermost voxels of a box where the volume goes on ``before`` or ``behind`` it, along K, J, I.

    All of them where it goes on nowhere; none along an axis of fewer than three voxels, which would be all there is.
    """
    within, every = np.zeros(shape, bool), np.zeros(shape, bool)
    for axis, size in enumerate(shape):
        if size < 3:
            continue
        for goes_on, last in ((before[axis], 0), (behind[axis], size - 1)):
            face = (*[slice(None)] * axis, last)
            every[face] = True
            within[face] |= goes_on
    return within if within.any() else every


def _image(array: NDArray[Any], geometry: Geometry) -> vtk.vtkImageData:
    """Its spacing is the geometry's; where it lies and how it is turned does not matter to what grows."""
    image = vtk.vtkImageData()
    fillImage(image, array)
    image.SetSpacing(geometry.spacing.tolist())
    return image


def _drawBall(seeds: NDArray[Any], geometry: Geometry, click: Click, radius: float, value: int) -> None:
    centre = np.round(geometry.ras_to_index(click.point)).astype(int)
    reach = np.floor(radius / np.linalg.norm(geometry.ijk_to_ras[:3, :3], axis=0)).astype(int) + 1
    size = np.array(seeds.shape[::-1])
    low, high = np.clip(centre - reach, 0, size), np.clip(centre + reach + 1, 0, size)
    i, j, k = (np.arange(m, n) for m, n in zip(low, high, strict=True))
    at = np.stack(np.meshgrid(k, j, i, indexing="ij")[::-1], axis=-1)
    away = np.linalg.norm(geometry.index_to_ras(at) - geometry.index_to_ras(centre), axis=-1)
    part = seeds[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    part[away <= radius] = value
