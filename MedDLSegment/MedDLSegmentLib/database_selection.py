"""Slicer's DICOM database, and what a person has selected in its browser."""

from __future__ import annotations

import slicer


def databaseFolder() -> str:
    """Of the database that is open; empty where Slicer has opened none."""
    database = getattr(slicer, "dicomDatabase", None)
    return str(database.databaseDirectory) if database is not None and database.isOpen else ""


def selectedSeries() -> tuple[str, ...]:
    """The SeriesInstanceUIDs of the selected series; with a patient or a study the browser selects all of its series.

    Of the browser's two views the one that the person uses. None are selected before the module DICOM was opened.
    """
    browser = getattr(getattr(slicer.modules, "DICOMInstance", None), "browserWidget", None)
    if browser is None:
        return ()
    visual = getattr(browser, "dicomVisualBrowser", None)
    if getattr(browser, "useVisualDICOMBrowser", False) and hasattr(visual, "patientView"):
        return tuple(visual.patientView().selectedSeriesInstanceUIDs())
    return tuple(browser.dicomBrowser.dicomTableManager().currentSeriesSelection())
