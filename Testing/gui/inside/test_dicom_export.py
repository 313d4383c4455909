"""A result goes into the DICOM database, and what does not belong there is refused in words."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import slicer
import vtk
from pydicom import dcmread

from fixtures.dicom_phantoms import planes, series, write
from gui.host.dicom_database import DicomDatabase
from MedDLCore.errors import Code, MedDLError

Wait = Callable[..., None]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DicomDatabase]:
    slicer.dicomDatabase = DicomDatabase(tmp_path / "database")
    yield slicer.dicomDatabase
    del slicer.dicomDatabase


@pytest.fixture
def a_series(scene: Any, database: DicomDatabase, tmp_path: Path) -> Any:
    """A CT series of the database, loaded, and moved by a person."""
    from MedDLCore.readers import read
    from MedDLScene.result_scene import volumeToNode

    files = write(series(planes()), tmp_path / "files")
    for file in files:
        database.insert(str(file))
    node = volumeToNode(read(files)[0], scene, "series")
    slicer.util.arrayFromVolume(node)[:] += 100  # so that the threshold finds the ball
    instances = [str(dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files]
    node.SetAttribute("DICOM.instanceUIDs", " ".join(instances))
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 50.0)
    moved.SetMatrixTransformToParent(shift)
    node.SetAndObserveTransformNodeID(moved.GetID())
    return node


def segmented(widget: Any, volume: Any, wait: Wait) -> Any:
    wait(lambda: widget.panel.state.models is not None)
    names = widget.ui.modelList
    names.setCurrentRow(next(n for n in range(names.count) if names.item(n).text().startswith("Bright")))
    widget.ui.volumeSelector.setCurrentNode(volume)
    widget.ui.applyButton.click()
    wait(lambda: widget.panel.run is not None and widget.panel.run.progress is None)
    assert widget.panel.run.error is None, widget.panel.run.error
    return widget.ui.segmentationSelector.currentNode()


def test_a_result_is_written_onto_the_slices_of_its_series(
    widget: Any, a_series: Any, database: DicomDatabase, wait: Wait
) -> None:
    before = set(database.allFiles())
    segmentation = segmented(widget, a_series, wait)
    assert widget.ui.dicomButton.enabled, widget.ui.dicomButton.toolTip
    widget.ui.dicomButton.click()
    assert not widget.ui.dicomButton.enabled
    wait(lambda: not widget.ui.statusLabel.text.startswith("Writing"))
    assert widget.ui.statusLabel.text.startswith("The segmentation is in the DICOM database")
    (file,) = set(database.allFiles()) - before
    assert file in database.listed  # a person finds it in the module DICOM
    written = hd.seg.segread(file)
    scan = [dcmread(name) for name in before]
    assert written.StudyInstanceUID == scan[0].StudyInstanceUID
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(
        segmentation, segmentation.GetSegmentation().GetNthSegmentID(0), a_series
    )
    frames = written.pixel_array if written.NumberOfFrames > 1 else written.pixel_array[np.newaxis]
    assert int(frames.sum()) == int((voxels > 0).sum()) > 0
    tops = {round(float(image.ImagePositionPatient[2]), 3) for image in scan}
    for item in written.PerFrameFunctionalGroupsSequence:  # where the files have it, not where the person moved it
        assert round(float(item.PlanePositionSequence[0].ImagePositionPatient[2]), 3) in tops
    folder = widget.logic.session.worker.folder
    assert not list(folder.glob("*.seg.dcm"))


def test_what_clicks_corrected_is_not_written_as_automatic(
    widget: Any, a_series: Any, database: DicomDatabase, wait: Wait
) -> None:
    from MedDLCore.click import Click
    from MedDLScene.segment_clicks import keepClick

    before = set(database.allFiles())
    segmentation = segmented(widget, a_series, wait)
    keepClick(segmentation, segmentation.GetSegmentation().GetNthSegmentID(0), Click((1.0, 2.0, 3.0), "ball"))
    widget.ui.dicomButton.click()
    wait(lambda: not widget.ui.statusLabel.text.startswith("Writing"))
    (file,) = set(database.allFiles()) - before
    assert dcmread(file).SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_a_volume_that_is_not_from_dicom_is_refused(
    widget: Any, a_scan: Any, database: DicomDatabase, wait: Wait
) -> None:
    assert widget.ui.dicomButton.toolTip == "There is no segmentation yet."
    segmented(widget, a_scan, wait)
    assert (widget.ui.dicomButton.enabled, "was not loaded from DICOM" in widget.ui.dicomButton.toolTip) == (
        False,
        True,
    )


def test_scripts_export_without_the_panel(a_series: Any, scene: Any, database: DicomDatabase, models: Path) -> None:
    import MedDLSegment

    logic = MedDLSegment.MedDLSegmentLogic()
    try:
        before = len(database.allFiles())
        logic.exportToDicom(logic.process([a_series], "threshold", device="cpu", threads=1))
        assert len(database.allFiles()) == before + 1
        database.isOpen = False
        with pytest.raises(MedDLError) as refused:
            logic.exportToDicom(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode"))
        assert refused.value.code is Code.DATABASE_UNREADABLE
    finally:
        logic.close()


def test_a_worker_that_dies_before_it_has_written_is_told_in_words(
    widget: Any, a_series: Any, database: DicomDatabase, wait: Wait
) -> None:
    """Also where another one is there at once, which has not said hello: it was asked for its folder."""
    from MedDLSegmentLib.worker_process import Request

    segmented(widget, a_series, wait)
    worker, before = widget.logic.session.worker, len(database.allFiles())

    def again(event: Any) -> None:
        if event.kind == "error":
            worker.submit(Request("status", lambda _: None, lambda _: None))

    pid = worker.pid
    os.kill(pid, signal.SIGSTOP)
    worker.submit(Request("status", lambda _: None, again))
    widget.ui.dicomButton.click()
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not widget.ui.statusLabel.text.startswith("Writing"))
    assert "killed the worker" in widget.ui.statusLabel.text and widget.ui.dicomButton.enabled
    widget.ui.dicomButton.click()
    wait(lambda: widget.ui.statusLabel.text.startswith("The segmentation is in the DICOM database"))
    assert len(database.allFiles()) == before + 1


def test_a_series_that_left_the_database_is_refused(
    widget: Any, a_series: Any, database: DicomDatabase, wait: Wait
) -> None:
    segmented(widget, a_series, wait)
    database._files.clear()
    widget.ui.dicomButton.click()
    wait(lambda: "does not have all files of the volume" in widget.ui.statusLabel.text)
    database.isOpen = False
    widget.ui.dicomButton.click()
    wait(lambda: "The DICOM database is not open." in widget.ui.statusLabel.text)
