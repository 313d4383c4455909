"""The segments' surfaces seen from the front, drawn without a graphics library.

An off-screen window of a graphics library needs drivers that many machines lack, and some die without them. A view
along one axis needs none: each pixel's ray is a column of the grid, and the first voxel inside is what one sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from MedDLCore.resample import resample
from MedDLCore.volume import Geometry, LabelMap

from .planes import CORONAL

SURFACE = 0.4
"""A smoothed segment's surface lies where its density falls below this: thin parts stay connected."""

GLASS_OPACITY = (0.10, 0.70)
"""Of a segment that encloses others: looked at from the front, and at its rim."""

_LIGHT = np.array([-0.45, -0.55, -0.70])
"""From the upper left, over the onlooker's shoulder: right, down, away."""

_HAZE = 0.3
"""How much darker the farthest surfaces are."""

_CELL_PIXELS = 3
"""Depth and slope of a surface are smooth: they are found on a grid this much coarser than the picture, or more."""

_CELL_VOXELS = 0.25
"""Cells are not smaller than this part of a voxel of the scan: nothing more is to be seen."""

_WIDEST = 24.0
"""Widest smoothing, in voxels of the coarse grid."""


def paintRelief(labelMap: LabelMap, pixels: int) -> tuple[NDArray[np.float32], float]:
    """Draws all segments from the front: the patient's right at the left.

    A segment that encloses most of the others is drawn like glass.

    Args:
        labelMap: any geometry.
        pixels: along the longer edge of what the segments fill, roughly; cost grows with the cube.

    Returns:
        ``(height, width, 4)`` red, green, blue, opacity, 0 to 1 (1 pixel, empty, where there are no segments), and the
        size of a pixel in mm.
    """
    grid, fine = _viewGrid(labelMap, pixels)
    if grid is None:
        return np.zeros((1, 1, 4), np.float32), 1.0
    rows, columns, depths = grid.shape
    cell = float(grid.spacing[0])
    picture = np.zeros((rows * fine, columns * fine, 4), np.float32)
    nearest = np.full(picture.shape[:2], np.inf, np.float32)
    layers = [resample(labelMap.layer(n), labelMap.geometry, grid, "nearest") for n in range(labelMap.layers)]
    boxes = {label: box for label in labelMap.labels if (box := _box(layers[label.layer] == label.value)) is not None}
    glassy = {label for label in boxes if _encloses(boxes[label], [b for other, b in boxes.items() if other != label])}
    sigma = _smoothing(labelMap.geometry, cell)
    margin = 3 + int(np.ceil(2 * sigma.max()))
    for label in sorted(boxes, key=lambda label: label in glassy):
        box = tuple(slice(max(0, a - margin), b + margin) for a, b in boxes[label])
        depth, normal, coverage = _surface(_smooth(layers[label.layer][box] == label.value, sigma), fine)
        depth += box[2].start
        here = tuple(slice(s.start * fine, s.start * fine + n) for s, n in zip(box, depth.shape, strict=False))
        seen = np.where(depth < nearest[here], coverage, 0)
        if label in glassy:
            low, high = GLASS_OPACITY
            seen *= low + (high - low) * (1 - np.clip(-normal[..., 2], 0, 1)) ** 2
        else:
            nearest[here] = np.where(seen > 0.5, depth, nearest[here])
        haze = 1 - _HAZE * np.clip(depth / depths, 0, 1)
        _over(picture[here], _shaded(np.array(label.color, np.float32) / 255, normal) * haze[..., None], seen)
    return _trimmed(picture), cell / fine


def _viewGrid(labelMap: LabelMap, pixels: int) -> tuple[Geometry | None, int]:
    """An isotropic grid around all segments: k down, j to the picture's right, i away; and the pixels of a cell."""
    inside = labelMap.array > 0 if labelMap.array.ndim == 3 else (labelMap.array > 0).any(axis=0)
    box = _box(inside)
    if box is None:
        return None, 1
    filled = labelMap.geometry.cropped([a for a, _ in box], [b for _, b in box])
    corners = filled.corners() @ CORONAL.axes
    low, high = corners.min(axis=0), corners.max(axis=0)
    extent = float((high - low)[:2].max())
    cell = max(extent * _CELL_PIXELS / pixels, _CELL_VOXELS * float(labelMap.geometry.spacing.min()))
    margin = 4 + np.ceil(2 * _smoothing(labelMap.geometry, cell).max())
    columns, rows, depths = (int(np.ceil(n / cell + 2 * margin)) for n in high - low)
    first = (low + high) / 2 - cell * (np.array([columns, rows, depths]) - 1) / 2
    grid = Geometry.from_parts((rows, columns, depths), [cell] * 3, CORONAL.axes[:, [2, 0, 1]], CORONAL.axes @ first)
    return grid, max(1, round(pixels / max(rows, columns)))


def _smoothing(geometry: Geometry, cell: float) -> NDArray[np.float64]:
    """``(3,)`` standard deviation in cells along rows, columns and depth: most of a voxel of the scan."""
    reach = np.abs(CORONAL.axes.T @ geometry.ijk_to_ras[:3, :3]).max(axis=1)
    columns, rows, depths = np.clip(0.8 * reach / cell, 1.0, _WIDEST)
    return np.array([rows, columns, depths])


def _box(inside: NDArray[np.bool_]) -> list[tuple[int, int]] | None:
    """First index and past-the-last index on each axis of what is inside; None where nothing is."""
    box = []
    for axis in range(3):
        filled = np.flatnonzero(inside.any(axis=tuple(n for n in range(3) if n != axis)))
        if not filled.size:
            return None
        box.append((int(filled[0]), int(filled[-1]) + 1))
    return box


def _encloses(box: list[tuple[int, int]], others: list[list[tuple[int, int]]]) -> bool:
    """More than half of the other boxes lie in this one."""
    held = sum(all(a <= c and d <= b for (a, b), (c, d) in zip(box, other, strict=True)) for other in others)
    return held > len(others) / 2


def _smooth(inside: NDArray[np.bool_], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """A Gaussian as three running means on each axis; its width, and not its cost, depends on ``sigma``."""
    density = inside.astype(np.float32)
    for axis in range(3):
        radius = max(1, round((float(np.sqrt(1 + 4 * sigma[axis] ** 2)) - 1) / 2))
        for _ in range(3):
            density = _runningMean(density, axis, radius)
    return density


def _runningMean(density: NDArray[np.float32], axis: int, radius: int) -> NDArray[np.float32]:
    """Mean of ``2 radius + 1`` neighbours, 0 beyond the ends."""
    padding = [(0, 0)] * 3
    padding[axis] = (radius + 1, radius)
    total = np.moveaxis(np.pad(density, padding), axis, 0)
    np.cumsum(total, axis=0, out=total)
    width = 2 * radius + 1
    mean: NDArray[np.float32] = np.moveaxis((total[width:] - total[:-width]) / np.float32(width), 0, axis)
    return mean


def _surface(
    density: NDArray[np.float32], fine: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What an onlooker sees of a density: depth in cells, normal (right, down, away), coverage; on fine pixels."""
    level = SURFACE * min(1.0, float(density.max()))
    thickest = density.max(axis=2)
    row, column = np.indices(thickest.shape)
    first = np.where(thickest > level, (density > level).argmax(axis=2), density.argmax(axis=2))
    first = np.maximum(first, 1)
    behind, before = density[row, column, first], density[row, column, first - 1]
    share = np.clip((level - before) / np.maximum(behind - before, 1e-6), 0, 1)
    slopes = [_slope(density, first, share, axis) for axis in (1, 0, 2)]
    normal = -np.stack([_refined(slope, fine) for slope in slopes], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    coverage = np.clip((_refined(thickest, fine) / level - 0.9) / 0.2, 0, 1)
    return _refined(first - 1 + share, fine), normal, coverage


def _refined(coarse: NDArray[Any], fine: int) -> NDArray[np.float32]:
    """A smooth map on finer pixels."""
    height, width = coarse.shape
    image = Image.fromarray(coarse.astype(np.float32))
    return np.array(image.resize((width * fine, height * fine), Image.Resampling.BICUBIC))


def _slope(density: NDArray[np.float32], first: NDArray[Any], share: NDArray[Any], axis: int) -> NDArray[Any]:
    """The density's central difference along an axis, at the surface between cells ``first - 1`` and ``first``."""
    row, column = np.indices(first.shape)

    def at(depth: NDArray[Any]) -> NDArray[Any]:
        up, down = [row, column, depth], [row, column, depth]
        up[axis] = np.minimum(up[axis] + 1, density.shape[axis] - 1)
        down[axis] = np.maximum(down[axis] - 1, 0)
        return density[tuple(up)] - density[tuple(down)]

    return share * at(first) + (1 - share) * at(first - 1)


def _shaded(color: NDArray[np.float32], normal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The colour under a lamp and the onlooker's own, with a highlight (Blinn 1977)."""
    light = _LIGHT / np.linalg.norm(_LIGHT)
    halfway = light + np.array([0, 0, -1])
    halfway /= np.linalg.norm(halfway)
    lamp, own = np.clip(normal @ light, 0, 1), np.clip(-normal[..., 2], 0, 1)
    gloss = np.clip(normal @ halfway, 0, 1) ** 40
    shaded = color * (0.22 + 0.60 * lamp + 0.25 * own)[..., None] + 0.18 * gloss[..., None]
    return np.clip(shaded, 0, 1).astype(np.float32)


def _trimmed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without empty rows and columns at the edges; its middle moves with what is left."""
    drawn = picture[..., 3] > 0
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else picture[:1, :1]


def _over(below: NDArray[np.float32], tint: NDArray[np.float32], opacity: NDArray[Any]) -> None:
    """Lays a colour over what is there, in place (Porter and Duff 1984, "over", straight alpha)."""
    a = opacity[..., None].astype(np.float32)
    rest = below[..., 3:] * (1 - a)
    total = np.maximum(a + rest, 1e-6)
    below[..., :3] = (tint * a + below[..., :3] * rest) / total
    below[..., 3:] = a + rest
