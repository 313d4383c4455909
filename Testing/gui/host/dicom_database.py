"""``slicer.dicomDatabase``: a ``ctkDICOMDatabase`` of files in a folder; and what is selected in the DICOM browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

from pydicom import dcmread


class DicomDatabase:
    """As ctkDICOMDatabase's: ``insert`` takes a copy of the file; an instance that is not there is an empty text.

    Attributes:
        listed: the files that Slicer's list of series shows: those that were there when it was last updated.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.databaseDirectory = str(folder)
        self.isOpen = True
        self._files: dict[str, Path] = {}
        self.listed: set[str] = set()

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

    def updateDisplayedFields(self) -> None:
        """Makes what the list of series shows."""
        self.listed = set(self.allFiles())


class DicomBrowser:
    """``slicer.modules.DICOMInstance.browserWidget``, of Slicer's DICOMLib: its two views and what is selected in them.

    The tables are a ``ctkDICOMTableManager``, the other view a ``ctkDICOMVisualBrowserWidget`` with its
    ``ctkDICOMPatientView``.

    Attributes:
        selected: SeriesInstanceUIDs, in each view.
        useVisualDICOMBrowser: which one the person uses.
    """

    def __init__(self) -> None:
        self.selected: dict[str, tuple[str, ...]] = {"tables": (), "visual": ()}
        self.useVisualDICOMBrowser = False
        tables = SimpleNamespace(currentSeriesSelection=lambda: self.selected["tables"])
        patients = SimpleNamespace(selectedSeriesInstanceUIDs=lambda: self.selected["visual"])
        self.dicomBrowser = SimpleNamespace(dicomTableManager=lambda: tables)
        self.dicomVisualBrowser = SimpleNamespace(patientView=lambda: patients)
