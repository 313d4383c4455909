"""Voxels between the two processes: ``.npy`` files in the worker's private folder, which both can map into memory."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Code, MedDLError
from ..plain_data import from_plain, to_plain
from ..system_errors import named_errors
from ..volume import Geometry, Label, LabelMap, Volume
from .messages import Scan


def give_volume(volume: Volume, folder: Path) -> Scan:
    """Writes a volume's voxels into the folder.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    rows = [tuple(row) for row in volume.geometry.ijk_to_ras.tolist()]
    return Scan(_write(volume.array, folder), (rows[0], rows[1], rows[2], rows[3]), volume.modality)


def take_volume(scan: Scan, folder: Path) -> Volume:
    """The volume that was given; its voxels are mapped, not read.

    Raises:
        MedDLError: REQUEST_INVALID where the folder has no such array; GEOM_SINGULAR.
    """
    array = _mapped(scan.array, folder)
    if array.ndim not in (3, 4) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise MedDLError(
            Code.REQUEST_INVALID, f"An array of shape {array.shape} and type {array.dtype} is no volume of numbers."
        )
    k, j, i = array.shape[-3:]
    return Volume(array, Geometry((k, j, i), np.array(scan.ijk_to_ras)), scan.modality)


def give_array(array: NDArray[Any], folder: Path) -> str:
    """Writes an array into the folder, and gives its name there.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    return _write(array, folder)


def take_array(name: str, folder: Path) -> NDArray[Any]:
    """The array that was given, mapped into memory. The file is deleted by whoever took it, or with the folder.

    Raises:
        MedDLError: REQUEST_INVALID where the folder has no such array.
    """
    return _mapped(name, folder)


def give_label_map(label_map: LabelMap, folder: Path) -> dict[str, Any]:
    """Writes a label map's voxels into the folder; the rest is plain data.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    return {
        "array": _write(label_map.array, folder),
        "ijk_to_ras": label_map.geometry.ijk_to_ras.tolist(),
        "labels": [to_plain(asdict(label)) for label in label_map.labels],
    }


def take_label_map(data: Mapping[str, Any], folder: Path) -> LabelMap:
    """The label map that was given; its voxels are mapped. The file is deleted by whoever took it, or with the folder.

    Raises:
        MedDLError: REQUEST_INVALID where it is not one.
    """
    array = _mapped(data["array"], folder)
    try:
        labels: tuple[Label, ...] = from_plain(tuple[Label, ...], data["labels"], "labels")
        k, j, i = array.shape[-3:]
        return LabelMap(array, Geometry((k, j, i), np.array(data["ijk_to_ras"])), labels)
    except (MedDLError, ValueError, LookupError) as error:
        raise MedDLError(Code.REQUEST_INVALID, f"What the worker gave is no label map: {error}") from error


def _write(array: NDArray[Any], folder: Path) -> str:
    name = f"{secrets.token_hex(8)}.npy"
    with named_errors("the volume for the worker"):
        np.save(folder / name, np.ascontiguousarray(array), allow_pickle=False)
    return name


def _mapped(name: str, folder: Path) -> NDArray[Any]:
    if not name.endswith(".npy") or Path(name).name != name:
        raise MedDLError(Code.REQUEST_INVALID, "An array is a .npy file of the worker's folder.")
    try:
        array: NDArray[Any] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MedDLError(Code.REQUEST_INVALID, "The worker's folder has no such array.") from error
    return array
