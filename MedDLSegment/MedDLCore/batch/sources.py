"""Where scans come from, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..errors import Code, MedDLError
from .scan import Scan

OnLook = Callable[[int, int], None]
"""Told how many files were looked at, and of how many."""


class Source(Protocol):
    """Offers scans. A PACS can be one: what it has to do before a scan is read, it does when ``scans`` is gone through.

    Attributes:
        name: what it is, for a person.
    """

    name: str

    def scans(self, on_look: OnLook | None = None) -> Sequence[Scan]:
        """All scans, always in the same order.

        Raises:
            MedDLError: where the source cannot be read.
        """
        ...


def open_source(path: Path, but: Path) -> Source:
    """Tells what a path is: a DICOM database of Slicer, or a folder of scans.

    Args:
        path: ``ctkDICOM.sql``, the folder that holds it, or any folder.
        but: the folder of results, whose files are no scans.

    Raises:
        MedDLError: FILE_NOT_FOUND, DATABASE_UNREADABLE.
    """
    from .slicer_database import FILE_NAME, SlicerDatabase

    if path.is_file():
        return SlicerDatabase(path)
    if (path / FILE_NAME).is_file():
        return SlicerDatabase(path / FILE_NAME)
    if not path.is_dir():
        raise MedDLError(Code.FILE_NOT_FOUND, "There is no such folder or database.", "Check the path of the source.")
    from .folder import Folder

    return Folder(path, but)
