"""From a path to volumes: what kind of file it is, by its content, and who reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import Code, MedDLError
from ..volume import Volume
from . import metaimage, nifti, nrrd
from .file_names import in_one_line, listed, shown_names
from .options import ReadOptions
from .stored import StoredImage, load

_HEADER_READERS: dict[str, Callable[[Path], StoredImage]] = {
    "NIfTI": nifti.read_header,
    "NRRD": nrrd.read_header,
    "MetaImage": metaimage.read_header,
}
_SNIFFERS = {"NRRD": nrrd.is_nrrd, "NIfTI": nifti.is_nifti, "MetaImage": metaimage.is_metaimage}

_HEADERS = (".hdr", ".mhd", ".nhdr")
"""How the names of headers end whose voxels are in another file."""

DEFAULTS = ReadOptions()
"""Nothing chosen, nothing overridden."""


def read(path: Path | str | Sequence[Path | str], options: ReadOptions = DEFAULTS) -> list[Volume]:
    """Reads a scan.

    Args:
        path: a NIfTI, NRRD, MetaImage or DICOM file; a folder with a DICOM series anywhere below it; or the files of
            a DICOM series.
        options: choices that settle what the files leave open.

    Returns:
        One volume; several where the person asked for all series or frames, or where one series holds several
        acquisitions.

    Raises:
        MedDLError: FILE_NOT_FOUND, FILE_UNREADABLE, NO_IMAGES, MANY_SERIES, SERIES_INCONSISTENT, and what the reader
            of the format refuses.
    """
    if isinstance(path, (str, Path)):
        return _read_one(_named_path(path), options)
    paths = [_named_path(item) for item in path]
    if len(paths) == 1:
        return _read_one(paths[0], options)
    return _read_list(paths, options)


def _named_path(path: Path | str) -> Path:
    """The path. An empty text would become the current folder; more likely it is a variable that was not set."""
    if path == "":
        raise MedDLError(Code.FILE_NOT_FOUND, "The path is empty.", "Name a file, or a folder: . is the current one.")
    return Path(path)


def format_of(path: Path) -> str | None:
    """``NIfTI``, ``NRRD``, ``MetaImage`` or ``DICOM``, by the file's first bytes; None: none of them.

    Raises:
        MedDLError: FILE_UNREADABLE where the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name}: {error.strerror or error}.") from error
    for name, sniff in _SNIFFERS.items():
        if sniff(start):
            return name
    from .dicom import is_dicom  # here: only DICOM needs pydicom

    return "DICOM" if is_dicom(path) else None


def header_of(path: Path) -> StoredImage | None:
    """What the header of a volume file says; None where the file is none. No voxel is read.

    Raises:
        MedDLError: FILE_UNREADABLE, and what the reader of the format refuses.
    """
    kind = format_of(path)
    return None if kind is None or kind == "DICOM" else _HEADER_READERS[kind](path)


def _read_one(path: Path, options: ReadOptions) -> list[Volume]:
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise MedDLError(Code.FILE_NOT_FOUND, f"There is no file or folder {in_one_line(path.name)!r}.") from error
    if path.is_dir():
        return _read_folder(path, options)
    if not path.is_file():
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} is not a file.")
    kind = format_of(path)
    if kind is None:
        what = "is empty" if path.stat().st_size == 0 else "is not a DICOM, NIfTI, NRRD or MetaImage file"
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} {what}.", _hint_at_header(path))
    if kind == "DICOM":
        return _read_dicom([path], options)
    return load(_HEADER_READERS[kind](path), options)


def _hint_at_header(voxels: Path) -> str:
    """What to do where the voxels were named, and the header that describes them lies beside; else nothing."""
    stem = Path(voxels.name.removesuffix(".gz")).stem
    headers = (voxels.with_name(f"{stem}{suffix}") for suffix in _HEADERS)
    header = next((file for file in headers if file.is_file() and _format_or_none(file)), None)
    return "" if header is None else f"Give its header, {header.name}, which lies beside it."


def _read_dicom(files: Sequence[Path], options: ReadOptions) -> list[Volume]:
    from .dicom import read_dicom

    return read_dicom(files, options)


def _read_folder(folder: Path, options: ReadOptions) -> list[Volume]:
    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    files = [file for file in files if file.is_file()]
    kinds = {file: _format_or_none(file) for file in files}
    if "DICOM" in kinds.values():
        return _read_dicom(files, options)
    volumes = [file for file, kind in kinds.items() if kind is not None]
    if volumes:
        raise MedDLError(
            Code.NO_IMAGES,
            f"The folder holds no DICOM series, but {_named(volumes)}.",
            "Give one of these files instead of the folder.",
        )
    if not files:
        raise MedDLError(Code.NO_IMAGES, "The folder is empty.")
    _check_open(files)
    none = f"None of the {len(files)} files of the folder is an" if len(files) > 1 else "The folder's one file is no"
    raise MedDLError(Code.NO_IMAGES, f"{none} image that MedDL can read.")


def _read_list(paths: Sequence[Path], options: ReadOptions) -> list[Volume]:
    if not paths:
        raise MedDLError(Code.NO_IMAGES, "The list of files is empty.")
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise MedDLError(Code.FILE_NOT_FOUND, f"Not files: {_named(missing)}.", "A list may only hold files.")
    kinds = {kind for kind in map(_format_or_none, paths) if kind is not None}
    if kinds == {"DICOM"}:
        return _read_dicom(paths, options)
    if len(kinds) > 1:
        raise MedDLError(
            Code.SERIES_INCONSISTENT,
            f"The {len(paths)} files are of different kinds ({', '.join(sorted(kinds))}): {_named(paths)}.",
            "Give the files of one DICOM series, or one volume file.",
        )
    if kinds:
        raise MedDLError(
            Code.MANY_SERIES,
            f"Each of these files is a volume of its own: {_named(paths)}.",
            "Give one file at a time.",
        )
    _check_open(paths)
    raise MedDLError(Code.NO_IMAGES, f"None of the {len(paths)} files is an image that MedDL can read.")


def _check_open(files: Sequence[Path]) -> None:
    """Raises FILE_UNREADABLE for the first one that cannot be opened: what it is, nobody knows."""
    for file in files:
        format_of(file)


def _format_or_none(path: Path) -> str | None:
    try:
        return format_of(path)
    except MedDLError:
        return None


def _named(paths: Sequence[Path]) -> str:
    return listed([*shown_names(set(paths)).values()])
