"""A label map as NIfTI-1, with a JSON file beside it that says what the values are.

The header is written here, after the standard's own C header (https://nifti.nimh.nih.gov/nifti-1), because ITK's
writer turns a sheared grid into a straight one, and so moves the segmentation off its scan.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import atomic_path
from ..errors import Code, MedDLError
from ..volume import Concept, Geometry, Label, LabelMap
from .gzip_stream import open_gzip

_HEADER = struct.Struct("<i 10s 18s i h c B 8h 3f 4h 8f 3f h B B 4f 2i 80s 24s 2h 6f 12f 16s 4s")
_HEADER_BYTES = 348
_DATA_OFFSET = 352
_DATATYPES = {
    "uint8": (2, 8),
    "int16": (4, 16),
    "int32": (8, 32),
    "float32": (16, 32),
    "float64": (64, 64),
    "int8": (256, 8),
    "uint16": (512, 16),
    "uint32": (768, 32),
}
"""Code and bits of each type."""
_INTENT_NONE, _INTENT_ESTIMATE, _INTENT_LABEL = 0, 1001, 1002
_MILLIMETRES = 2
_SCANNER = 1
"""NIFTI_XFORM_SCANNER_ANAT: coordinates of the scanner."""


def check_nifti(geometry: Geometry) -> None:
    """Says before a long run what ``write_nifti`` would refuse after it.

    Args:
        geometry: of the scan, which is the result's.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE where an axis is longer than NIfTI-1 can say.
    """
    longest = max(geometry.shape)
    if longest > np.iinfo(np.int16).max:
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE, f"NIfTI-1 cannot hold an axis of {longest} voxels.", "Write .seg.nrrd instead."
        )


def write_nifti(label_map: LabelMap, path: Path) -> None:
    """Writes ``path`` (``.nii.gz``) and, beside it, ``.labels.json`` with the names, colours and codes of the values.

    The sform holds the affine as it is; the qform holds the same where the axes are perpendicular, and is marked
    unknown where they are not, because it cannot express shear. Both are float32, as the format has it.

    Args:
        label_map: one layer.
        path: ends in ``.nii.gz``; its folder exists.

    Raises:
        MedDLError: LABELS_OVERLAP for several layers, NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if label_map.layers > 1:
        raise MedDLError(Code.LABELS_OVERLAP, "The structures overlap; NIfTI holds one structure per voxel.")
    array = label_map.layer(0)
    table = {"labels": [_row(label) for label in label_map.labels]}
    with atomic_path(path) as image, atomic_path(sidecar_path(path)) as sidecar:
        _write(array, label_map.geometry, image, _INTENT_LABEL)
        sidecar.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_nifti_scan(array: NDArray[Any], geometry: Geometry, path: Path, is_map: bool = False) -> None:
    """Writes a scan, or a map that was computed of one, with a header that says where it lies and nothing else.

    Args:
        array: ``(K, J, I)``, any real dtype that NIfTI-1 has; others become float64.
        geometry: its grid.
        path: ends in ``.nii.gz``; its folder exists.
        is_map: the header says that it is no scan.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    known = array if array.dtype.name in _DATATYPES else array.astype(np.float64)
    with atomic_path(path) as unfinished:
        _write(known, geometry, unfinished, _INTENT_ESTIMATE if is_map else _INTENT_NONE)


def _write(array: NDArray[Any], geometry: Geometry, path: Path, intent: int) -> None:
    header = _header(geometry, array.dtype.name, intent)
    with path.open("wb") as file, open_gzip(file) as stream:
        stream.write(header)
        for plane in array:
            stream.write(np.ascontiguousarray(plane, dtype=array.dtype.newbyteorder("<")).data)


def sidecar_path(path: Path) -> Path:
    """``liver.nii.gz`` -> ``liver.labels.json``."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".labels.json")


def _row(label: Label) -> dict[str, Any]:
    codes = label.terminology
    meaning = None
    if codes is not None:
        parts = ("category", "type", "modifier", "region", "region_modifier")
        meaning = {part: _code(getattr(codes, part)) for part in parts}
    return {"value": label.value, "name": label.name, "color": list(label.color), "terminology": meaning}


def _code(concept: Concept | None) -> dict[str, str] | None:
    return None if concept is None else {"value": concept.value, "scheme": concept.scheme, "meaning": concept.meaning}


def _header(geometry: Geometry, dtype: str, intent: int) -> bytes:
    k, j, i = geometry.shape
    check_nifti(geometry)
    datatype, bits = _DATATYPES[dtype]
    quaternion, handedness = _quaternion(geometry.direction)
    packed = _HEADER.pack(
        *(_HEADER_BYTES, b"", b"", 0, 0, b"r", 0),
        *(3, i, j, k, 1, 1, 1, 1),
        *(0.0, 0.0, 0.0),
        *(intent, datatype, bits, 0),
        *(handedness, *geometry.spacing, 0.0, 0.0, 0.0, 0.0),
        *(_DATA_OFFSET, 1.0, 0.0),
        *(0, 0, _MILLIMETRES),
        *(0.0, 0.0, 0.0, 0.0),
        *(0, 0),
        *(b"MedDL", b""),
        *(_SCANNER if geometry.is_orthogonal else 0, _SCANNER),
        *(*quaternion, *geometry.origin),
        *geometry.ijk_to_ras[:3].ravel(),
        *(b"", b"n+1\0"),
    )
    return packed + bytes(_DATA_OFFSET - _HEADER_BYTES)


def _quaternion(direction: NDArray[np.float64]) -> tuple[tuple[float, float, float], float]:
    """Unit quaternion (b, c, d) with a >= 0, and qfac: -1 where the axes are left-handed (k is flipped then).

    The rotation nearest to ``direction`` has, as its quaternion, the eigenvector of the largest eigenvalue of the
    symmetric matrix below (Bar-Itzhack 2000, doi:10.2514/2.4654); unlike the trace formulas it has no special cases.
    """
    handedness = 1.0 if np.linalg.det(direction) > 0 else -1.0
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (direction * [1.0, 1.0, handedness]).tolist()
    matrix = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    a, b, c, d = np.linalg.eigh(matrix)[1][:, -1]
    sign = 1.0 if a >= 0 else -1.0
    return (sign * float(b), sign * float(c), sign * float(d)), handedness
