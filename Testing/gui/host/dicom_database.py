"""``slicer.dicomDatabase``: a ``ctkDICOMDatabase`` of files in a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydicom import dcmread


class DicomDatabase:
    """As ctkDICOMDatabase's: ``insert`` takes a copy of the file; an instance that is not there is an empty text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.databaseDirectory = str(folder)
        self.isOpen = True
        self._files: dict[str, Path] = {}

    def prepareInsert(self) -> None:
        """Forgets what the last insertion remembered."""

    def insert(self, path: str) -> None:
        """Takes a copy."""
        instance = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files[instance] = Path(shutil.copy(path, self._folder))

    def fileForInstance(self, instance: str) -> str:
        """The file of an instance."""
        return str(self._files.get(instance, ""))

    def allFiles(self) -> tuple[str, ...]:
        """Every file."""
        return tuple(map(str, self._files.values()))
