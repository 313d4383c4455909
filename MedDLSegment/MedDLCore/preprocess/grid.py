"""Which grid the network works on, for a scan on another one."""

from __future__ import annotations

import numpy as np

from ..spec import Grid
from ..volume import SAME_SPACING_MM, Geometry, parse_orientation

CUT = 0.5 + 1e-6
"""Voxels that a grid may lack at a side without a warning: as much as rounding to whole voxels takes."""

_SIDES = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))


def network_grid(scan: Geometry, grid: Grid) -> Geometry:
    """The geometry of the array ``(axis 0, axis 1, axis 2)`` that the network sees.

    The network's axes 0, 1, 2 take the places of K, J, I of the returned geometry. Steps, in this order: orientation
    (a permutation and flips, or for ``grid.straight`` a turn onto the patient's axes), transpose, spacing,
    shape. The centre of the scan stays the centre, but for ``grid.rule``.

    Args:
        scan: geometry of the scan.
        grid: what the model asks for.
    """
    if grid.orientation is None:
        geometry = scan
    elif grid.straight:
        geometry = _straightened(scan, grid.orientation[::-1])
    else:
        geometry = scan.reoriented(grid.orientation[::-1])
    geometry = geometry.permuted(grid.transpose)
    if grid.spacing is not None:
        change = geometry.with_spacing_from_first_voxel if grid.rule == "first_voxel" else geometry.with_spacing
        geometry = change(_wanted_spacing(geometry, grid))
    if grid.shape is not None:
        geometry = geometry.with_shape(grid.shape)
    return geometry


def cut_off(scan: Geometry, network: Geometry) -> dict[str, float]:
    """What of the scan a network's grid of fixed shape does not hold.

    Measured at the middle of each face of the scan, so that the corners of an oblique scan, mostly air, do not count.

    Returns:
        mm at each side that is cut by more than ``CUT`` voxels of the network's grid, e.g. ``{"superior": 22.5}``.
    """
    half = np.array(scan.shape[::-1]) / 2
    faces = network.ras_to_index(scan.index_to_ras(half - 0.5 + np.vstack([np.diag(half), np.diag(-half)])))
    beyond = {-1: -0.5 - faces.min(axis=0), 1: faces.max(axis=0) - (np.array(network.shape[::-1]) - 0.5)}
    world, sign = parse_orientation(network.orientation)
    return {
        _SIDES[world[n]][int(sign[n] * side > 0)]: float(voxels[n] * network.spacing[n])
        for n in range(3)
        for side, voxels in beyond.items()
        if voxels[n] > CUT
    }


def _wanted_spacing(scan: Geometry, grid: Grid) -> list[float]:
    """Spacing, mm along I, J, K, as the model asks for them, or the scan's own where it is near enough."""
    pairs = zip(scan.spacing.tolist(), (grid.spacing or ())[::-1], strict=True)
    if grid.tolerance == 0:
        return [mm for _, mm in pairs]
    return [own if abs(own - mm) <= grid.tolerance * mm + SAME_SPACING_MM else mm for own, mm in pairs]


def _straightened(scan: Geometry, orientation: str) -> Geometry:
    """The smallest grid with axes parallel to the patient's that holds the whole scan, at the scan's spacing."""
    nearest = scan.reoriented(orientation)
    world, sign = parse_orientation(orientation)
    direction = np.zeros((3, 3))
    direction[world, range(3)] = sign
    along_axes = scan.corners() @ direction
    low, high = along_axes.min(axis=0), along_axes.max(axis=0)
    spacing = nearest.spacing
    size = np.maximum(1, np.ceil((high - low) / spacing - 1e-6)).astype(int)
    first = (low + high) / 2 - spacing * (size - 1) / 2
    return Geometry.from_parts(size[::-1].tolist(), spacing, direction, direction @ first)
