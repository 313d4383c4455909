"""MetaImage: ``.mha``, or ``.mhd`` with its voxels beside it.

After MetaIO's documentation and the names its library writes: https://itk.org/Wiki/MetaIO/Documentation. World
coordinates are LPS, as in ITK; ``AnatomicalOrientation`` only describes them and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from .payload import Encoding, Payload
from .stored import StoredImage, checked_shape
from .text_header import HEADER_LIMIT, SHOWN, data_file, length_in_mm, numbers, stated_modality

_DTYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
"""MET_LONG has four bytes on every machine."""

_KEYS = (b"ObjectType", b"Comment", b"NDims", b"ID", b"Name", b"BinaryData", b"DimSize", b"TransformType")
"""What a MetaImage header begins with."""

_DIRECTIONS = ("transformmatrix", "rotation", "orientation")
_POSITIONS = ("offset", "position", "origin")


def is_metaimage(start: bytes) -> bool:
    """Whether a file that starts with these bytes is MetaImage."""
    key, separator, _ = start.lstrip().partition(b"=")
    return bool(separator) and key.strip() in _KEYS


def read_header(path: Path) -> StoredImage:
    """Understands a MetaImage header.

    Raises:
        MedDLError: FILE_TRUNCATED, FILE_UNREADABLE, FILE_NOT_FOUND (the file with the voxels), NOT_SCALAR, NOT_3D,
            GEOM_MISSING.
    """
    fields, end = _fields(path)
    name = path.name
    try:
        sizes = checked_shape(name, (int(n) for n in fields["dimsize"].split()))
        if len(sizes) != int(fields["ndims"]):
            raise ValueError(f"{len(sizes)} sizes, but NDims {fields['ndims']}")
        if int(fields.get("elementnumberofchannels", "1")) != 1 or fields["elementtype"].endswith("_ARRAY"):
            raise MedDLError(Code.NOT_SCALAR, f"{name} holds several numbers per voxel.")
        frames = _frames(name, sizes)
        matrix, notices = _geometry(name, fields, len(sizes))
        payload = _payload(path, fields, end, (*frames, *reversed(sizes[:3])))
        slope = float(fields.get("elementtointensityfunctionslope", "1"))
        intercept = float(fields.get("elementtointensityfunctionoffset", "0"))
        if not np.isfinite([slope, intercept]).all() or slope == 0:
            raise ValueError("the function from stored numbers to values is none")
    except KeyError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header lacks the field {error}.") from error
    except (ValueError, OverflowError) as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header is malformed ({str(error)[:SHOWN]}).") from error
    modality = stated_modality(fields)
    return StoredImage("MetaImage", path, payload, matrix, 0 if frames else None, slope, intercept, modality, notices)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Fields, keys in lower case, and where the header ends: after ``ElementDataFile``, which is always the last."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while file.tell() < HEADER_LIMIT:
            line = file.readline(HEADER_LIMIT)
            if not line:
                raise MedDLError(Code.FILE_TRUNCATED, f"{path.name} ends inside its header.")
            key, separator, value = line.decode("utf-8", errors="replace").partition("=")
            if separator:
                fields.setdefault(key.strip().lower(), value.strip())
            if key.strip().lower() == "elementdatafile":
                return fields, file.tell()
    raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: the header does not end.")


def _frames(name: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """``(T,)`` where a fourth axis counts volumes, else nothing."""
    more = [n for n in sizes[3:] if n > 1]
    if len(sizes) < 3 or len(more) > 1:
        shape = " x ".join(str(n) for n in sizes)
        raise MedDLError(
            Code.NOT_3D, f"{name} does not have three axes ({shape}).", "Save it as one volume with three axes."
        )
    return tuple(more)


def _geometry(name: str, fields: Mapping[str, str], count: int) -> tuple[NDArray[np.float64], tuple[Notice, ...]]:
    """``(4, 4)`` to RAS mm. The rows of TransformMatrix are the directions of the axes, in LPS."""
    spacing = _numbers(fields, ("elementspacing", "elementsize"), count)
    if spacing is None:
        raise MedDLError(Code.GEOM_MISSING, f"{name} does not say how far its voxels lie apart.")
    rows, offset = _numbers(fields, _DIRECTIONS, count * count), _numbers(fields, _POSITIONS, count)
    missing = [word for word, found in (("orientation", rows), ("position", offset)) if found is None]
    rows = np.eye(count).ravel() if rows is None else rows
    offset = np.zeros(count) if offset is None else offset
    lps_to_ras = np.diag([-1.0, -1.0, 1.0]) * length_in_mm(fields.get("distanceunits", ""))
    matrix = np.eye(4)
    matrix[:3, :3] = lps_to_ras @ (rows.reshape(count, count)[:3, :3].T * spacing[:3])
    matrix[:3, 3] = lps_to_ras @ offset[:3]
    if not missing:
        return matrix, ()
    message = f"The file states no {' and no '.join(missing)}. Axes along left, posterior, superior from the origin"
    exchanged = ": left and right may be exchanged" if "orientation" in missing else ""
    return matrix, (Notice(Code.GEOM_AMBIGUOUS, f"{message} were assumed, as ITK does{exchanged}."),)


def _numbers(fields: Mapping[str, str], keys: tuple[str, ...], count: int) -> NDArray[np.float64] | None:
    for key in keys:
        if key in fields:
            found = numbers(fields[key].split())
            if len(found) != count:
                raise ValueError(f"{key} has {len(found)} numbers, not {count}")
            return found
    return None


def _payload(path: Path, fields: Mapping[str, str], end: int, shape: tuple[int, ...]) -> Payload:
    kind, named = fields["elementtype"], fields["elementdatafile"]
    if kind not in _DTYPES:
        raise ValueError(f"voxels of type {kind} are not numbers that MedDL reads")
    big = _is_true(fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "False")))
    dtype = np.dtype((">" if big else "<") + _DTYPES[kind])
    encoding: Encoding = "raw"
    if not _is_true(fields.get("binarydata", "True")):
        encoding = "text"
    elif _is_true(fields.get("compresseddata", "False")):
        encoding = "zlib"
    local = named.upper() == "LOCAL"
    file = path if local else data_file(path, named)
    header = int(fields.get("headersize", "0"))
    payload = Payload(file, dtype, shape, encoding, end if local else 0, shared=not local and encoding == "raw")
    if header == -1 and encoding == "raw":
        return replace(payload, offset=file.stat().st_size - payload.nbytes)
    if header < 0:
        raise ValueError(f"a HeaderSize of {header} has no meaning")
    return payload if local else replace(payload, offset=header)


def _is_true(text: str) -> bool:
    """MetaIO writes ``True`` and reads ``T``, ``t`` and ``1`` as well."""
    return text[:1] in ("T", "t", "1")
