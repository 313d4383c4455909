"""DICOM Segmentation (PS3.3 A.51) as a label map: binary, fractional and label-map kinds.

Frames that lie on the slices of the scan are taken slice by slice, so that tilted and uneven series are as good as any.
Frames of another grid must be an even stack, which highdicom lays out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from MedDLCore.errors import Code, MedDLError
from MedDLCore.readers.dicom_tags import BROKEN, Tags, silent_pydicom
from MedDLCore.volume import Concept, Geometry, Label, LabelMap, Terminology, Volume

from .case import Segment
from .slices import onto_grid, slices_met

PERPENDICULAR = 1e-6
"""How far the cosine between the stack and the normal of its slices may be from 1: 0.4 mm over a stack of 300 mm.
highdicom's own tolerance accepts a tilt of 2.5 degrees."""

INSIDE = 0.5
"""The fraction from which a voxel of a fractional segmentation counts as inside."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

MaskOf = Callable[[int], NDArray[np.bool_]]
"""A segment's number -> its voxels, ``(K, J, I)``."""


@dataclass(frozen=True)
class DicomSegFile:
    """A DICOM SEG file."""

    path: Path
    own_grid: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """That it reads."""
        return (self.path,)

    def read(self, scan: Volume) -> LabelMap:
        """Reads it: on the scan's grid where it lies on the scan's slices, else on its own.

        Values are segment numbers, in as many layers as overlaps need.

        Raises:
            MedDLError: FILE_UNREADABLE, also where its slices are neither the scan's nor an even stack.
        """
        import highdicom

        with silent_pydicom():
            try:
                segmentation = highdicom.seg.segread(self.path)
                numbers = [int(number) for number in segmentation.segment_numbers if number]
                mask_of, geometry = _on_slices(segmentation, scan) or _on_stack(segmentation, numbers)
                layers, layer_of = _layers(numbers, mask_of, geometry)
            except BROKEN as error:
                raise MedDLError(
                    Code.FILE_UNREADABLE,
                    f"{self.path.name}: the segmentation lies neither on the scan's slices nor on an even stack.",
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
    return Terminology(
        category,
        kind,
        _concept(item.item("SegmentedPropertyTypeCodeSequence").items("SegmentedPropertyTypeModifierCodeSequence")),
        _concept(item.items("AnatomicRegionSequence")),
        _concept(item.item("AnatomicRegionSequence").items("AnatomicRegionModifierSequence")),
    )


def _concept(items: Iterable[Tags]) -> Concept | None:
    for item in items:
        value, scheme = item.text("CodeValue"), item.text("CodingSchemeDesignator")
        if value and scheme:
            return Concept(value, scheme, item.text("CodeMeaning"))
    return None


def _on_slices(segmentation: Any, scan: Volume) -> tuple[MaskOf, Geometry] | None:
    """From frames that lie on the scan's slices; None where one does not."""
    if scan.acquired is None:
        return None
    planes = [_plane(frame, segmentation) for frame in segmentation.PerFrameFunctionalGroupsSequence]
    met = slices_met(planes, scan.acquired)
    if met is None:
        return None
    pixels = np.asarray(segmentation.pixel_array).reshape(len(planes), segmentation.Rows, segmentation.Columns)
    if segmentation.SegmentationType == "LABELMAP":
        numbers = None
    else:
        numbers = [_number(frame, segmentation) for frame in segmentation.PerFrameFunctionalGroupsSequence]
    least = INSIDE * int(segmentation.get("MaximumFractionalValue", 1))
    slices = scan.acquired

    def mask_of(number: int) -> NDArray[np.bool_]:
        stack = np.zeros((len(slices), *slices.shape), np.bool_)
        for n, (slice_number, frame) in enumerate(zip(met, pixels, strict=True)):
            if numbers is None:
                stack[slice_number] |= frame == number
            elif numbers[n] == number:
                stack[slice_number] |= frame >= least
        return onto_grid(stack, slices, scan.geometry)

    return mask_of, scan.geometry


def _plane(frame: Dataset, segmentation: Dataset) -> Geometry:
    """Where a frame lies: its own groups first, then those that all frames share."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]

    def group(keyword: str) -> Dataset:
        return (frame if keyword in frame else shared)[keyword].value[0]

    position = np.array(group("PlanePositionSequence").ImagePositionPatient, dtype=np.float64)
    across, down = np.array(group("PlaneOrientationSequence").ImageOrientationPatient, np.float64).reshape(2, 3)
    row_step, column_step = (float(mm) for mm in group("PixelMeasuresSequence").PixelSpacing)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = across * column_step, down * row_step, np.cross(across, down)
    matrix[:3, 3] = position
    return Geometry((1, int(segmentation.Rows), int(segmentation.Columns)), _LPS_TO_RAS @ matrix)


def _number(frame: Dataset, segmentation: Dataset) -> int:
    keyword = "SegmentIdentificationSequence"
    where = frame if keyword in frame else segmentation.SharedFunctionalGroupsSequence[0]
    return int(where[keyword].value[0].ReferencedSegmentNumber)


def _on_stack(segmentation: Any, numbers: list[int]) -> tuple[MaskOf, Geometry]:
    """From an even stack of frames, wherever it lies; frames that are not there are empty."""

    def volume_of(number: int) -> Any:
        return segmentation.get_volume(segment_numbers=[number], perpendicular_tol=PERPENDICULAR)

    first = volume_of(numbers[0])
    k, j, i = first.array.shape[:3]
    geometry = Geometry((k, j, i), _LPS_TO_RAS @ np.asarray(first.affine)[:, [2, 1, 0, 3]])
    return lambda number: np.asarray(volume_of(number).array)[..., 0] >= INSIDE, geometry


def _layers(numbers: list[int], mask_of: MaskOf, grid: Geometry) -> tuple[list[NDArray[Any]], dict[int, int]]:
    """The segments one after the other, each in the first layer where it covers nothing."""
    dtype = np.uint8 if max(numbers) < 256 else np.uint16
    layers = [np.zeros(grid.shape, dtype)]
    layer_of = {}
    for number in numbers:
        mask = mask_of(number)
        free = next((n for n, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if free == len(layers):
            layers.append(np.zeros(grid.shape, dtype))
        layers[free][mask] = number
        layer_of[number] = free
    return layers, layer_of
