"""DICOM Segmentation (PS3.3 A.51) as a label map: binary, fractional and label-map kinds, read with highdicom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.dicom_tags import BROKEN, Tags, silent_pydicom
from MedDLCore.volume import Concept, Geometry, Label, LabelMap, Terminology

from .case import Segment

PERPENDICULAR = 1e-6
"""How far the cosine between the stack and the normal of its slices may be from 1: 0.4 mm over a stack of 300 mm.
highdicom's own tolerance accepts a tilt of 2.5 degrees."""

INSIDE = 0.5
"""The fraction from which a voxel of a fractional segmentation counts as inside."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class DicomSegFile:
    """A DICOM SEG file: on the slices of its series that it covers."""

    path: Path
    own_grid: bool = True

    def read(self) -> LabelMap:
        """Reads it; values are segment numbers, in as many layers as overlaps need.

        Raises:
            MedDLError: FILE_UNREADABLE, also where its slices are not an even stack.
        """
        import highdicom

        with silent_pydicom():
            try:
                segmentation = highdicom.seg.segread(self.path)
                numbers = [int(number) for number in segmentation.segment_numbers if number]
                first, geometry = _volume(segmentation, numbers[:1])
                layers, layer_of = _layers(segmentation, numbers, first)
            except BROKEN as error:
                raise MedDLError(
                    Code.FILE_UNREADABLE,
                    f"{self.path.name}: the segmentation cannot be laid out as an even stack of slices.",
                    "Save it from Slicer as .seg.nrrd, beside the scan.",
                ) from error
        labels = tuple(
            Label(number, f"Segment {number}", (128, 128, 128), None, layer_of[number]) for number in numbers
        )
        return LabelMap(layers[0] if len(layers) == 1 else np.stack(layers), geometry, labels)


def segments_of_dicom_seg(tags: Tags, source: int = 0) -> tuple[Segment, ...]:
    """What the header names.

    Args:
        tags: of a SEG file.
        source: which of the case's segmentations it is.

    Raises:
        MedDLError: FILE_UNREADABLE.
    """
    segments = []
    for item in tags.items("SegmentSequence"):
        number = item.integer("SegmentNumber")
        if number:  # 0 is the background of a label-map segmentation
            name = item.text("SegmentLabel") or f"Segment {number}"
            segments.append(Segment(name, (number,), _terminology(item), source=source))
    return tuple(segments)


def _terminology(item: Tags) -> Terminology | None:
    category = _concept(item.items("SegmentedPropertyCategoryCodeSequence"))
    kind = _concept(item.items("SegmentedPropertyTypeCodeSequence"))
    if category is None or kind is None:
        return None
    region = item.items("AnatomicRegionSequence")
    return Terminology(
        category,
        kind,
        _concept(item.item("SegmentedPropertyTypeCodeSequence").items("SegmentedPropertyTypeModifierCodeSequence")),
        _concept(region),
        _concept(item.item("AnatomicRegionSequence").items("AnatomicRegionModifierSequence")),
    )


def _concept(items: Iterable[Tags]) -> Concept | None:
    for item in items:
        value, scheme = item.text("CodeValue"), item.text("CodingSchemeDesignator")
        if value and scheme:
            return Concept(value, scheme, item.text("CodeMeaning"))
    return None


def _volume(segmentation: Any, numbers: list[int]) -> tuple[NDArray[Any], Geometry]:
    """``(K, J, I)``: 1 in the segment (one number), and where it lies."""
    volume = segmentation.get_volume(segment_numbers=numbers, perpendicular_tol=PERPENDICULAR)
    array = np.asarray(volume.array)[..., 0]
    matrix = _LPS_TO_RAS @ np.asarray(volume.affine)[:, [2, 1, 0, 3]]
    k, j, i = array.shape
    return array >= INSIDE, Geometry((k, j, i), matrix)


def _layers(segmentation: Any, numbers: list[int], first: NDArray[Any]) -> tuple[list[NDArray[Any]], dict[int, int]]:
    """The segments one after the other, each in the first layer where it covers nothing."""
    dtype = np.uint8 if max(numbers) < 256 else np.uint16
    layers = [np.zeros(first.shape, dtype)]
    layer_of = {}
    for number in numbers:
        mask = first if number == numbers[0] else _volume(segmentation, [number])[0]
        free = next((n for n, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if free == len(layers):
            layers.append(np.zeros(first.shape, dtype))
        layers[free][mask] = number
        layer_of[number] = free
    return layers, layer_of
