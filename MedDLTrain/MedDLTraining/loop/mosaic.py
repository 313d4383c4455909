"""One case as it is, and as the plan's augmentation varies it, beside each other in one volume: for slice views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.geometry import parse_orientation
from MedDLCore.volume import Geometry, LabelMap, Volume

from ..cases import PreparedCase
from ..plan import Plan
from .variations import across, variations

COLUMNS, ROWS = 3, 2

STORED = "SPL"
"""Directions of a scan's K, J, I as most scans are stored, for plans that leave them as they are."""


def mosaic(case: PreparedCase, plan: Plan, seed: int = 0) -> tuple[Volume, LabelMap]:
    """A patch around the structures, untouched in the first place, then varied; and the labels.

    Args:
        case: a prepared case.
        plan: patch and augmentation.
        seed: of the variations.

    Returns:
        The first channel as the network sees it, and the labels, with the spacing and the directions of the plan's
        grid. The patches lie beside each other in the plane of the finest voxels.
    """
    images, truths = variations(case, plan, COLUMNS * ROWS, seed)
    image = _tiled(images[:, 0], plan)
    geometry = Geometry.from_parts(image.shape, _spacing(plan)[::-1], _direction(plan))
    if plan.overlapping:
        layers = np.stack([_tiled(truths[:, n], plan) for n in range(truths.shape[1])]).astype(np.uint8)
        labels = tuple(replace(label, value=1, layer=label.value - 1) for label in plan.labels)
        return Volume(image, geometry), LabelMap(layers, geometry, labels)
    return Volume(image, geometry), LabelMap(_tiled(truths[:, 0], plan).astype(np.uint16), geometry, plan.labels)


def _tiled(patches: NDArray[Any], plan: Plan) -> NDArray[Any]:
    """``(n, *patch)`` -> one array, in the patch's axes."""
    down, right = (axis for axis in range(3) if axis != across(plan))
    rows = [np.concatenate(patches[n * COLUMNS : (n + 1) * COLUMNS], axis=right) for n in range(ROWS)]
    return np.ascontiguousarray(np.concatenate(rows, axis=down))


def _spacing(plan: Plan) -> NDArray[np.float64]:
    """``(3,)`` mm along the axes of a patch; 1 where the scan's own is kept."""
    return np.array([value or 1.0 for value in plan.grid.spacing or (1.0, 1.0, 1.0)])


def _direction(plan: Plan) -> NDArray[np.float64]:
    """``(3, 3)``: the columns are the unit vectors of i, j, k, which are the patch's axes 2, 1, 0, in RAS."""
    world, sign = parse_orientation(plan.grid.orientation or STORED)
    matrix = np.zeros((3, 3))
    for axis, oriented in enumerate(plan.grid.transpose):
        matrix[world[oriented], 2 - axis] = sign[oriented]
    return matrix
