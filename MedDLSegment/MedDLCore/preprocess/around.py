"""Boxes around points: what a model sees of a scan that was trained on crops.

A box is cut out of the scan's own voxels and then is a scan by itself: its statistics are its own, as those of the
crops in training were. Where it leaves the scan it ends, and is padded as small crops in training were.

It is as large as the crops in training and no larger. With a fifth more along each axis, a network for the hippocampus
found a third more in a head, most of it beside the hippocampus (Dice 0.76 -> 0.52): it knows no surroundings but those
of its crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError
from ..spec import FloatTriple, Grid, ModelSpec
from ..volume import Geometry, Volume
from .grid import network_axes
from .region import bounds, cut_box

ON_FACE = 1e-4
"""Part of a voxel by which a box may miss a face and still end on it."""

LIKE = 1.25
"""A scan that is so many times as long as the largest crop in training can still be taken for one."""


def is_crop(scan: Geometry, spec: ModelSpec) -> bool:
    """Whether a model was trained on crops and a scan is no larger than those."""
    if spec.crops is None:
        return False
    half_a_voxel = crop_axes(scan, spec.grid).spacing[::-1] / 2
    return bool((extent_of(scan, spec.grid) - half_a_voxel <= LIKE * np.array(spec.crops.largest)).all())


def extent_of(scan: Geometry, grid: Grid) -> NDArray[np.float64]:
    """``(3,)`` mm: how long a scan is along the network's axes 0, 1, 2."""
    axes = crop_axes(scan, grid)
    extent: NDArray[np.float64] = np.array(axes.shape) * axes.spacing[::-1]
    return extent


def crop_axes(scan: Geometry, grid: Grid) -> Geometry:
    """The scan's voxels with the network's axes in the places of K, J, I: those that crops are cut along.

    Where the model's axes are the patient's (``grid.straight``), a crop is cut along the nearest ones of the scan and
    turned later, as those in training were.
    """
    return network_axes(scan, replace(grid, straight=False))


def check_inside(scan: Geometry, point: FloatTriple) -> None:
    """Makes sure that a point, RAS mm, lies in the scan.

    Raises:
        MedDLError: REGION_OUTSIDE.
    """
    index = scan.ras_to_index(point)
    if not ((index >= -0.5) & (index <= np.array(scan.shape[::-1]) - 0.5)).all():
        lowest, highest = (np.round(ends, 1).tolist() for ends in bounds(scan))
        raise MedDLError(
            Code.REGION_OUTSIDE,
            f"The point {point} does not lie in the scan, which reaches from {lowest} to {highest} mm (R, A, S).",
        )


def cut_around(volumes: Sequence[Volume], spec: ModelSpec, point: FloatTriple) -> tuple[Volume, ...]:
    """The voxels of each volume around a point, as volumes of their own; views, no copies.

    The box has whole voxels of the first volume: at most half a voxel more or less than the crops in training. Of
    another volume, the smallest part that holds it.

    Args:
        volumes: one for each channel.
        spec: a model that was trained on crops.
        point: the middle of the box, RAS mm, in the first volume.
    """
    if spec.crops is None:
        raise ValueError(f"{spec.name} was trained on whole scans")  # admission refuses points for it
    axes = crop_axes(volumes[0].geometry, spec.grid)
    size = np.maximum(1, np.rint(np.array(spec.crops.extent) / axes.spacing[::-1])).astype(int)
    start = np.rint(axes.ras_to_index(point)[::-1] - (size - 1) / 2).astype(int)
    corners = axes.cropped(start.tolist(), (start + size).tolist()).corners()
    return tuple(_within(volume, corners) for volume in volumes)


def _within(volume: Volume, corners: NDArray[np.float64]) -> Volume:
    """The voxels between the corners of a box, RAS mm."""
    faces = volume.geometry.ras_to_index(corners)[:, ::-1] + 0.5  # that of the first voxel lies at 0
    ends = faces.min(axis=0) + ON_FACE, faces.max(axis=0) - ON_FACE
    return cut_box(volume, np.floor(ends[0]).astype(np.int64), np.ceil(ends[1]).astype(np.int64))
