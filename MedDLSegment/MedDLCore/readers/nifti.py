"""NIfTI-1 and NIfTI-2, one file or header and image, plain or gzip.

After the standard's own headers: nifti1.h (R. W. Cox and others, 2003) and nifti2.h (2011). World coordinates of
NIfTI are RAS.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from ..volume import Geometry
from .payload import Payload
from .stored import FARTHEST_MM, StoredImage, checked_shape, plausible

SAME_AFFINE_MM = 0.05
"""Two statements of the geometry that move no corner further than this agree; a quaternion is stored in float32."""

_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_NOT_SCALAR = {32: "complex", 1792: "complex", 2048: "complex", 128: "colour", 2304: "colour"}
_TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Unit of length (xyzt_units, lowest three bits): unknown (by custom mm), metre, mm, micrometre."""

QUATERNION_EXCESS = 1e-3
"""How much longer than 1 a quaternion may be: more than rounding, less than a different rotation."""

FOUND = {1001: "a map that was computed of a scan", 1002: "a label map"}
"""Codes of intent of what is no scan: NIFTI_INTENT_ESTIMATE and NIFTI_INTENT_LABEL."""

SCANNER = 1
"""The code of an affine into the scanner's coordinates."""


@dataclass(frozen=True)
class _Layout:
    """Where fields lie in a header: (offset, struct format)."""

    size: int
    magic: int
    fields: Mapping[str, tuple[int, str]]


_NIFTI1 = _Layout(
    348,
    344,
    {
        "intent_code": (68, "h"),
        "dim": (40, "8h"), "datatype": (70, "h"), "bitpix": (72, "h"), "pixdim": (76, "8f"), "vox_offset": (108, "f"),
        "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"), "qform_code": (252, "h"),
        "sform_code": (254, "h"), "quatern": (256, "3f"), "qoffset": (268, "3f"), "srow": (280, "12f"),
    },
)  # fmt: skip
_NIFTI2 = _Layout(
    540,
    4,
    {
        "datatype": (12, "h"), "bitpix": (14, "h"), "dim": (16, "8q"), "pixdim": (104, "8d"), "vox_offset": (168, "q"),
        "intent_code": (504, "i"),
        "scl_slope": (176, "d"), "scl_inter": (184, "d"), "qform_code": (344, "i"), "sform_code": (348, "i"),
        "quatern": (352, "3d"), "qoffset": (376, "3d"), "srow": (400, "12d"), "xyzt_units": (500, "i"),
    },
)  # fmt: skip
_MAGICS = {_NIFTI1.size: (b"n+1\0", b"ni1\0"), _NIFTI2.size: (b"n+2\0", b"ni2\0")}


def is_nifti(start: bytes) -> bool:
    """Whether a file that starts with these bytes (4096, or the whole file) is NIfTI, packed or not."""
    return _layout(_unpacked(start)) is not None


def read_header(path: Path) -> StoredImage:
    """Understands a NIfTI header.

    Raises:
        MedDLError: FILE_TRUNCATED, FILE_UNREADABLE, NOT_SCALAR, NOT_3D, GEOM_MISSING, GEOM_SINGULAR.
    """
    with path.open("rb") as file:
        packed = file.read(4096)
    header = _unpacked(packed)
    layout = _layout(header)
    if layout is None:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} has no NIfTI header.")
    if len(header) < layout[0].size:
        raise MedDLError(Code.FILE_TRUNCATED, f"{path.name} ends inside its header.")
    fields = _parsed(header, *layout)
    payload, frame_axis = _payload(path, fields, packed)
    affine, notices = _affine(path.name, fields, payload.shape[-3:])
    slope, intercept = _scaling(path.name, fields)
    found = FOUND.get(fields["intent_code"], "")
    return StoredImage("NIfTI", path, payload, affine, frame_axis, slope, intercept, found=found, notices=notices)


def _unpacked(start: bytes) -> bytes:
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _NIFTI2.size)
    except zlib.error:
        return b""


def _layout(header: bytes) -> tuple[_Layout, str] | None:
    """The header's layout and byte order, by its first number and its magic word."""
    for layout in (_NIFTI1, _NIFTI2):
        for order in "<>":
            if header[:4] == struct.pack(f"{order}i", layout.size):
                magic = header[layout.magic : layout.magic + 4]
                complete = len(header) >= layout.magic + 4
                if not complete or magic in _MAGICS[layout.size]:
                    return layout, order
    return None


def _parsed(header: bytes, layout: _Layout, order: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"order": order, "magic": header[layout.magic : layout.magic + 3]}
    for name, (offset, form) in layout.fields.items():
        values = [math.nan if n != n else n for n in struct.unpack_from(order + form, header, offset)]  # quiet NaNs
        fields[name] = values if len(values) > 1 else values[0]
    return fields


def _payload(path: Path, fields: Mapping[str, Any], packed: bytes) -> tuple[Payload, int | None]:
    name, code = path.name, fields["datatype"]
    if code in _NOT_SCALAR:
        raise MedDLError(Code.NOT_SCALAR, f"{name} holds {_NOT_SCALAR[code]} voxels.")
    if code not in _DTYPES:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name} holds voxels of a type that MedDL does not read ({code}).")
    dtype = np.dtype(fields["order"] + _DTYPES[code])
    if fields["bitpix"] not in (0, 8 * dtype.itemsize):
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header contradicts itself on the size of a voxel.")
    shape, frame_axis = _shape(name, fields["dim"])
    file = path
    offset = float(fields["vox_offset"])
    if not offset.is_integer() or offset < 0:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the voxels cannot start at byte {offset}.")
    if fields["magic"].startswith(b"ni"):
        file = _image_file(path)
        with file.open("rb") as stream:
            packed = stream.read(2)
    elif offset < (_NIFTI1 if fields["magic"] == b"n+1" else _NIFTI2).size:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the voxels cannot start inside the header.")
    skip = int(offset)
    if packed[:2] == b"\x1f\x8b":
        return Payload(file, dtype, shape, "gzip", skip=skip), frame_axis
    return Payload(file, dtype, shape, "raw", offset=skip), frame_axis


def _image_file(path: Path) -> Path:
    """The ``.img`` beside a ``.hdr``."""
    stem = path.name.removesuffix(".gz").removesuffix(".hdr")
    for name in (f"{stem}.img", f"{stem}.img.gz"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise MedDLError(Code.FILE_NOT_FOUND, f"{path.name} is a header; {stem}.img is not beside it.")


def _shape(name: str, dim: Sequence[int]) -> tuple[tuple[int, ...], int | None]:
    """``(K, J, I)``, or ``(T, K, J, I)`` with the frame axis 0. Axes 4 to 7 of one element are dropped."""
    if not 2 <= dim[0] <= 7:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header declares {dim[0]} axes.")
    sizes = [*dim[1 : dim[0] + 1], *([1] * (dim[0] == 2))]
    space, more = sizes[:3], [max(n, 1) for n in sizes[3:]]
    shape = checked_shape(name, reversed(space))
    if any(n > 1 for n in more[1:]):
        raise MedDLError(
            Code.NOT_SCALAR, f"{name} holds several numbers per voxel ({' x '.join(str(n) for n in sizes)})."
        )
    frames = math.prod(more)
    return ((frames, *shape), 0) if frames > 1 else (shape, None)


def _scaling(name: str, fields: Mapping[str, Any]) -> tuple[float, float]:
    """Slope and intercept; by the standard, a slope of 0 means that there are none."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the intercept of its values is not a number.")
    return slope, intercept


def _affine(
    name: str, fields: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], tuple[Notice, ...]]:
    """``(4, 4)`` to RAS mm, and a warning where the header leaves a choice.

    Where sform and qform lie apart, ITK's choice, which is Slicer's, is made: the sform where it leads to the scanner
    and is not sheared, otherwise the qform.
    """
    units = fields["xyzt_units"] & 7
    if units not in _TO_MM:
        raise MedDLError(Code.FILE_UNREADABLE, f"{name}: the header's unit of length is unknown ({units}).")
    to_mm = np.array([[_TO_MM[units]]] * 3 + [[1.0]])
    k, j, i = shape[-3:]
    sform = plausible(name, (k, j, i), to_mm * _sform(fields)) if fields["sform_code"] > 0 else None
    qform = plausible(name, (k, j, i), to_mm * _qform(name, fields)) if fields["qform_code"] > 0 else None
    if sform is None:
        if qform is not None:
            return qform.ijk_to_ras, ()
        message = (
            "The file states its spacing only. Its axes were taken to run to the left, to the back and up from the "
            "origin, as ITK takes them: left and right may be exchanged"
        )
        return to_mm * _from_spacing(name, fields), _ambiguous(message)
    if qform is None:
        return sform.ijk_to_ras, _beside_spacing(sform, _TO_MM[units] * np.array(fields["pixdim"][1:4]))
    distance = sform.corner_distance(qform)
    if distance <= SAME_AFFINE_MM:
        return sform.ijk_to_ras, ()
    chosen = "sform" if fields["sform_code"] == SCANNER and sform.is_orthogonal else "qform"
    message = (
        f"The file states its geometry twice, up to {distance:.3g} mm apart (sform, code {fields['sform_code']}; "
        f"qform, code {fields['qform_code']}). The {chosen} was used"
    )
    return (sform if chosen == "sform" else qform).ijk_to_ras, _ambiguous(message)


def _sform(fields: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.array([*fields["srow"], 0, 0, 0, 1], dtype=np.float64).reshape(4, 4)


def _qform(name: str, fields: Mapping[str, Any]) -> NDArray[np.float64]:
    """The rotation of a quaternion (a, b, c, d) whose a is left out, as nifti1.h defines it."""
    b, c, d = (float(n) for n in fields["quatern"])
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest >= -QUATERNION_EXCESS:
        raise MedDLError(Code.GEOM_SINGULAR, f"{name}: the quaternion of its qform is not a rotation.")
    a = math.sqrt(max(rest, 0.0))
    a, b, c, d = np.array([a, b, c, d]) / math.sqrt(a * a + b * b + c * c + d * d)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * _spacing(name, fields)
    matrix[:3, 2] *= -1.0 if fields["pixdim"][0] < 0 else 1.0
    matrix[:3, 3] = fields["qoffset"]
    return matrix


def _from_spacing(name: str, fields: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.diag([*_spacing(name, fields) * (-1, -1, 1), 1.0])


def _spacing(name: str, fields: Mapping[str, Any]) -> NDArray[np.float64]:
    spacing = np.array(fields["pixdim"][1:4], dtype=np.float64)
    if not ((spacing > 0) & (spacing <= FARTHEST_MM)).all():
        raise MedDLError(Code.GEOM_MISSING, f"{name} does not say how far its voxels lie apart.")
    return spacing


def _beside_spacing(sform: Geometry, spacing: NDArray[np.float64]) -> tuple[Notice, ...]:
    """A warning where the header's spacing is not that of its sform."""
    if not ((spacing > 0) & (spacing <= FARTHEST_MM)).all():
        return ()
    distance = sform.corner_distance(Geometry.from_parts(sform.shape, spacing, sform.direction, sform.origin))
    if distance <= SAME_AFFINE_MM:
        return ()
    stated, used = (" x ".join(f"{n:.4g}" for n in parts) for parts in (spacing, sform.spacing))
    return _ambiguous(f"The file states a spacing of {stated} mm, but its sform {used} mm. The sform was used")


def _ambiguous(message: str) -> tuple[Notice, ...]:
    return (Notice(Code.GEOM_AMBIGUOUS, f"{message}."),)
