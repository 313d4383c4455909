"""NRRD, header and voxels in one file or two.

After the format's definition: http://teem.sourceforge.net/nrrd/format.html (G. L. Kindlmann).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError, Notice
from .payload import Encoding, Payload
from .stored import StoredImage, checked_shape
from .text_header import HEADER_LIMIT, SHOWN, data_file, length_in_mm, numbers, stated_modality

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_DTYPES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
_ORDERS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_ENCODINGS: dict[str, Encoding] = {
    "raw": "raw",
    **dict.fromkeys(("gz", "gzip"), "gzip"),
    **dict.fromkeys(("bz2", "bzip2"), "bzip2"),
    **dict.fromkeys(("txt", "text", "ascii"), "text"),
}
_TO_RAS = {
    **dict.fromkeys(("right-anterior-superior", "ras", "right-anterior-superior-time", "rast"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las", "left-anterior-superior-time", "last"), (-1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-posterior-superior", "lps", "left-posterior-superior-time", "lpst"), (-1.0, -1.0, 1.0)),
}
_LPS = _TO_RAS["lps"]
_ONE_VOLUME = "Save it as one volume with three axes in space."
_SEVERAL_NUMBERS = re.compile("vector|colou?r|complex|quaternion|matrix|normal|gradient|point")
"""Kinds of axes along which the numbers of one voxel lie."""


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of the array: its size, its kind, and its step in space, ``(3,)`` RAS mm, or None outside space."""

    size: int
    kind: str
    step: NDArray[np.float64] | None


def is_nrrd(start: bytes) -> bool:
    """Whether a file that starts with these bytes is NRRD."""
    return start.startswith(b"NRRD000")


def read_header(path: Path) -> StoredImage:
    """Understands the NRRD header of a scan.

    Raises:
        MedDLError: FILE_TRUNCATED, FILE_UNREADABLE, FILE_NOT_FOUND (the file with the voxels), NOT_CT_MR (a
            segmentation), NOT_SCALAR, NOT_3D, GEOM_MISSING.
    """
    fields, pairs, end = _fields(path)
    if any(key.startswith(("segment0_", "segmentation_")) for key in pairs):
        hint = "Give the scan that it was drawn on."
        raise MedDLError(Code.NOT_CT_MR, f"{path.name} is a segmentation, not a scan.", hint)
    return _image(path, fields, pairs, end)


def read_header_and_pairs(path: Path) -> tuple[StoredImage, dict[str, str]]:
    """Understands the header of any NRRD file: the image, and its own ``key:=value`` pairs, keys in lower case.

    Raises:
        MedDLError: as ``read_header``, but for NOT_CT_MR.
    """
    fields, pairs, end = _fields(path)
    return _image(path, fields, pairs, end), pairs


def _image(path: Path, fields: Mapping[str, str], pairs: Mapping[str, str], end: int) -> StoredImage:
    try:
        axes, notices = _axes(path.name, fields)
        frame = _frame_axis(path.name, axes)
        kept = [n for n, axis in enumerate(axes) if axis.step is not None or n == frame]
        payload = _payload(path, fields, end, tuple(axes[n].size for n in reversed(kept)))
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([axis.step for axis in axes if axis.step is not None], axis=1)
        matrix[:3, 3], adrift = _origin(fields)
    except KeyError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: the header lacks the field {error}.") from error
    except (ValueError, OverflowError) as error:
        raise MedDLError(
            Code.FILE_UNREADABLE, f"{path.name}: the header is malformed ({str(error)[:SHOWN]})."
        ) from error
    frame_axis = None if frame is None else len(kept) - 1 - kept.index(frame)
    return StoredImage(
        "NRRD", path, payload, matrix, frame_axis, modality=stated_modality(pairs), notices=notices + adrift
    )


def _fields(path: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Fields (``key: value``), pairs (``key:=value``), keys in lower case, and where the header ends."""
    with path.open("rb") as file:
        start = file.read(HEADER_LIMIT)
    blank = re.search(rb"\n\r?\n", start)
    if blank is None and len(start) == HEADER_LIMIT:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: the header does not end.")
    end = len(start) if blank is None else blank.end()
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    for line in start[:end].decode("utf-8", errors="replace").splitlines()[1:]:
        key, separator, value = line.partition(":")
        if separator and not line.startswith("#"):
            into = pairs if value.startswith("=") else fields
            into.setdefault(key.strip().lower(), value.removeprefix("=").strip())
    if blank is None and not _detached(fields):
        raise MedDLError(Code.FILE_TRUNCATED, f"{path.name} ends inside its header.")
    return fields, pairs, end


def _detached(fields: Mapping[str, str]) -> str:
    return fields.get("data file", fields.get("datafile", ""))


def _axes(name: str, fields: Mapping[str, str]) -> tuple[list[_Axis], tuple[Notice, ...]]:
    sizes = checked_shape(name, (int(n) for n in fields["sizes"].split()))
    count = len(sizes)
    if count != int(fields["dimension"]):
        raise ValueError(f"{count} sizes, but dimension {fields['dimension']}")
    if count < 3:
        raise MedDLError(Code.NOT_3D, f"{name} is flat: it has {count} axes.", _ONE_VOLUME)
    kinds = [kind.lower() for kind in fields.get("kinds", "??? " * count).split()]
    steps, notices = _steps(name, fields, kinds)
    if not len(kinds) == len(steps) == count:
        raise ValueError("the number of kinds, space directions or spacings is not the dimension")
    return [_Axis(*axis) for axis in zip(sizes, kinds, steps, strict=True)], notices


def _steps(
    name: str, fields: Mapping[str, str], kinds: list[str]
) -> tuple[list[NDArray[np.float64] | None], tuple[Notice, ...]]:
    """The step of each axis, RAS mm; None for an axis outside space."""
    space = fields.get("space", "").lower()
    sign = np.array(_TO_RAS.get(space, _LPS))
    if "space directions" in fields:
        scale = sign * _space_units(fields)
        steps = [_step(text, scale) for text in re.findall(r"\([^)]*\)|none", fields["space directions"].lower())]
    elif "spacings" in fields:
        steps = _steps_from_spacings(fields, kinds, sign)
    else:
        raise MedDLError(Code.GEOM_MISSING, f"{name} does not say how far its voxels lie apart.")
    if space not in _TO_RAS:
        stated = f"a space of unknown orientation ({space})" if space else "no orientation"
        message = f"The file states {stated}. It was taken as left-posterior-superior, as ITK takes it"
        return steps, _ambiguous(f"{message}: left and right may be exchanged")
    if "space directions" not in fields:
        message = "The file states no directions. Its axes were taken to run along those of its space"
        return steps, _ambiguous(f"{message}: left and right may be exchanged")
    return steps, ()


def _step(text: str, scale: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """One of ``space directions`` -> RAS mm; None for an axis outside space: ``none``, NaN, or time alone."""
    if text == "none":
        return None
    step = _vector(text)
    if len(step) == 4 and (not step[:3].any() or step[3] == 0):
        step = step[:3] if step[:3].any() else np.full(3, np.nan)
    if len(step) != 3:
        raise ValueError(f"the space direction {text} does not have three numbers")
    return None if np.isnan(step).all() else step * scale


def _steps_from_spacings(
    fields: Mapping[str, str], kinds: list[str], sign: NDArray[np.float64]
) -> list[NDArray[np.float64] | None]:
    """Without directions, the first three axes that have a spacing and are not of the voxel's own numbers are space."""
    spacings = numbers(fields["spacings"].split(), nan=True)
    units = re.findall('"([^"]*)"', fields.get("units", "")) or [""] * len(spacings)
    steps: list[NDArray[np.float64] | None] = []
    directions = iter(np.diag(sign))
    for spacing, unit, kind in zip(spacings, units, kinds, strict=True):
        outside = np.isnan(spacing) or kind in ("time", "list") or _SEVERAL_NUMBERS.search(kind)
        direction = None if outside else next(directions, None)
        steps.append(None if direction is None else direction * spacing * length_in_mm(unit))
    return steps


def _space_units(fields: Mapping[str, str]) -> NDArray[np.float64]:
    """``(3,)``: mm of one unit along each axis of space."""
    units = re.findall('"([^"]*)"', fields.get("space units", ""))
    return np.array([length_in_mm(unit) for unit in (*units[:3], "", "", "")][:3])


def _origin(fields: Mapping[str, str]) -> tuple[NDArray[np.float64], tuple[Notice, ...]]:
    """``(3,)`` RAS mm, centre of the first voxel."""
    text = fields.get("space origin", "none")
    if text.lower() == "none":
        missing = "space directions" in fields
        notices = _ambiguous("The file states no position. Its first voxel was put at the origin") if missing else ()
        return np.zeros(3), notices
    origin = _vector(text)[:3]
    return origin * np.array(_TO_RAS.get(fields.get("space", "").lower(), _LPS)) * _space_units(fields), ()


def _vector(text: str) -> NDArray[np.float64]:
    """``(1.5,-2,0)`` -> its numbers."""
    inside = re.fullmatch(r"\(([^()]*)\)", text.strip())
    if inside is None:
        raise ValueError(f"{text} is not a vector")
    return numbers(inside[1].split(","), nan=True)


def _frame_axis(name: str, axes: list[_Axis]) -> int | None:
    """The axis that counts volumes. Axes of one element outside space are left aside.

    Raises:
        MedDLError: NOT_SCALAR, NOT_3D.
    """
    shape = " x ".join(str(axis.size) for axis in axes)
    more = [n for n, axis in enumerate(axes) if axis.step is None and axis.size > 1]
    if any(_SEVERAL_NUMBERS.search(axes[n].kind) for n in more):
        raise MedDLError(Code.NOT_SCALAR, f"{name} holds several numbers per voxel ({shape}).")
    if len(more) > 1 or sum(axis.step is not None for axis in axes) != 3:
        message = f"{name} does not have three axes in space and at most one for frames ({shape})."
        raise MedDLError(Code.NOT_3D, message, _ONE_VOLUME)
    return more[0] if more else None


def _payload(path: Path, fields: Mapping[str, str], end: int, shape: tuple[int, ...]) -> Payload:
    """Where the voxels are. ``line skip`` counts lines of the file, ``byte skip`` bytes of the unpacked data."""
    kind, packing = fields["type"].lower(), fields["encoding"].lower()
    if kind not in _DTYPES:
        raise ValueError(f"voxels of type {kind} are not numbers that MedDL reads")
    if packing not in _ENCODINGS:
        raise ValueError(f"the encoding {packing} is not one that MedDL reads")
    encoding, dtype = _ENCODINGS[packing], np.dtype(_DTYPES[kind])
    if dtype.itemsize > 1 and encoding != "text":
        dtype = dtype.newbyteorder(_ORDERS[fields["endian"].lower()])
    beside = _detached(fields)
    file = data_file(path, beside) if beside else path
    offset = _after_lines(file, 0 if beside else end, int(fields.get("line skip", fields.get("lineskip", "0"))))
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    payload = Payload(file, dtype, shape, encoding, offset, skip, shared=bool(beside) and encoding == "raw")
    if skip >= 0:
        return payload
    if skip != -1 or encoding != "raw":
        raise ValueError(f"a byte skip of {skip} has no meaning")
    return replace(payload, offset=file.stat().st_size - payload.nbytes, skip=0)


def _after_lines(file: Path, offset: int, lines: int) -> int:
    """Where the file goes on after ``lines`` lines from ``offset``."""
    if lines < 0 or lines > HEADER_LIMIT:
        raise ValueError(f"a line skip of {lines} has no meaning")
    with file.open("rb") as stream:
        stream.seek(offset)
        for _ in range(lines):
            if not stream.readline(HEADER_LIMIT):
                break
        return stream.tell()


def _ambiguous(message: str) -> tuple[Notice, ...]:
    return (Notice(Code.GEOM_AMBIGUOUS, f"{message}."),)
