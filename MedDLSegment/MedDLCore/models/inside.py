"""Files that a description names: they lie within the package's folder, or nowhere."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from ..errors import Code, MedDLError


def path_inside(folder: Path, file: str) -> Path:
    """A file that a description names, which must lie within the package's folder.

    Raises:
        MedDLError: MODEL_INVALID for a path out of the folder, through a link too.
    """
    parts = PureWindowsPath(file)  # knows both kinds of separators, and drives
    path = folder.joinpath(*parts.parts)
    outside = parts.anchor or not parts.parts or ".." in parts.parts or not file.isprintable()
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise MedDLError(Code.MODEL_INVALID, f"The file {file!r} lies outside the model's folder.")
    return path
