"""Which grid the network works on, for a scan on another one."""

from __future__ import annotations

import numpy as np

from ..spec import FloatTriple, Grid
from ..volume import SAME_SPACING_MM, Geometry, parse_orientation

CUT = 0.5 + 1e-6
"""Voxels that a grid may lack at a side without a warning: as much as rounding to whole voxels takes."""

_SIDES = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))

DECIMAL = 1e-12
"""A spacing this near to a number of six decimals is that number."""


def network_grid(scan: Geometry, grid: Grid) -> Geometry:
    """The geometry of the array ``(axis 0, axis 1, axis 2)`` that the network sees.

    The network's axes 0, 1, 2 take the places of K, J, I of the returned geometry. Steps, in this order: orientation
    (a permutation and flips, or for ``grid.straight`` a turn onto the patient's axes), transpose, spacing, shape.
    ``grid.rule`` says what stays of the scan when the spacing changes.

    Args:
        scan: geometry of the scan, cropped where the model asks for that.
        grid: what the model asks for.
    """
    geometry = network_axes(scan, grid)
    if grid.spacing is not None:
        geometry = _with_spacing(geometry, wanted_spacing(geometry, grid), grid.rule)
    if grid.shape is not None:
        geometry = geometry.with_shape(grid.shape)
    return geometry


def network_axes(scan: Geometry, grid: Grid) -> Geometry:
    """The scan's grid with the network's axes 0, 1, 2 in the places of K, J, I.

    But for ``grid.straight``, these are the same voxels in another order.
    """
    if grid.orientation is None:
        geometry = scan
    elif grid.straight:
        geometry = _straightened(scan, grid.orientation[::-1])
    else:
        geometry = scan.reoriented(grid.orientation[::-1])
    return geometry.permuted(grid.transpose)


def wanted_spacing(scan: Geometry, grid: Grid) -> FloatTriple:
    """The spacing along network axes 0, 1, 2, mm, as the model asks for it.

    It is the scan's own where the model asks for none, or for one that is near enough (``grid.tolerance``).

    Args:
        scan: from ``network_axes``.
        grid: what the model asks for.
    """
    pairs = zip(scan.spacing[::-1].tolist(), grid.spacing or (0, 0, 0), strict=True)
    a, b, c = (own if mm == 0 or _near_enough(own, mm, grid.tolerance) else mm for own, mm in pairs)
    return a, b, c


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


def _near_enough(own: float, wanted: float, tolerance: float) -> bool:
    return tolerance > 0 and abs(own - wanted) <= tolerance * wanted + SAME_SPACING_MM


def _with_spacing(scan: Geometry, spacing: FloatTriple, rule: str) -> Geometry:
    if rule == "extent":
        return _filled(scan, spacing)
    if rule == "first_voxel":
        return scan.with_spacing_from_first_voxel(spacing[::-1])
    return scan.with_spacing(spacing[::-1])


def _filled(scan: Geometry, spacing: FloatTriple) -> Geometry:
    """The same outer faces, with voxels of about ``spacing``, mm along K, J, I (nnU-Net's rule)."""
    sizes = zip(scan.shape, scan.spacing[::-1].tolist(), spacing, strict=True)
    shape = np.array([max(1, round(_as_in_header(own) / wanted * n)) for n, own, wanted in sizes])
    factor = np.array(scan.shape)[::-1] / shape[::-1]
    matrix = scan.ijk_to_ras.copy()
    matrix[:3, :3] *= factor
    matrix[:3, 3] = scan.index_to_ras(0.5 * factor - 0.5)
    return Geometry((int(shape[0]), int(shape[1]), int(shape[2])), matrix)


def _as_in_header(mm: float) -> float:
    """A spacing without what it lost on its way through a matrix.

    Half a voxel is rounded up or down by the last bit: 35 slices of 0.9 mm are 31.5 of 1 mm, but a little less where
    the header is NIfTI's and holds 0.9 in 32 bits. The axes of an oblique scan hold its spacing only as their length.
    """
    decimal = round(mm, 6)
    return decimal if abs(decimal - mm) < DECIMAL else float(np.float32(mm))


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
