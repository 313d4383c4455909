"""All files of a folder, and one SHA-256 over their names and contents: what a consent is for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import Code, MedDLError
from ..weights import sha256_of

MOST_FILES = 10_000


@dataclass(frozen=True)
class BundleFile:
    """One file.

    Attributes:
        name: relative to the folder, with ``/``.
        size: bytes.
        sha256: hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class FileSet:
    """The files of a folder, in the order of their names.

    Attributes:
        files: every one of them.
        sha256: over all names and contents. Another byte, another name, one more or less: another SHA-256.
    """

    files: tuple[BundleFile, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def programs(self) -> tuple[BundleFile, ...]:
        """The files that Python can import or load as a library."""
        return tuple(file for file in self.files if file.name.lower().endswith(PROGRAMS))


PROGRAMS = (".py", ".pyc", ".pyo", ".pyd", ".pth", ".so", ".dll", ".dylib", ".pyx", ".cu", ".cpp")
"""Suffixes that are shown first. ``.pth`` too: Python runs such a file where it lies in a folder of packages."""


def file_set(folder: Path) -> FileSet:
    """Reads every file of a folder.

    Raises:
        MedDLError: MODEL_UNSAFE for a link or a special file, whose content could change without notice, and for more
            than ``MOST_FILES`` files.
    """
    files = [
        BundleFile(name, (folder / name).stat().st_size, sha256_of(folder / name)) for name in sorted(_names(folder))
    ]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{len(file.name.encode())} {file.name} {file.size} {file.sha256}\n".encode())
    return FileSet(tuple(files), digest.hexdigest())


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()) or not name.isprintable():
                raise MedDLError(
                    Code.MODEL_UNSAFE,
                    f"{name!r} in {folder.name} is a link or no plain file. Only plain files can be trusted.",
                    "Put the files themselves into the folder.",
                )
        names += [Path(parent, name).relative_to(folder).as_posix() for name in files]
        if len(names) > MOST_FILES:
            raise MedDLError(Code.MODEL_UNSAFE, f"{folder.name} has more than {MOST_FILES} files.")
    return names
