"""A plane through scan and segmentation, parallel to the patient's own planes, as a radiologist looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.resample import Interpolation, resample
from MedDLCore.volume import Geometry, LabelMap, Volume

FILL_OPACITY = 0.35
OUTLINE_PIXELS = 3

SOFT_TISSUE_HU = (-160.0, 240.0)
LUNG_HU = (-1350.0, 150.0)
_AERATED_HU = -400.0
"""Where the segmentation's median lies lower, it is looked at in the lung window."""

_SAMPLES = 400_000


@dataclass(frozen=True)
class View:
    """A direction to look in.

    Attributes:
        name: what a person calls it.
        right, down: where the picture's right and lower edge lie, as RAS unit vectors.
        letters: the directions at the left, right, upper and lower edge.
    """

    name: str
    right: tuple[int, int, int]
    down: tuple[int, int, int]
    letters: str

    @property
    def axes(self) -> NDArray[np.float64]:
        """``(3, 3)``: columns are the picture's right, its lower edge, and the direction away from the onlooker."""
        right, down = np.array(self.right, dtype=float), np.array(self.down, dtype=float)
        return np.column_stack([right, down, np.cross(right, down)])

    @property
    def normal(self) -> int:
        """Which of R, A, S the plane is perpendicular to."""
        return int(np.flatnonzero(self.axes[:, 2])[0])


AXIAL = View("Axial", (-1, 0, 0), (0, -1, 0), "RLAP")
CORONAL = View("Coronal", (-1, 0, 0), (0, 0, -1), "RLSI")
SAGITTAL = View("Sagittal", (0, -1, 0), (0, 0, -1), "APSI")
"""Radiological: the patient's right at the left, seen from the feet and from the front; sagittal faces to the left."""


def planeThrough(geometry: Geometry, view: View, point: NDArray[np.float64], width: int, height: int) -> Geometry:
    """The grid of a picture that shows the whole extent of ``geometry``, with square pixels.

    Returns:
        ``(1, height, width)``: pixel rows and columns as j and i.
    """
    corners = geometry.corners() @ view.axes
    low, high = corners.min(axis=0), corners.max(axis=0)
    pixel = float(max((high - low)[:2] / (width, height)))
    centre = (low + high) / 2
    centre[2] = point @ view.axes[:, 2]
    centre[:2] -= pixel * (np.array([width, height]) - 1) / 2
    return Geometry.from_parts((1, height, width), (pixel, pixel, 1.0), view.axes, view.axes @ centre)


def cut(
    array: NDArray[Any], geometry: Geometry, plane: Geometry, interpolation: Interpolation, fill: float
) -> NDArray[Any]:
    """``(height, width)``: the array at the plane's pixels. Only the part of it that the plane meets is touched."""
    _, height, width = plane.shape
    index = geometry.ras_to_index(plane.index_to_ras([(i, j, 0) for i in (0, width - 1) for j in (0, height - 1)]))
    size = np.array(geometry.shape)
    start = np.clip(np.floor(index.min(axis=0))[::-1] - 2, 0, size - 1).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0))[::-1] + 3, 1, size).astype(int)
    part = array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    return resample(part, geometry.cropped(start.tolist(), stop.tolist()), plane, interpolation, fill)[0]


def paint(volume: Volume, labelMap: LabelMap, plane: Geometry, window: tuple[float, float]) -> NDArray[np.float32]:
    """The picture of a plane: the scan in grey, segments as a tint with an outline.

    Args:
        volume: its first channel is shown.
        labelMap: on any grid; later layers lie over earlier ones.
        plane: from ``planeThrough``.
        window: the values that become black and white.

    Returns:
        ``(height, width, 3)`` red, green, blue, 0 to 1.
    """
    low, high = window
    image = volume.array if volume.array.ndim == 3 else volume.array[0]
    values = cut(image, volume.geometry, plane, "linear", low).astype(np.float32)
    grey = np.clip(np.nan_to_num(values - low) / max(high - low, 1e-6), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2)
    for layer in range(labelMap.layers):
        labels = cut(labelMap.layer(layer), labelMap.geometry, plane, "nearest", 0)
        table = _colours(labelMap, layer)
        opacity = np.where(_outline(labels), 1.0, FILL_OPACITY) * (labels > 0)
        picture += opacity[..., None].astype(np.float32) * (table[labels] - picture)
    return picture


def windowOf(volume: Volume, labelMap: LabelMap) -> tuple[float, float]:
    """The values to show as black and white: a CT's by its tissue, any other's by its percentiles."""
    image = volume.array if volume.array.ndim == 3 else volume.array[0]
    step = _step(image.size)
    sample = image[::step, ::step, ::step].astype(np.float32).ravel()
    sample = sample[np.isfinite(sample)]
    if volume.modality == "CT" or (volume.modality is None and sample.size and np.percentile(sample, 1) < -500):
        inside = _insideSegments(volume, labelMap, step)
        return LUNG_HU if inside.size and np.median(inside) < _AERATED_HU else SOFT_TISSUE_HU
    shown = sample[sample != 0]
    if not shown.size:
        return 0.0, 1.0
    low, high = np.percentile(shown, (1, 99.5))
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)


def mostOf(labelMap: LabelMap, within: Geometry) -> NDArray[np.float64]:
    """``(3,)`` RAS mm: on each axis, where the plane across it shows most of most segments.

    Each segment counts by how large its cut is in relation to its largest, so that small ones are not outvoted by the
    body around them. The centre of ``within``, where the segmentation is empty.
    """
    points, segments = _segmentPoints(labelMap)
    if not len(points):
        return within.corners().mean(axis=0)
    width = max(1.0, float(labelMap.geometry.spacing.max()) * _step(labelMap.layer(0).size))
    place = np.empty(3)
    for axis in range(3):
        low = points[:, axis].min()
        bins = ((points[:, axis] - low) / width).astype(np.int64)
        size = int(bins.max()) + 1
        area = np.bincount(segments * size + bins, minlength=(int(segments.max()) + 1) * size).reshape(-1, size)
        smooth = np.stack([np.convolve(one, [1, 2, 3, 2, 1])[2:-2] for one in area])
        score = (smooth / np.maximum(smooth.max(axis=1, keepdims=True), 1)).sum(axis=0)
        best = np.flatnonzero(score > score.max() - 1e-9)
        place[axis] = low + (best[len(best) // 2] + 0.5) * width
    return place


def _segmentPoints(labelMap: LabelMap) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """``(N, 3)`` RAS mm of the segments' voxels, a regular part of them where they are many; the segment of each."""
    points, segments = [], []
    top = int(np.iinfo(labelMap.array.dtype).max) + 1
    for n in range(labelMap.layers):
        layer = labelMap.layer(n)
        step = _step(layer.size)
        thinned = layer[::step, ::step, ::step]
        if not thinned.any():
            thinned, step = layer, 1
        points.append(labelMap.geometry.index_to_ras(np.argwhere(thinned)[:, ::-1] * step))
        segments.append(thinned[thinned > 0].astype(np.int64) + n * top)
    return np.concatenate(points), np.unique(np.concatenate(segments), return_inverse=True)[1]


def _insideSegments(volume: Volume, labelMap: LabelMap, step: int) -> NDArray[Any]:
    image = volume.array if volume.array.ndim == 3 else volume.array[0]
    if not labelMap.geometry.same_as(volume.geometry):
        return image[:0, 0, 0]
    inside = labelMap.array > 0 if labelMap.array.ndim == 3 else (labelMap.array > 0).any(axis=0)
    return image[::step, ::step, ::step][inside[::step, ::step, ::step]]


def _step(voxels: int) -> int:
    """Every how many-th voxel of each axis is enough for statistics."""
    return max(1, int((voxels / _SAMPLES) ** (1 / 3)))


def _colours(labelMap: LabelMap, layer: int) -> NDArray[np.float32]:
    """``(values, 3)``: the colour of each value, 0 to 1; white where a value has no label."""
    table = np.ones((int(np.iinfo(labelMap.array.dtype).max) + 1, 3), np.float32)
    for label in labelMap.labels:
        if label.layer == layer:
            table[label.value] = np.array(label.color) / 255
    return table


def _outline(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of a segment within ``OUTLINE_PIXELS`` of another one or of none."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for distance in range(1, OUTLINE_PIXELS + 1):
            before = np.take(labels, range(distance, labels.shape[axis]), axis)
            after = np.take(labels, range(labels.shape[axis] - distance), axis)
            near, far = [slice(None)] * 2, [slice(None)] * 2
            near[axis], far[axis] = slice(0, -distance), slice(distance, None)
            edge[tuple(near)] |= before != after
            edge[tuple(far)] |= before != after
    return edge & (labels > 0)
