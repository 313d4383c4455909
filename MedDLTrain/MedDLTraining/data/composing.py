"""The segmentations of a case as one label map: on the first scan's grid, in the data set's values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.label_values import values_present
from MedDLCore.resample import reach_beyond, resample
from MedDLCore.volume import Geometry, Label, LabelMap

from .case import Case
from .label_table import LabelTable

SAME_GRID_MM = 0.05
"""Corners of a label map and its scan may lie so far apart: headers that hold a quaternion lose as much."""

LOST_ACCEPTED = 0.01
"""The part of a segmentation that may lie outside its scan, where it has a grid of its own."""

EDGE = 1e-3
"""Voxels by which a centre may lie beyond the scan's outer face: rounding."""

Layer = tuple[int, int]
"""A segmentation of the case, and a layer of it."""

Place = tuple[int, int, int]
"""A layer, and a value there."""


@dataclass(frozen=True, eq=False)
class Composed:
    """A case's truth, and what is wrong with it.

    Attributes:
        truth: on the scan's grid. Its labels are those of the table, each in the layer where it is.
        apart: for each segmentation that is not on its scan's grid as it must be, in words how far off it is.
        unknown: values that no segment of the case has.
        lost: the part of the segmented volume that lies outside the scan, 0 to 1.
        shared: labels that several segments of the case become.
    """

    truth: LabelMap
    apart: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    lost: float = 0.0
    shared: tuple[Label, ...] = ()

    def check(self) -> None:
        """Refuses a truth that does not belong to its scan.

        Raises:
            MedDLError: LABELS_APART, DATA_INVALID.
        """
        if self.apart:
            raise MedDLError(Code.LABELS_APART, f"The label map does not lie on its scan: {'; '.join(self.apart)}.")
        if self.lost > LOST_ACCEPTED:
            raise MedDLError(Code.LABELS_APART, f"{self.lost:.0%} of the segmentation lie outside its scan.")
        if self.unknown:
            values = ", ".join(map(str, self.unknown))
            raise MedDLError(
                Code.DATA_INVALID,
                f"The label map has values that no structure has: {values}.",
                "Name them in the data set's description, or correct the label map.",
            )


def compose(case: Case, truths: Sequence[LabelMap], table: LabelTable, grid: Geometry) -> Composed:
    """Lays a case's segmentations over each other.

    Args:
        case: whose segments they are.
        truths: as their sources give them, one for each of ``case.truths``.
        table: which segment becomes which label; a left-out segment becomes background.
        grid: of the case's first scan.

    Raises:
        MedDLError: DATA_INVALID where the table has no row for a segment.
    """
    wanted, segments_of, known = _places(case, truths, table)
    apart = tuple(
        off
        for source, truth in zip(case.truths, truths, strict=True)
        if not source.own_grid and (off := _off(truth.geometry, grid))
    )
    layers: dict[Layer, NDArray[Any]] = {}
    unknown: set[int] = set()
    inside = outside = 0
    for n, truth in enumerate(truths):
        same = truth.geometry.same_as(grid, SAME_GRID_MM)
        for layer in range(truth.layers):
            stored = truth.layer(layer)
            unknown |= set(values_present(stored)) - known[n, layer]
            layers[n, layer] = stored if same else resample(stored, truth.geometry, grid, "nearest")
            if not same:
                voxels, of_them_inside = _counted(stored, truth.geometry, grid)
                inside, outside = inside + of_them_inside, outside + voxels - of_them_inside
    painted, layer_of = _painted(layers, wanted, grid, len(table.labels))
    labels = tuple(replace(label, layer=layer_of.get(label, 0)) for label in table.labels)
    shared = tuple(label for label, count in segments_of.items() if count > 1)
    lost = outside / max(inside + outside, 1)
    return Composed(LabelMap(painted, grid, labels), apart, tuple(sorted(unknown)), lost, shared)


def _places(
    case: Case, truths: Sequence[LabelMap], table: LabelTable
) -> tuple[dict[Label, set[Place]], Counter[Label], dict[Layer, set[int]]]:
    """Where each label's voxels are, how many segments it has, and all values that segments have."""
    wanted: dict[Label, set[Place]] = defaultdict(set)
    segments_of: Counter[Label] = Counter()
    known: dict[Layer, set[int]] = defaultdict(set)
    for segment in case.segments:
        label = table.label_of(case, segment)
        for value in segment.values:
            layer = segment.layer if segment.layer is not None else _layer_of(truths[segment.source], value)
            known[segment.source, layer].add(value)
            if label is not None:
                wanted[label].add((segment.source, layer, value))
        if label is not None:
            segments_of[label] += 1
    return dict(sorted(wanted.items(), key=lambda item: item[0].value)), segments_of, known


def _layer_of(truth: LabelMap, value: int) -> int:
    return next((label.layer for label in truth.labels if label.value == value), 0)


def _off(own: Geometry, grid: Geometry) -> str:
    """How a grid differs from the scan's; nothing where it has the same voxels, in whatever order they are stored."""
    if own.reoriented("RAS").same_as(grid.reoriented("RAS"), SAME_GRID_MM):
        return ""
    if own.shape != grid.shape:
        sizes = [" x ".join(map(str, geometry.shape[::-1])) for geometry in (own, grid)]
        return f"it has {sizes[0]} voxels, the scan {sizes[1]}"
    distance = own.corner_distance(grid)
    return f"its corners lie up to {distance:.3g} mm from the scan's" if distance > SAME_GRID_MM else ""


def _counted(stored: NDArray[Any], own: Geometry, grid: Geometry) -> tuple[int, int]:
    """Voxels of segments, and how many of them have their centre within the grid's outer faces. Plane by plane."""
    voxels = int(np.count_nonzero(stored))
    if (reach_beyond(grid, own) <= 0.5 + EDGE).all():
        return voxels, voxels
    last = np.array(grid.shape[::-1]) - 1
    inside = 0
    for k, plane in enumerate(stored):
        j, i = np.nonzero(plane)
        index = grid.ras_to_index(own.index_to_ras(np.stack([i, j, np.full_like(i, k)], axis=-1)))
        inside += int(((index >= -0.5 - EDGE) & (index <= last + 0.5 + EDGE)).all(axis=1).sum())
    return voxels, inside


def _painted(
    layers: Mapping[Layer, NDArray[Any]], wanted: Mapping[Label, set[Place]], grid: Geometry, count: int
) -> tuple[NDArray[Any], dict[Label, int]]:
    """The labels in as few layers as they need, and the layer of each."""
    dtype = np.uint8 if count < 256 else np.uint16
    result: list[NDArray[Any]] = [np.zeros(grid.shape, dtype)]
    layer_of: dict[Label, int] = {}
    for labels in _together(wanted):
        found = np.zeros(grid.shape, dtype)
        for key in {place[:2] for label in labels for place in wanted[label]}:
            table = np.zeros(int(layers[key].max()) + 1, dtype)
            for label in labels:
                values = [value for *its, value in wanted[label] if tuple(its) == key and value < len(table)]
                table[values] = label.value
            np.maximum(found, table[layers[key]], out=found)
        layer_of |= dict.fromkeys(labels, _into_free_layer(result, found))
    return (result[0] if len(result) == 1 else np.stack(result)), layer_of


def _together(wanted: Mapping[Label, set[Place]]) -> list[list[Label]]:
    """Labels that can be painted at once: they come from one layer, and no value of it belongs to two of them.

    A label whose segments lie in several layers is painted alone.
    """
    groups: list[list[Label]] = []
    for label, places in wanted.items():
        sources = {place[:2] for place in places}
        for group in groups:
            others = [place for other in group for place in wanted[other]]
            if {place[:2] for place in others} == sources and len(sources) == 1 and places.isdisjoint(others):
                group.append(label)
                break
        else:
            groups.append([label])
    return groups


def _into_free_layer(layers: list[NDArray[Any]], found: NDArray[Any]) -> int:
    """Adds labels to the first layer where they cover nothing; the number of that layer."""
    inside = found > 0
    for number, layer in enumerate(layers):
        if not layer[inside].any():
            layer[inside] = found[inside]
            return number
    layers.append(found)
    return len(layers) - 1
