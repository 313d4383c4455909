"""What the header of a scan says that a database does not keep: looked at only where a rule asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import Code, MedDLError
from ..readers.open import header_of

_PLANES = {"R": "sagittal", "L": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}


@dataclass(frozen=True)
class Header:
    """What a few files of a scan say.

    Attributes:
        slices: of the whole scan, where one file holds it.
        size: columns and rows, or None.
        spacing: mm along rows and columns, or None.
        thickness: SliceThickness, or the distance of the slices of a volume file, mm.
        plane: ``axial``, ``coronal``, ``sagittal``, by the nearest axis; ``""`` where it is not known.
        left_out: why it is no scan, and what it is instead: a localizer, a report, a picture.
    """

    slices: int | None = None
    size: tuple[int, int] | None = None
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    plane: str = ""
    left_out: tuple[Code, str] | None = None


UNKNOWN = Header()
"""Of a scan whose header cannot be read: why, is said where the scan is."""


def dicom_header(files: Sequence[Path]) -> Header:
    """The header of a series: of its first, middle and last file. It is no scan where none of them is of one."""
    from ..readers.dicom_files import open_dicom
    from ..readers.dicom_left_out import left_out
    from ..readers.dicom_slices import slices_of
    from ..readers.dicom_tags import silent_pydicom

    reasons = []
    with silent_pydicom():
        for path in dict.fromkeys((*files[len(files) // 2 :][:1], *files[:1], *files[-1:])):
            try:
                file = open_dicom(path, path.name)
                reason = left_out(file)
                if reason is not None:
                    reasons.append((reason.code, reason.reason))
                    continue
                if file.refusal is not None or file.pixels is None:
                    return UNKNOWN
                slices = slices_of(file)
            except MedDLError:
                return UNKNOWN
            first = slices[0]
            return Header(
                slices=len(slices),
                size=(first.pixels.columns, first.pixels.rows),
                spacing=first.spacing,
                thickness=first.thickness,
                plane=("sagittal", "coronal", "axial")[int(np.argmax(np.abs(first.normal)))],
            )
    return Header(left_out=reasons[0]) if reasons else UNKNOWN


def volume_header(files: Sequence[Path]) -> Header:
    """The header of a NIfTI, NRRD or MetaImage file."""
    try:
        image = header_of(files[0])
        if image is None:
            return UNKNOWN
        if image.found:
            return Header(left_out=(Code.NOT_CT_MR, image.found))
        geometry = image.geometry
    except MedDLError as error:
        return Header(left_out=(error.code, "a segmentation")) if error.code is Code.NOT_CT_MR else UNKNOWN
    slices, rows, columns = geometry.shape
    i, j, k = (float(mm) for mm in geometry.spacing)
    return Header(slices, (columns, rows), (i, j), k, _PLANES[geometry.orientation[2]])
