"""A segmentation goes into Slicer's DICOM database, as DICOM SEG, in the study of its series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import slicer

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.messages import Event, Export

from .translation import _
from .worker_process import Request, WorkerProcess


def reasonNotToExport(segmentationNode: Any) -> str:
    """Why it cannot be exported; empty: it can, as far as is known before its files are read."""
    if segmentationNode is None or segmentationNode.GetSegmentation().GetNumberOfSegments() == 0:
        return _("There is no segmentation yet.")
    from MedDLScene.dicom_origin import instancesOf
    from MedDLScene.result_nodes import runManifest
    from MedDLScene.segmentation_node import referredVolume

    if runManifest(segmentationNode) is None:
        return _("This is no result of MedDL: Slicer's own export knows how it was made.")
    volume = referredVolume(segmentationNode)
    if volume is None:
        return _("The volume of this segmentation is not in the scene.")
    if not instancesOf(volume):
        return _("The volume was not loaded from DICOM: a DICOM segmentation belongs to a series.")
    return ""


class DicomExport:
    """One export at a time."""

    def __init__(self, onDone: Callable[[str], None], onError: Callable[[MedDLError], None]) -> None:
        """``onDone`` is told what was done, in words."""
        self._onDone, self._onError = onDone, onError
        self._request: Request | None = None

    @property
    def isRunning(self) -> bool:
        """An export goes on."""
        return self._request is not None

    def start(self, segmentationNode: Any, worker: WorkerProcess) -> None:
        """Begins; the file is written by the worker."""
        given: list[Path] = []  # in the folder of this worker: where it has ended, another one may be there already

        def job(folder: Path) -> Export:
            made = _export(segmentationNode, folder)
            given.append(folder / made.label_map["array"])
            return made

        def tell(event: Event) -> None:
            if event.kind not in ("result", "error"):
                return
            self._request = None
            for path in given:
                path.unlink(missing_ok=True)
            try:
                if event.kind == "error":
                    raise event.error
                self._onDone(_insert(event.data, given[0].parent))
            except MedDLError as error:
                self._onError(error)

        self._request = Request("export", job, tell)  # before it is sent: a refusal may come at once
        worker.submit(self._request)


def exportAndWait(segmentationNode: Any, worker: WorkerProcess) -> None:
    """For scripts: as ``DicomExport``, without Slicer's event loop.

    Raises:
        MedDLError: why it was not exported.
    """
    ended: list[MedDLError | None] = []
    export = DicomExport(lambda _text: ended.append(None), ended.append)
    export.start(segmentationNode, worker)
    while not ended:
        worker.wait(100)
    if ended[0] is not None:
        raise ended[0]


def _export(segmentationNode: Any, folder: Path) -> Export:
    """What the worker needs; the voxels are in its folder then.

    Raises:
        MedDLError: NOT_DICOM; as ``labelMapForDicom`` and ``give_label_map``.
    """
    from MedDLCore.worker.arrays import give_label_map
    from MedDLScene.dicom_origin import instancesOf, labelMapForDicom
    from MedDLScene.result_nodes import runManifest
    from MedDLScene.segment_clicks import clicksOf
    from MedDLScene.segmentation_node import referredVolume

    if reason := reasonNotToExport(segmentationNode):
        raise MedDLError(Code.NOT_DICOM, reason, " ")
    volume = referredVolume(segmentationNode)
    database = openDatabase()
    files = [database.fileForInstance(uid) for uid in instancesOf(volume)]
    if not all(files):
        raise MedDLError(
            Code.NOT_DICOM,
            _("The DICOM database does not have all files of the volume."),
            _("Import the series into the database, and load it from there."),
        )
    model = (runManifest(segmentationNode) or {}).get("model", {})
    labels = give_label_map(labelMapForDicom(segmentationNode, volume), folder)
    about = [str(model.get(key, "")) for key in ("name", "version", "sha256")]
    return Export(tuple(files), labels, about[0], about[1], about[2], not model or bool(clicksOf(segmentationNode)))


def _insert(told: Mapping[str, Any], folder: Path) -> str:
    path = folder / str(told["file"])
    try:
        putIntoDatabase(path, str(told["instance"]))
        showInDatabase()
    finally:
        path.unlink(missing_ok=True)
    return _("The segmentation is in the DICOM database, in the study of its series.")


def putIntoDatabase(path: Path, instance: str) -> None:
    """A file into the database, which takes a copy.

    Args:
        path: of the file.
        instance: its SOPInstanceUID.

    Raises:
        MedDLError: DATABASE_UNREADABLE where there is no database; OUTPUT_UNWRITABLE where the file is not in it
            afterwards.
    """
    database = openDatabase()
    database.prepareInsert()
    database.insert(str(path))
    if not database.fileForInstance(instance):
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            _("The DICOM database did not take the segmentation."),
            _("Look in Slicer's log for the reason."),
        )


def showInDatabase() -> None:
    """What was put into the database appears in Slicer's list of series, where ``insert`` alone leaves it out.

    Raises:
        MedDLError: DATABASE_UNREADABLE where there is no database.
    """
    openDatabase().updateDisplayedFields()


def openDatabase() -> Any:
    """Slicer's, open.

    Raises:
        MedDLError: DATABASE_UNREADABLE where there is none.
    """
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise MedDLError(
            Code.DATABASE_UNREADABLE, _("The DICOM database is not open."), _("Open the module DICOM and try again.")
        )
    return database
