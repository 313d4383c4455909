"""The table of segments: how large each is, and what the scan's values are inside."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import atomic_path
from ..volume import LabelMap, Volume

COLUMNS = ("name", "value", "voxels", "volume_mL", "mean", "standard_deviation", "minimum", "maximum", "touches_edge")
"""The columns of the table, always in this order."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_VALUES = 65536


@dataclass(frozen=True)
class SegmentStatistics:
    """One row of the table.

    Attributes:
        name: the label's.
        value: its voxel value.
        voxels: how many there are.
        volume_mL: voxels times the volume of one.
        mean, standard_deviation, minimum, maximum: of the scan's values inside (HU for CT), of the population
            (divided by the number of voxels); None for an empty segment.
        touches_edge: it reaches an outer face of the scan: part of the structure may lie outside.
    """

    name: str
    value: int
    voxels: int
    volume_mL: float  # noqa: N815 (the litre is written so)
    mean: float | None
    standard_deviation: float | None
    minimum: float | None
    maximum: float | None
    touches_edge: bool


def segment_statistics(label_map: LabelMap, volume: Volume) -> tuple[SegmentStatistics, ...]:
    """One row for each label, in their order.

    Goes through the scan twice, slice by slice, however many labels there are: the mean first, then the deviation
    from it, which is exact where a running sum of squares is not (values far from zero, little spread).

    Args:
        label_map: on the grid of ``volume``.
        volume: of several channels, the first is measured.

    Raises:
        ValueError: the two do not lie on one grid.
    """
    if not label_map.geometry.same_as(volume.geometry):
        raise ValueError("the label map does not lie on the volume's grid")
    scan = volume.array if volume.array.ndim == 3 else volume.array[0]
    layers = [_Sums(label_map.layer(n), scan) for n in range(label_map.layers)]
    millilitres = label_map.geometry.voxel_volume / 1000
    return tuple(layers[label.layer].row(label.name, label.value, millilitres) for label in label_map.labels)


class _Sums:
    """What is known of every label value of one layer."""

    def __init__(self, layer: NDArray[Any], scan: NDArray[Any]) -> None:
        self.count = np.zeros(_VALUES, dtype=np.int64)
        self.mean = np.zeros(_VALUES)
        self.squares = np.zeros(_VALUES)
        self.low = np.full(_VALUES, np.inf)
        self.high = np.full(_VALUES, -np.inf)
        for labels, values in _inside(layer, scan):
            self.count += np.bincount(labels, minlength=_VALUES)
            self.mean += np.bincount(labels, weights=values, minlength=_VALUES)
            np.minimum.at(self.low, labels, values)
            np.maximum.at(self.high, labels, values)
        self.mean /= np.maximum(self.count, 1)
        for labels, values in _inside(layer, scan):
            self.squares += np.bincount(labels, weights=(values - self.mean[labels]) ** 2, minlength=_VALUES)
        self.at_edge = _values_at_edge(layer)

    def row(self, name: str, value: int, millilitres: float) -> SegmentStatistics:
        """The row of one label; ``millilitres`` is the volume of a voxel."""
        count = int(self.count[value])
        if not count:
            return SegmentStatistics(name, value, 0, 0.0, None, None, None, None, False)
        return SegmentStatistics(
            name,
            value,
            count,
            count * millilitres,
            float(self.mean[value]),
            float(np.sqrt(self.squares[value] / count)),
            float(self.low[value]),
            float(self.high[value]),
            value in self.at_edge,
        )


def _inside(layer: NDArray[Any], scan: NDArray[Any]) -> Any:
    """Yields, for each slice that has any, the labels and the scan's values (float64) of its labelled voxels."""
    for labels, values in zip(layer, scan, strict=True):
        labelled = labels != 0
        if labelled.any():
            yield labels[labelled], values[labelled].astype(np.float64)


def _values_at_edge(layer: NDArray[Any]) -> set[int]:
    faces = [layer[0], layer[-1], layer[:, 0], layer[:, -1], layer[:, :, 0], layer[:, :, -1]]
    return {int(value) for face in faces for value in np.unique(face)}


def spreadsheet_cell(text: str) -> str:
    """The text as a spreadsheet shows it: what it would run as a formula gets a leading apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def write_statistics(rows: Sequence[SegmentStatistics], path: Path) -> None:
    """Writes the table as CSV: UTF-8, RFC 4180 (CRLF, quotes where needed), numbers with a point, nothing of a patient.

    A name that a spreadsheet would run as a formula (it begins with ``= + - @`` or a control character) gets a
    leading apostrophe, as OWASP advises; cells of an empty segment stay empty.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for row in rows:
            name = spreadsheet_cell(row.name)
            numbers = (row.volume_mL, row.mean, row.standard_deviation, row.minimum, row.maximum)
            texts = ["" if number is None else f"{number:.10g}" for number in numbers]
            writer.writerow([name, row.value, row.voxels, *texts, "yes" if row.touches_edge else "no"])
