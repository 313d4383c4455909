"""The SHA-256 of what was downloaded first, kept beside the model: ``NAME.pins.json`` beside the folder ``NAME``.

Where a publisher gives no SHA-256, nothing else notices that another file lies under the same address today. The pins
stay when the model is removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..atomic import atomic_path
from ..errors import Code, MedDLError
from .catalogue import RemoteFile
from .description import read_json


def pins_of(folder: Path) -> dict[str, str]:
    """SHA-256, hexadecimal, by the address of the file.

    Args:
        folder: the model's.

    Raises:
        MedDLError: MODEL_INVALID where the pins cannot be read.
    """
    path = _file(folder)
    pins = read_json(path) if path.exists() else {}
    if not all(isinstance(value, str) for value in pins.values()):
        raise MedDLError(Code.MODEL_INVALID, f"{path.name} does not hold addresses and their SHA-256.")
    return pins


def check_pin(file: RemoteFile, sha256: str, pins: Mapping[str, str], folder: Path) -> None:
    """Compares a file with the one of the first download.

    Raises:
        MedDLError: DOWNLOAD_TAMPERED.
    """
    if pins.get(file.url, sha256) != sha256:
        raise MedDLError(
            Code.DOWNLOAD_TAMPERED,
            f"{file.name} is not the file that lay at its address at the first download: its SHA-256 is another. "
            "It was not used.",
            f"If its publisher says that it was replaced, delete {_file(folder).name} in the folder of models first.",
        )


def pin(folder: Path, pins: Mapping[str, str]) -> None:
    """Keeps the pins of a model, whole or not at all.

    Raises:
        MedDLError: NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if pins:
        with atomic_path(_file(folder)) as path:
            path.write_text(json.dumps(dict(sorted(pins.items())), indent=1) + "\n", encoding="utf-8")


def _file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.pins.json")
