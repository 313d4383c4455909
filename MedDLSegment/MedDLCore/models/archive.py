"""The one place where MedDL unpacks a zip, and its opposite.

A zip from a stranger can try to write outside its folder, to fill the disk, or to hide one file behind another. What is
not plainly a folder of files is refused as a whole, before anything is written.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..atomic import TEMPORARY_PREFIX
from ..errors import Code, MedDLError
from ..system_errors import named_errors
from ..text import is_harmless, shown

MOST_MEMBERS = 10_000
MOST_BYTES = 20 * 2**30
MOST_RATIO = 200
"""Unpacked bytes per byte of the archive. Weights hardly compress; a bomb does."""

MOST_NAME = 400
"""Characters of a member's path: with the store's own path this stays within what Windows opens."""

MOST_PART = 255
"""Bytes of a file's name on Linux; elsewhere as many characters."""

CHUNK = 1 << 20

RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{p}{n}" for p in ("COM", "LPT") for n in "123456789¹²³"
}
"""Names that Windows takes for devices, with any suffix."""

IGNORED = {"__MACOSX", ".DS_Store"}
"""What macOS adds to archives: left out."""

EARLIEST = (1980, 1, 1, 0, 0, 0)


def unpack(archive: Path, into: Path) -> Path:
    """Unpacks a zip into an empty folder.

    Args:
        archive: the zip.
        into: an empty folder. On an error it may hold some of the files: remove it.

    Returns:
        The folder of the content: ``into``, or the single folder in it that holds everything.

    Raises:
        MedDLError: ARCHIVE_UNSAFE, naming the member and what is wrong with it; NO_SPACE.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(opened.infolist(), archive.stat().st_size)
            with named_errors(archive.name):
                _extract(opened, members, into, archive.stat().st_size)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise _unsafe(f"{archive.name} is not a zip or is damaged ({error})") from error
    except RuntimeError as error:  # zipfile's way to ask for a password
        raise _unsafe(f"{archive.name} is encrypted") from error
    content = list(into.iterdir())
    return content[0] if len(content) == 1 and content[0].is_dir() else into


def pack(folder: Path, archive: Path) -> None:
    """Packs a folder into a zip that ``unpack`` reads. Equal folders give equal bytes.

    Args:
        folder: becomes the single folder at the top of the zip, its name without what a name cannot hold everywhere.
        archive: must not exist; appears only when it is whole.

    Raises:
        MedDLError: OUTPUT_EXISTS; MODEL_INVALID for a link in the folder; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    if os.path.lexists(archive):
        raise MedDLError(Code.OUTPUT_EXISTS, f"There is already a file {archive.name}.")
    temporary = archive.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{archive.name}")
    with named_errors(archive.name):
        try:
            with zipfile.ZipFile(temporary, "w") as opened:
                top = re.sub(r"[^A-Za-z0-9._-]+", "_", folder.resolve().name).strip("._") or "model"
                for path in files_of(folder):
                    name = PurePosixPath(top, *path.relative_to(folder).parts)
                    info = zipfile.ZipInfo(str(name), EARLIEST)
                    info.external_attr = (stat.S_IFREG | 0o644) << 16
                    info.compress_type = zipfile.ZIP_STORED  # weights do not compress
                    with path.open("rb") as source, opened.open(info, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, CHUNK)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(archive)
        finally:
            temporary.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copies the files of a folder, within the limits that hold for an archive.

    Raises:
        MedDLError: MODEL_INVALID for a link in it or too much of it; NO_SPACE, OUTPUT_UNWRITABLE.
    """
    files = files_of(source)
    size = sum(path.stat().st_size for path in files)
    if len(files) > MOST_MEMBERS or size > MOST_BYTES:
        raise MedDLError(
            Code.MODEL_INVALID, f"{target.name} holds {len(files)} files of {size / 1e9:.1f} GB: more than a model."
        )
    with named_errors(target.name):
        for path in files:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def files_of(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders, sorted, without what macOS adds.

    Raises:
        MedDLError: MODEL_INVALID for a link or anything that is neither file nor folder.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        if IGNORED & set(path.relative_to(folder).parts):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise MedDLError(Code.MODEL_INVALID, f"{shown(str(path.relative_to(folder)))} is a link or special file.")
        if path.is_file():
            files.append(path)
    return files


def _unsafe(problem: str) -> MedDLError:
    return MedDLError(Code.ARCHIVE_UNSAFE, f"{problem}. Nothing was added.")


def _checked(members: Sequence[zipfile.ZipInfo], archive_bytes: int) -> list[zipfile.ZipInfo]:
    """The members to extract, once all of them are harmless."""
    if len(members) > MOST_MEMBERS:
        raise _unsafe(f"The archive has {len(members)} members; a model has at most {MOST_MEMBERS}")
    declared = sum(member.file_size for member in members)
    _check_size(declared, archive_bytes)
    kept: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        _check_member(member)
        if IGNORED & set(member.filename.split("/")):
            continue
        key = unicodedata.normalize("NFC", member.filename.rstrip("/")).casefold()
        if key in kept:
            raise _unsafe(f"{member.filename!r} is there twice, or differs from another name only in case")
        kept[key] = member
    spelled: dict[str, str] = {}
    for key, member in kept.items():
        above = zip(PurePosixPath(key).parents, PurePosixPath(member.filename).parents, strict=True)
        for folded, parent in ((str(a), str(b)) for a, b in above):
            if folded in kept and not kept[folded].is_dir():
                raise _unsafe(f"{member.filename!r} lies within a file")
            if spelled.setdefault(folded, parent) != parent:
                raise _unsafe(f"The folder of {member.filename!r} differs from another only in case")
    return list(kept.values())


def _check_size(size: int, archive_bytes: int) -> None:
    if size > MOST_BYTES:
        raise _unsafe(f"The archive unpacks to more than {MOST_BYTES >> 30} GiB")
    if size > MOST_RATIO * archive_bytes:
        raise _unsafe(f"The archive unpacks to more than {MOST_RATIO} times its size")


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.flag_bits & 0x1:
        raise _unsafe(f"{shown(name)} is encrypted")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(f"{shown(name)} is a link or special file")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _unsafe(f"{shown(name)} is compressed in an unusual way")
    parts = name.removesuffix("/").split("/")
    too_long = len(name) > MOST_NAME or any(len(part.encode()) > MOST_PART for part in parts)
    if too_long or not is_harmless(name) or any(c in '\\:*?"<>|' for c in name):
        raise _unsafe(f"{shown(name)} is not a name that every system can hold")
    for part in parts:
        if part in ("", ".", "..") or part[-1] in ". ":
            raise _unsafe(f"{name!r} does not lie within the archive's own folder")
        if part.split(".")[0].rstrip().upper() in RESERVED:
            raise _unsafe(f"{name!r} is the name of a device on Windows")


def _extract(opened: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], into: Path, archive_bytes: int) -> None:
    """Extracts, counting the bytes that really come: the declared size may lie."""
    total = 0
    for member in members:
        target = into.joinpath(*member.filename.rstrip("/").split("/"))
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("xb") as file:
            while chunk := source.read(CHUNK):
                total += len(chunk)
                _check_size(total, archive_bytes)
                file.write(chunk)
