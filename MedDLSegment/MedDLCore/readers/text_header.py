"""What the text headers of NRRD and MetaImage have in common: units, modality, and a file of voxels beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError

SHOWN = 120
"""Characters of a faulty header that a message repeats."""

HEADER_LIMIT = 1 << 22
"""A header that does not end within this many bytes is none."""

_LARGEST = 1e12
"""No number of a geometry is larger; it keeps what is computed from them finite."""

_TO_MM = {
    **dict.fromkeys(("", "?", "???", "none", "mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), 0.001),
    "cm": 10.0,
    "m": 1000.0,
}

_MODALITY_KEYS = ("dicom_0008_0060", "dicom_0008_0060_modality", "0008|0060", "dicom.modality", "modality")
"""Where a header that was made from DICOM keeps the modality: names of dcm2niix, ITK, Slicer and MetaIO, lower case."""

_MODALITIES = {"CT": "CT", "MR": "MR", "PT": "PT", "MET_MOD_CT": "CT", "MET_MOD_MR": "MR", "DWMRI": "MR"}


def numbers(words: Sequence[str], nan: bool = False) -> NDArray[np.float64]:
    """Numbers of a header's geometry.

    Args:
        words: each is one number.
        nan: whether a NaN is allowed, which NRRD writes for "none".

    Raises:
        ValueError: one is no number, or none that a length or direction could be.
    """
    found = np.array([float(word) for word in words])
    usual = np.abs(found) < _LARGEST
    if not (usual | np.isnan(found) if nan else usual).all():
        raise ValueError(f"{' '.join(words)[:80]} are not lengths or directions")
    return found


def length_in_mm(unit: str) -> float:
    """How many mm the unit is; 1 where it is not stated.

    Raises:
        ValueError: it is not a unit of length.
    """
    if unit.strip().lower() not in _TO_MM:
        raise ValueError(f"the unit of length {unit!r} is unknown")
    return _TO_MM[unit.strip().lower()]


def stated_modality(fields: Mapping[str, str]) -> str | None:
    """DICOM's name of the modality in a header's fields (keys in lower case); None where they do not say it."""
    for key in _MODALITY_KEYS:
        modality = _MODALITIES.get(fields.get(key, "").strip().upper())
        if modality is not None:
            return modality
    return None


def data_file(header: Path, name: str) -> Path:
    """The file of voxels that a header names: one file, in the header's folder or below it.

    Raises:
        MedDLError: FILE_NOT_FOUND; FILE_UNREADABLE where it lies elsewhere, or a list or pattern of files is named.
    """
    if name.upper().startswith("LIST") or "%" in name:
        raise MedDLError(
            Code.FILE_UNREADABLE,
            f"{header.name} spreads its voxels over several files.",
            "Save the scan as one file (.nrrd, .nii.gz or .mha).",
        )
    relative = Path(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise MedDLError(
            Code.FILE_UNREADABLE,
            f"{header.name} looks for its voxels outside its own folder.",
            "Put both files into one folder and name the second in the header without a path.",
        )
    file = header.parent / relative
    try:
        there = file.is_file()
    except OSError:  # a name longer than the file system allows
        there = False
    if not there:
        raise MedDLError(
            Code.FILE_NOT_FOUND, f"{header.name} keeps its voxels in {relative.name!r}, which is not beside it."
        )
    return file
