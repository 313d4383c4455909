"""What a DICOM SEG takes over from its source series, and nothing more.

The SEG is built from reduced headers made here, never from the source's own, so that no private tag, institution,
device or other attribute of an optional module can slip into it (PS3.3 A.51 lists the modules of a SEG).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)
from pydicom.valuerep import DSfloat

from ..errors import Code, MedDLError
from ..volume import AcquiredSlices, Geometry

PARALLEL_MM = 0.1
"""Slices are parallel when no corner of one moves further than this where it takes the axes of the first."""

MULTI_FRAME = {
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
}

_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_IDENTITY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
"""Type 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present in a SEG, empty or not."""
_IDENTITY_IF_PRESENT = (
    *("ReferencedPatientSequence", "IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
    *("PatientBirthTime", "QualityControlSubject", "OtherPatientIDsSequence", "OtherPatientNames", "PatientComments"),
    *("PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence"),
    *("BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole", "ResponsibleOrganization"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("IssuerOfAccessionNumberSequence", "ReferringPhysicianIdentificationSequence", "StudyDescription"),
    *("ProcedureCodeSequence", "PhysiciansOfRecord", "PhysiciansOfRecordIdentificationSequence"),
    *("NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence", "ReferencedStudySequence"),
    *("RequestingService", "ReasonForPerformedProcedureCodeSequence"),
    *("PatientAge", "PatientSize", "PatientWeight"),
)
"""The rest of these two modules that is in use, and the patient's age, size and weight, which most series state.

All files of a study must say the same of the patient and the study; a SEG that leaves these out contradicts them.
"""
_CARRIED = (
    *("Modality", "PositionReferenceIndicator"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
_DETAILS = ("SpecificCharacterSet", "SeriesNumber", "SliceThickness", "SharedFunctionalGroupsSequence")
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The part of a source series that a SEG is built from.

    Attributes:
        images: reduced headers in the order of the acquired slices; a single one for a multi-frame file.
        planes: where each acquired slice lies; ``(1, rows, columns)`` each, all with the same axes.
        frames: 1-based frame number of each slice in its multi-frame file; empty for single-frame files.
        identity: patient and study attributes.
        series_number: of the source, or None.
    """

    images: tuple[Dataset, ...]
    planes: tuple[Geometry, ...]
    frames: tuple[int, ...]
    identity: Dataset
    series_number: int | None


def read_source(acquired: AcquiredSlices) -> SourceSeries:
    """Reads the headers that a SEG needs.

    Raises:
        MedDLError: SEG_REFUSED, naming the attributes that are missing or what else stands against a valid SEG;
            FILE_UNREADABLE where a file of the series has gone since it was read.
    """
    headers = {file: _read(file) for file in dict.fromkeys(acquired.files)}
    _check_required(headers.values())
    first = headers[acquired.files[0]]
    planes = _planes(acquired)
    if first.SOPClassUID in MULTI_FRAME:
        if len(headers) > 1:
            raise MedDLError(Code.SEG_REFUSED, "The series consists of several multi-frame files.")
        images: tuple[Dataset, ...] = (_multi_frame(first, planes),)
        frames = tuple(frame + 1 for frame in acquired.frames)
    else:
        images = tuple(_single_frame(headers[file], plane) for file, plane in zip(acquired.files, planes, strict=True))
        frames = ()
    number = first.get("SeriesNumber")
    return SourceSeries(images, planes, frames, _identity(first), None if number in (None, "") else int(number))


def _read(file: Path) -> Dataset:
    wanted = [*_REQUIRED, *_IDENTITY, *_IDENTITY_IF_PRESENT, *_CARRIED, *_DETAILS]
    try:
        header = dcmread(file, stop_before_pixels=True, force=True, specific_tags=wanted)
    except (OSError, InvalidDicomError) as error:
        raise MedDLError(
            Code.FILE_UNREADABLE, "A file of the series can no longer be read, so no DICOM SEG can refer to it."
        ) from error
    return header


def _check_required(headers: Collection[Dataset]) -> None:
    missing = [keyword for keyword in _REQUIRED if any(not header.get(keyword) for header in headers)]
    if missing:
        raise MedDLError(Code.SEG_REFUSED, f"The series does not have {', '.join(missing)}.")


def _planes(acquired: AcquiredSlices) -> tuple[Geometry, ...]:
    axes = acquired.ijk_to_ras[0, :3, :3]
    rows, columns = acquired.shape
    moved = (acquired.ijk_to_ras[:, :3, :2] - axes[:, :2]) @ np.array([[columns, 0, columns], [0, rows, rows]])
    if np.linalg.norm(moved, axis=1).max() > PARALLEL_MM:
        raise MedDLError(Code.SEG_REFUSED, "The slices of the series are not parallel.")
    planes = []
    for matrix in acquired.ijk_to_ras:
        plane = matrix.copy()
        plane[:3, :3] = axes
        planes.append(Geometry((1, rows, columns), plane))
    return tuple(planes)


def _single_frame(header: Dataset, plane: Geometry) -> Dataset:
    image = _reduced(header, plane)
    image.ImagePositionPatient = _position(plane)
    image.ImageOrientationPatient = _orientation(plane)
    measures = _measures(header.get("SliceThickness"), plane)
    image.PixelSpacing, image.SliceThickness = measures.PixelSpacing, measures.get("SliceThickness")
    return image


def _multi_frame(header: Dataset, planes: Sequence[Geometry]) -> Dataset:
    """A file that holds the acquired slices as its frames 1, 2, ..., in their order."""
    image = _reduced(header, planes[0])
    image.NumberOfFrames = len(planes)
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = _orientation(planes[0])
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [_measures(_shared_thickness(header), planes[0])]
    image.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for plane in planes:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = _position(plane)
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = frames
    return image


def _reduced(header: Dataset, plane: Geometry) -> Dataset:
    image = Dataset()
    for keyword in (*_REQUIRED, *_CARRIED):
        if keyword in header:
            image[keyword] = header[keyword]
    for keyword in _IDENTITY:
        setattr(image, keyword, None)
    _, image.Rows, image.Columns = plane.shape
    return image


def _identity(header: Dataset) -> Dataset:
    identity = Dataset()
    for keyword in _IDENTITY:
        setattr(identity, keyword, None)
    for keyword in (*_IDENTITY, *_IDENTITY_IF_PRESENT):
        if keyword in header:
            identity[keyword] = header[keyword]
    identity.remove_private_tags()
    if header.get("SpecificCharacterSet"):
        identity["SpecificCharacterSet"] = header["SpecificCharacterSet"]
    return identity


def _measures(thickness: Any, plane: Geometry) -> Dataset:
    """Pixel measures. The distance of slices is left out: it follows from positions, and its tag is often wrong."""
    measures = Dataset()
    column_step, row_step, _ = plane.spacing
    measures.PixelSpacing = _decimals([row_step, column_step])
    if thickness not in (None, ""):
        measures.SliceThickness = thickness
    return measures


def _shared_thickness(header: Dataset) -> Any:
    groups = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    measures = groups[0].get("PixelMeasuresSequence") or [Dataset()]
    return measures[0].get("SliceThickness")


def _position(plane: Geometry) -> list[DSfloat]:
    return _decimals(plane.origin * _RAS_TO_LPS)


def _orientation(plane: Geometry) -> list[DSfloat]:
    return _decimals([*(plane.direction[:, 0] * _RAS_TO_LPS), *(plane.direction[:, 1] * _RAS_TO_LPS)])


def _decimals(values: Sequence[float] | NDArray[np.float64]) -> list[DSfloat]:
    """Decimal strings of at most 16 characters; 0.0 is added so that there is no -0."""
    return [DSfloat(round(float(value), 10) + 0.0, auto_format=True) for value in values]
