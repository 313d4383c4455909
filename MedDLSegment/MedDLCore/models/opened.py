"""What was found in a folder of the store when it was last opened: ``.opened/NAME.json``, for the list of models.

Opening a foreign model reads all of its weights: for their SHA-256, and for what nnU-Net and Auto3DSeg keep in their
checkpoints. As long as no file has another size or time, a list need not do that again. A note vouches for nothing:
whoever runs a model opens it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import __version__
from ..atomic import atomic_path
from ..errors import Code, MedDLError, Notice
from ..spec import ModelSpec
from .description import read_json
from .package import ModelPackage, open_folder


def opened(folder: Path, notes: Path) -> ModelPackage:
    """The package in a folder, as it is noted; opened and noted where it is not, or a file has changed since.

    Args:
        folder: of the model.
        notes: the folder of the notes. That it cannot be written is no reason to fail.

    Raises:
        MedDLError: as ``open_folder``.
    """
    note, state = notes / f"{folder.name}.json", folder_state(folder)
    with suppress(MedDLError, LookupError, TypeError, ValueError, AttributeError):
        known = read_json(note)
        if known["state"] == state:
            return _read(known["package"], folder)
    package = open_folder(folder)
    with suppress(MedDLError, OSError):
        notes.mkdir(exist_ok=True)
        with atomic_path(note) as path:
            path.write_text(json.dumps({"state": state, "package": _plain(package, folder)}), encoding="utf-8")
    return package


def folder_state(folder: Path) -> str:
    """Changes with this MedDL, and with the name, size or time of any file."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            about = path.stat()
            digest.update(repr((path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns)).encode())
    return digest.hexdigest()


def _plain(package: ModelPackage, root: Path) -> dict[str, Any]:
    return {
        "spec": package.spec.to_json(),
        "folder": package.folder.relative_to(root).as_posix(),
        "sha256": package.sha256,
        "notices": [[notice.code.value, notice.message] for notice in package.notices],
        "previous": None if package.previous is None else _plain(package.previous, root),
        "parts": [_plain(part, root) for part in package.parts],
    }


def _read(data: Mapping[str, Any], root: Path) -> ModelPackage:
    return ModelPackage(
        spec=ModelSpec.from_json(data["spec"]),
        folder=root / data["folder"],
        sha256=data["sha256"],
        notices=tuple(Notice(Code(code), message) for code, message in data["notices"]),
        previous=None if data["previous"] is None else _read(data["previous"], root),
        parts=tuple(_read(part, root) for part in data["parts"]),
    )
