"""Where the slices of a stack lie, as scanned and as an even grid; tilt, gaps and uneven spacing by name."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..volume import AcquiredSlices, Geometry
from .dicom_slices import Slice
from .dicom_spacing import even_grid, expected_distances, is_even, missing, uncovered
from .dicom_stacks import Stack, thickness_of

ASIDE_MM = 0.1
"""Slices are straight above each other when none is shifted aside by more than this."""

SQUARE_MM = 0.1
"""Rows and columns are perpendicular when making them so moves no corner of the slice by more than this."""

WHOLE_PIXEL = 1e-3
"""A tilt that reaches no more than this part of a pixel beyond a column needs no further column."""

WHOLE_STEP = 0.1
"""A distance is a whole number of steps when it is one to this part of a step."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_LISTED = 5
_AXES = ("R", "A", "S")


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a stack lies.

    Attributes:
        acquired: its slices as scanned.
        geometry: the grid of the volume.
        depths: ``(N,)`` mm: the slices along their normal.
        planes: ``(M,)`` mm: the planes of the grid, in the same measure.
        tilted: slices are shifted aside against each other.
        regular: the slices are the planes of the grid; no voxel is interpolated.
        notices: what is irregular.
    """

    acquired: AcquiredSlices
    geometry: Geometry
    depths: NDArray[np.float64]
    planes: NDArray[np.float64]
    tilted: bool
    regular: bool
    notices: tuple[Notice, ...]


def lay_out(stack: Stack, allow: Set[Code] = frozenset()) -> Layout:
    """Places a stack in the world.

    The grid keeps the slices' rows and columns; k runs along rows x columns, so that it is right-handed. An even
    stack keeps its own planes. For any other, the grid's planes follow ``even_grid``, and rows and columns are
    extended to hold all slices of a tilted stack.

    Args:
        stack: parallel slices along their normal.
        allow: with GEOM_GAP in it, gaps of any size are accepted.

    Raises:
        MedDLError: GEOM_GAP, GEOM_SINGULAR, GEOM_MISSING (a single slice without thickness).
    """
    slices = stack.slices
    axes = _axes(slices)
    positions = np.stack([item.position for item in slices]) @ LPS_TO_RAS
    depths = positions @ axes[:, 2]
    aside = (positions - positions[0]) @ axes[:, :2]
    tilted = float(np.ptp(aside, axis=0).max(initial=0)) > ASIDE_MM and len(slices) > 1
    thickness = thickness_of(slices)
    notices = [_tilt(depths, aside)] if tilted else []
    notices += _gaps(depths, thickness, slices, axes[:, 2], allow)
    even = is_even(depths)
    planes = np.linspace(depths[0], depths[-1], len(depths))
    if not even:
        holes = missing(depths, thickness)
        planes = even_grid(depths, holes)
        notices += _variable(depths, holes, planes)
    steps = np.array([*slices[0].spacing, _slice_distance(planes, slices[0])])
    matrix = np.eye(4)
    matrix[:3, :3] = axes * steps
    size = np.array([slices[0].pixels.columns, slices[0].pixels.rows])
    if tilted:
        least, most = aside.min(axis=0), aside.max(axis=0)
        matrix[:3, 3] = positions[0] + axes[:, :2] @ least
        size += np.ceil((most - least) / steps[:2] - WHOLE_PIXEL).astype(int)
    else:
        matrix[:3, 3] = (positions - np.outer(depths - depths[0], axes[:, 2])).mean(axis=0)
    geometry = Geometry((len(planes), int(size[1]), int(size[0])), matrix)
    acquired = _acquired(slices, axes, positions)
    return Layout(acquired, geometry, depths, planes, tilted, even and not tilted, tuple(notices))


def _axes(slices: tuple[Slice, ...]) -> NDArray[np.float64]:
    """``(3, 3)`` RAS: unit vectors of i, j, k, from the mean of all slices, made exactly perpendicular."""
    first = slices[0]
    across = np.mean([item.across for item in slices], axis=0)
    down = np.mean([item.down for item in slices], axis=0)
    u, _, vt = np.linalg.svd(np.stack([across, down], axis=1), full_matrices=False)
    square = u @ vt
    moved = (square - np.stack([first.across, first.down], axis=1)) * np.linalg.norm(first.edges, axis=0)
    if np.linalg.norm(moved, axis=0).sum() > SQUARE_MM:
        raise MedDLError(Code.GEOM_SINGULAR, f"{first.name}: its rows and columns are not perpendicular.")
    axes: NDArray[np.float64] = LPS_TO_RAS @ np.column_stack([square, np.cross(square[:, 0], square[:, 1])])
    return axes


def _acquired(slices: tuple[Slice, ...], axes: NDArray[np.float64], positions: NDArray[np.float64]) -> AcquiredSlices:
    first = slices[0]
    matrices = np.tile(np.eye(4), (len(slices), 1, 1))
    matrices[:, :3, :3] = axes * np.array([*first.spacing, 1.0])
    matrices[:, :3, 3] = positions
    return AcquiredSlices(
        matrices,
        (first.pixels.rows, first.pixels.columns),
        tuple(item.file.path for item in slices),
        tuple(item.frame for item in slices),
    )


def _slice_distance(planes: NDArray[np.float64], first: Slice) -> float:
    if len(planes) > 1:
        return float(planes[-1] - planes[0]) / (len(planes) - 1)
    if first.thickness is None:
        raise MedDLError(Code.GEOM_MISSING, f"{first.name} is a single slice that does not state its thickness.")
    return first.thickness


def _tilt(depths: NDArray[np.float64], aside: NDArray[np.float64]) -> Notice:
    drift = np.polyfit(depths, aside, 1)
    straight = np.ptp(aside - np.outer(depths, drift[0]), axis=0).max() <= ASIDE_MM
    angle = np.degrees(np.arctan(np.linalg.norm(drift[0])))
    how = f"Slices are tilted by {angle:.1f} degrees" if straight else "Slices are shifted irregularly"
    most = np.linalg.norm(np.ptp(aside, axis=0))
    return Notice(Code.GEOM_TILT, f"{how}, up to {most:.1f} mm sideways; the scan was resampled to a straight grid.")


def _gaps(
    depths: NDArray[np.float64],
    thickness: NDArray[np.float64],
    slices: tuple[Slice, ...],
    normal: NDArray[np.float64],
    allow: Set[Code],
) -> list[Notice]:
    if len(depths) < 2:
        return []
    open_gaps = uncovered(depths, thickness)
    holes = missing(depths, thickness) | open_gaps
    if not holes.any():
        return []
    usual = expected_distances(depths, thickness)
    centres = np.stack([item.position + item.edges.sum(axis=1) / 2 for item in slices]) @ LPS_TO_RAS
    axis = int(np.argmax(np.abs(normal)))
    found = []
    for n in np.flatnonzero(holes):
        low, high = sorted((centres[n, axis], centres[n + 1, axis]))
        text = f"{_AXES[axis]} {low:.1f} and {high:.1f} mm ({depths[n + 1] - depths[n]:.4g} mm apart"
        found.append(f"{text}, usual here: {usual[n]:.4g} mm)" if usual[n] < depths[n + 1] - depths[n] else f"{text})")
    listed = "; ".join(found[:_LISTED]) + ("" if len(found) <= _LISTED else f"; and {len(found) - _LISTED} more")
    if open_gaps.any() and Code.GEOM_GAP not in allow:
        raise MedDLError(Code.GEOM_GAP, f"The scan has a gap too large to fill. No slices between {listed}.")
    return [Notice(Code.GEOM_GAP, f"Slices are missing; values between are interpolated. No slices between {listed}.")]


def _variable(depths: NDArray[np.float64], holes: NDArray[np.bool_], planes: NDArray[np.float64]) -> list[Notice]:
    """Warns where spacing changes for another reason than missing slices."""
    steps = np.diff(depths)
    present = steps[~holes]
    if not present.size or is_even(np.concatenate([[0.0], np.cumsum(present)])):
        whole = steps / np.median(present) if present.size else np.ones(1)
        if np.abs(whole - np.round(whole)).max() < WHOLE_STEP:
            return []
    low, high = float(steps.min()), float(steps.max())
    listed = " and ".join(f"{step:.4g}" for step in _most_common(present if present.size else steps))
    return [
        Notice(
            Code.GEOM_VARIABLE,
            f"Slice spacing changes: mostly {listed} mm, from {low:.4g} to {high:.4g} mm; "
            f"resampled to {planes[1] - planes[0]:.4g} mm.",
        )
    ]


def _most_common(steps: NDArray[np.float64]) -> list[float]:
    """The two most frequent distances, the shorter first."""
    values, counts = np.unique(np.round(steps, 2), return_counts=True)
    return sorted(float(value) for value in values[np.argsort(-counts, kind="stable")[:2]])
