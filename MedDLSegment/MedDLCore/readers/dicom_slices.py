"""What the header of a DICOM file says of each of its slices: single-frame files and functional groups alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError
from ..volume import SINGULAR_DETERMINANT
from .dicom_files import DicomFile, check_native_length
from .dicom_tags import Tags

Lookup = Callable[[str, str], Tags]
"""(functional group, attribute) -> where the attribute of a frame stands."""

MULTI_FRAME_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in ("2.1", "2.2", "4.1", "4.4", "130", "128.1")
)
"""Enhanced and legacy converted enhanced CT, MR and PET."""

FARTHEST_MM = 1e6
"""No scanner places or measures a voxel farther than this."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """How the numbers of a file are stored (PS3.3 C.7.6.3).

    Attributes:
        rows, columns, frames: of the file.
        allocated, stored: bits of a number.
        signed: two's complement.
        photometric: ``MONOCHROME1`` or ``MONOCHROME2``.
    """

    rows: int
    columns: int
    frames: int
    allocated: int
    stored: int
    signed: bool
    photometric: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type that holds the stored numbers."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.allocated // 8}")


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice as its header describes it; patient coordinates are DICOM's (LPS, mm).

    Attributes:
        file: where it is.
        pixels: how its file stores numbers.
        frame: 0-based number within the file.
        position: ``(3,)`` centre of the first pixel.
        across, down: ``(3,)`` unit vectors along a row (i) and along a column (j).
        spacing: mm along i and along j.
        thickness: SliceThickness, mm, or None where it is absent or not positive.
        slope, intercept: of the modality's values; 1 and 0 where the header does not state them.
        unstated: at least one of the two is not in the header.
        padding: the stored values from which to which pixels are no measurement, or None.
        acquisition: AcquisitionNumber.
        moment: what tells volumes of a time, echo, diffusion or cardiac series apart.
        order: sorts repeats of one place as they were acquired.
        stack: StackID, or ``""``.
    """

    file: DicomFile
    pixels: Pixels
    frame: int
    position: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float | None
    slope: float
    intercept: float
    unstated: bool
    padding: tuple[float, float] | None
    acquisition: int | None
    moment: tuple[float | str, ...]
    order: tuple[float | str, ...]
    stack: str

    @property
    def normal(self) -> NDArray[np.float64]:
        """``(3,)`` unit vector in which slices are counted: across x down."""
        cross = np.cross(self.across, self.down)
        normal: NDArray[np.float64] = cross / np.linalg.norm(cross)
        return normal

    @property
    def edges(self) -> NDArray[np.float64]:
        """``(3, 2)`` mm: the whole row and the whole column as vectors."""
        columns, rows = self.pixels.columns, self.pixels.rows
        return np.stack([self.across * self.spacing[0] * columns, self.down * self.spacing[1] * rows], axis=1)

    @property
    def name(self) -> str:
        """For messages: the file, and the frame of a multi-frame file counted from 1."""
        return self.file.name if self.pixels.frames == 1 else f"{self.file.name}, frame {self.frame + 1}"


def is_localizer(file: DicomFile) -> bool:
    """ImageType (PS3.3 C.8.2.1.1.1) says so."""
    return "LOCALIZER" in file.tags.texts("ImageType")


def slices_of(file: DicomFile) -> list[Slice]:
    """All slices of a file.

    Raises:
        MedDLError: GEOM_MISSING, GEOM_SINGULAR, FILE_TRUNCATED, FILE_UNREADABLE.
    """
    pixels = _pixels(file)
    shared = file.tags.item("SharedFunctionalGroupsSequence")
    frames = file.tags.items("PerFrameFunctionalGroupsSequence")
    if not frames and pixels.frames == 1:
        return [_slice(file, pixels, 0, lambda _group, _keyword: file.tags)]
    if len(frames) != pixels.frames:
        raise MedDLError(
            Code.GEOM_MISSING if not frames else Code.FILE_UNREADABLE,
            f"{file.name} holds {pixels.frames} frames and says of {len(frames)} where they lie.",
        )
    return [_slice(file, pixels, n, _groups(frame, shared, file.tags)) for n, frame in enumerate(frames)]


def _groups(frame: Tags, shared: Tags, top: Tags) -> Lookup:
    """An attribute stands in the frame's group, else in the group all frames share, else in the file itself."""

    def lookup(group: str, keyword: str) -> Tags:
        for tags in (frame.item(group), shared.item(group)) if group else ():
            if keyword in tags.dataset:
                return tags
        return top

    return lookup


def _pixels(file: DicomFile) -> Pixels:
    tags = file.tags
    needed = {}
    for keyword in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation"):
        number = tags.integer(keyword)
        if number is None:
            raise MedDLError(Code.FILE_UNREADABLE, f"{file.name} has no {keyword}.")
        needed[keyword] = number
    rows, columns, allocated, sign = needed.values()
    stored = tags.integer("BitsStored") or allocated
    frames = tags.integer("NumberOfFrames") or 1
    if (
        min(rows, columns, frames) < 1
        or allocated not in (8, 16, 32)
        or not 1 <= stored <= allocated
        or sign not in (0, 1)
        or tags.integer("HighBit") not in (None, stored - 1)
    ):
        raise MedDLError(Code.FILE_UNREADABLE, f"{file.name}: its pixels are described by impossible numbers.")
    check_native_length(file, allocated, rows * columns, frames)
    photometric = tags.text("PhotometricInterpretation") or "MONOCHROME2"
    return Pixels(rows, columns, frames, allocated, stored, bool(sign), photometric)


def _slice(file: DicomFile, pixels: Pixels, frame: int, find: Lookup) -> Slice:
    position, across, down, spacing = _plane(file, pixels, find)
    slope = find("PixelValueTransformationSequence", "RescaleSlope").number("RescaleSlope")
    intercept = find("PixelValueTransformationSequence", "RescaleIntercept").number("RescaleIntercept")
    if slope == 0:
        raise MedDLError(Code.FILE_UNREADABLE, f"{file.name}: its rescale slope is 0, which leaves no values.")
    if slope is None and file.tags.items("ModalityLUTSequence"):
        raise MedDLError(
            Code.FILE_UNREADABLE,
            f"{file.name} keeps its values in a look-up table (Modality LUT), which MedDL does not read.",
            "Export the series with rescale slope and intercept.",
        )
    thickness = find("PixelMeasuresSequence", "SliceThickness").number("SliceThickness")
    acquisition = find("FrameContentSequence", "FrameAcquisitionNumber").integer("FrameAcquisitionNumber")
    if acquisition is None:
        acquisition = file.tags.integer("AcquisitionNumber")
    moment = _moment(find)
    instance = file.tags.integer("InstanceNumber")
    kind = find("MRImageFrameTypeSequence", "FrameType").text("FrameType") or file.tags.text("ImageType")
    return Slice(
        *(file, pixels, frame, position, across, down, spacing),
        thickness=thickness if thickness is not None and thickness > 0 else None,
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        unstated=slope is None or intercept is None,
        padding=_padding(file.tags, pixels),
        acquisition=acquisition,
        moment=moment,
        order=(*moment, kind, -1 if acquisition is None else acquisition, -1 if instance is None else instance, frame),
        stack=find("FrameContentSequence", "StackID").text("StackID"),
    )


def _plane(
    file: DicomFile, pixels: Pixels, find: Lookup
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    position = find("PlanePositionSequence", "ImagePositionPatient").numbers("ImagePositionPatient", 3)
    axes = find("PlaneOrientationSequence", "ImageOrientationPatient").numbers("ImageOrientationPatient", 6)
    steps = find("PixelMeasuresSequence", "PixelSpacing").numbers("PixelSpacing", 2)
    if position is None or axes is None or steps is None:
        missing = [
            name
            for name, value in (("position", position), ("orientation", axes), ("pixel spacing", steps))
            if value is None
        ]
        raise MedDLError(Code.GEOM_MISSING, f"{file.name} has no {' and no '.join(missing)}.")
    lengths = np.linalg.norm(axes.reshape(2, 3), axis=1)
    size = np.array([pixels.rows, pixels.columns])
    if not (np.abs(position) <= FARTHEST_MM).all() or (steps * size > FARTHEST_MM).any():
        raise MedDLError(Code.GEOM_SINGULAR, f"{file.name} places its pixels farther than any scanner could.")
    if (lengths == 0).any() or (steps <= 0).any():
        raise MedDLError(Code.GEOM_SINGULAR, f"{file.name}: its rows or columns have no direction or no spacing.")
    across, down = axes.reshape(2, 3) / lengths[:, np.newaxis]
    if np.linalg.norm(np.cross(across, down)) < SINGULAR_DETERMINANT:
        raise MedDLError(Code.GEOM_SINGULAR, f"{file.name}: its rows and columns are parallel.")
    return position, across, down, (float(steps[1]), float(steps[0]))


def _moment(find: Lookup) -> tuple[float | str, ...]:
    """Time, echo, diffusion and heart phase; -inf stands for what is not said."""
    places = (
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("", "TemporalPositionIdentifier"),
        ("MREchoSequence", "EffectiveEchoTime"),
        ("", "EchoTime"),
        ("", "InversionTime"),
        ("MRDiffusionSequence", "DiffusionBValue"),
        ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
        ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
        ("", "TriggerTime"),
    )
    found = [find(group, keyword).number(keyword) for group, keyword in places]
    return tuple(-np.inf if number is None else number for number in found)


def _padding(tags: Tags, pixels: Pixels) -> tuple[float, float] | None:
    """The range of stored values that stand for no measurement (PS3.3 C.7.5.1.1.2)."""
    value = tags.integer("PixelPaddingValue")
    if value is None:
        return None
    limit = tags.integer("PixelPaddingRangeLimit")
    ends = sorted(_as_stored(end, pixels) for end in (value, value if limit is None else limit))
    return ends[0], ends[1]


def _as_stored(value: int, pixels: Pixels) -> int:
    """A padding value written as unsigned where numbers are signed, or the other way, means the same bits."""
    value %= 2**pixels.allocated
    return value - 2**pixels.allocated if pixels.signed and value >= 2 ** (pixels.allocated - 1) else value
