"""A person runs a batch: real files, a real child process with a real network, a database as Slicer's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import highdicom as hd
import pytest
import slicer
from pydicom import dcmread
from PySide6 import QtCore

from fixtures.batches import write_series
from fixtures.ctk_database import write_database
from gui.host.desktop import DesktopServices
from gui.host.dicom_database import DicomBrowser, DicomDatabase

Wait = Callable[..., None]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DicomDatabase]:
    """Two CT series in which the threshold finds the ball, one that is cut, and an MR series."""
    monkeypatch.setenv("MEDDL_INDEX", str(tmp_path / "index"))
    made = DicomDatabase(tmp_path / "database")
    write_series(tmp_path / "a", 1, slices=20, RescaleIntercept=-624, SeriesDescription="Thorax 3.0")
    write_series(tmp_path / "b", 2, slices=12, RescaleIntercept=-624, SeriesDescription="Abdomen")
    write_series(tmp_path / "c", 3, slices=10, SeriesDescription="Neck")
    write_series(tmp_path / "d", 4, "MR", SeriesDescription="Brain T1")
    for file in sorted(tmp_path.glob("[abcd]/*.dcm")):
        copy = file.rename(file.with_name(f"{file.parent.name}-{file.name}"))  # the stand-in keeps names
        made.insert(str(copy))
    cut = tmp_path / "database" / "c-IM0003.dcm"
    write_database(tmp_path / "database", made.allFiles())
    cut.write_bytes(cut.read_bytes()[:2000])
    slicer.dicomDatabase = made
    yield made
    del slicer.dicomDatabase


@pytest.fixture
def page(widget: Any, database: DicomDatabase, wait: Wait) -> Iterator[Any]:
    """The page of batches, shown, with the threshold chosen."""
    wait(lambda: widget.panel.state.models is not None)
    widget.pages.show("Batch")
    parameters = widget.logic.getParameterNode()
    parameters.model, parameters.device, parameters.threads = "threshold", "cpu", 1
    batch = widget.pages.batch
    yield batch
    if batch.workflow.state.work is not None:
        batch.workflow.cancel()
        wait(lambda: batch.workflow.state.work is None)
    QtCore.QSettings().remove("MedDL/LastBatch")
    batch.workflow.forget()
    widget.pages.show("")


def rows(page: Any) -> list[tuple[str, str]]:
    table = page._ui.caseTable
    return [(table.item(n, 0).text(), table.item(n, 3).text()) for n in range(table.rowCount)]


def click(page: Any, beginning: str) -> None:
    n = next(n for n, row in enumerate(rows(page)) if row[0].startswith(beginning))
    page._ui.caseTable.cellClicked.emit(n, 0)


def ended(page: Any) -> Callable[[], bool]:
    return lambda: page.workflow.state.work is None


def test_buttons_say_what_is_missing(page: Any, widget: Any, tmp_path: Path) -> None:
    ui = page._ui
    assert ui.modelName.text == "Bright things in CT"
    assert (ui.startButton.enabled, ui.startButton.toolTip) == (False, "Choose the folder for the results.")
    assert ui.pauseButton.toolTip == "No batch runs."
    assert ui.tableButton.toolTip == "There are no results yet."
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    assert ui.startButton.enabled
    assert ui.previewButton.enabled
    assert not ui.folderPath.enabled
    ui.sourceComboBox.setCurrentIndex(2)
    assert ui.folderPath.enabled
    assert ui.startButton.toolTip == "Choose the folder with the scans."
    widget.logic.getParameterNode().model = "around-points"
    assert "looks around points" in ui.startButton.toolTip
    widget.logic.getParameterNode().model = "two-sequences"
    assert "takes 2 volumes" in ui.startButton.toolTip


def test_a_path_that_is_emptied_counts_no_more(page: Any, widget: Any, tmp_path: Path) -> None:
    """A rule file that a person had taken out was followed all the same: an empty path is told in no new path."""
    parameters = widget.logic.getParameterNode()
    for edit, name in ((page._ui.ruleFilePath, "batchRuleFile"), (page._ui.outPath, "batchOut")):
        edit.setCurrentPath(str(tmp_path / "there"))
        assert getattr(parameters, name) == str(tmp_path / "there")
        edit.setCurrentPath("")
        assert getattr(parameters, name) == ""
    assert page._ui.startButton.toolTip == "Choose the folder for the results."


def test_the_database_is_previewed_segmented_and_gets_the_results(
    page: Any, widget: Any, database: DicomDatabase, wait: Wait, scene: Any, tmp_path: Path
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.descriptionEdit.text = "thorax 3.0"
    ui.previewButton.click()
    assert ui.previewButton.text == "Cancel"
    assert not ui.startButton.enabled
    assert ui.progressBar.visible
    wait(ended(page))
    told = dict(rows(page))
    assert told == {
        "CT Thorax 3.0": "To run",
        "CT Abdomen": "Left out",
        "CT Neck": "Left out",
        "MR Brain T1": "Left out",
    }
    assert ui.statusLabel.text.startswith("1 scan to run")
    click(page, "CT Abdomen")
    assert ui.caseLabel.text == "Left out. It does not hold that description ~ thorax 3\\.0."

    ui.descriptionEdit.text = ""
    assert not rows(page)  # they were of other rules
    before = set(database.allFiles())
    ui.startButton.click()
    assert ui.startButton.text == "Cancel"
    wait(lambda: "Running" in dict(rows(page)).values())
    assert not ui.scansCollapsibleButton.enabled
    wait(ended(page))
    told = dict(rows(page))
    assert told["CT Thorax 3.0"].startswith("Done")
    assert told["CT Abdomen"].startswith("Done")
    assert told["CT Neck"] == "Refused: FILE_TRUNCATED"
    assert told["MR Brain T1"] == "Left out: WRONG_MODALITY"
    wait(lambda: not page._insertion.isRunning)
    written = set(database.allFiles()) - before
    assert written <= database.listed
    assert len(written) == 2
    assert {str(dcmread(file).StudyInstanceUID)[-2:] for file in written} == {".1", ".2"}
    assert "New in the DICOM database: 2." in ui.statusLabel.text
    click(page, "CT Neck")
    assert ui.caseLabel.text.startswith("Refused: FILE_TRUNCATED. ")
    assert len(ui.caseLabel.text) > 60

    click(page, "CT Thorax")
    assert ui.caseLabel.text == "Opening the scan ..."
    wait(lambda: not page.workflow.state.showing)
    segmentation = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    volume = scene.GetFirstNodeByName("CT Thorax 3.0")
    segment = segmentation.GetSegmentation().GetNthSegmentID(0)
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, volume)
    result = next(hd.seg.segread(file) for file in written if str(dcmread(file).StudyInstanceUID).endswith(".1"))
    assert int((voxels > 0).sum()) == int(result.pixel_array.sum()) > 0
    assert slicer.util.arrayFromVolume(volume)[voxels > 0].min() > 100
    click(page, "CT Thorax")  # it is there already
    wait(lambda: not page.workflow.state.showing)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert not list(page._child.folder.glob("*.npy"))
    widget.ui.segmentationSelector.setCurrentNode(segmentation)
    assert widget.ui.dicomButton.enabled, widget.ui.dicomButton.toolTip  # corrected, it can go there again

    ui.tableButton.click()
    table = scene.GetNodeByID(slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID())
    assert table.GetTable().GetNumberOfRows() == 2
    volumes = table.GetTable().GetColumnByName("volume_mL")
    assert volumes.IsNumeric()
    ui.reportButton.click()
    assert DesktopServices.opened[-1] == str(tmp_path / "out" / "report.html")

    ui.startButton.click()  # nothing is done twice, neither here nor in the database
    wait(ended(page))
    wait(lambda: not page._insertion.isRunning)
    assert len(set(database.allFiles()) - before) == 2
    assert "New in the DICOM database" not in ui.statusLabel.text
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/jpeg") == 2
    (tmp_path / "out" / "segments.csv").unlink()
    ui.tableButton.click()
    assert ui.statusLabel.text.startswith("segments.csv is not in the folder of results any more.")


def test_the_database_is_ranked_and_a_row_is_opened_to_be_corrected(
    page: Any, widget: Any, database: DicomDatabase, wait: Wait, scene: Any, tmp_path: Path
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    assert ui.rankButton.enabled, ui.rankButton.toolTip
    assert ui.caseTable.isColumnHidden(4)
    before = set(database.allFiles())
    ui.rankButton.click()
    assert ui.rankButton.text == "Cancel" and not ui.startButton.enabled
    wait(ended(page))
    assert ui.statusLabel.text == "Ranked: 2. The first scan is the one that teaches most. Refused: 1."
    assert not ui.caseTable.isColumnHidden(4)
    unsure = [ui.caseTable.item(n, 4).text() for n in range(4)]
    assert unsure[2:] == ["", ""] and float(unsure[0]) >= float(unsure[1]) > 0
    assert {name for name, _ in rows(page)[:2]} == {"CT Thorax 3.0", "CT Abdomen"}
    assert set(database.allFiles()) == before and not list((tmp_path / "out").rglob("*.nrrd"))

    first = rows(page)[0][0]
    click(page, first)
    wait(lambda: not page.workflow.state.showing)
    volume = scene.GetFirstNodeByName(first)
    parameters = widget.logic.getParameterNode()
    assert parameters.inputVolume is volume, "the pages Segment and Correct have it"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert "nats" in ui.caseLabel.text and len(rows(page)) == 4
    assert not list(page._child.folder.glob("*.npy"))
    parameters.inputVolume = None
    click(page, first)  # it is there already
    assert parameters.inputVolume is volume and scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1

    ui.rankButton.click()  # what is known is not measured again
    wait(ended(page))
    assert [ui.caseTable.item(n, 4).text() for n in range(4)] == unsure


def test_what_is_selected_in_the_dicom_browser_is_segmented(
    page: Any, database: DicomDatabase, wait: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.sourceComboBox.setCurrentIndex(1)
    assert not ui.folderPath.enabled
    ui.previewButton.click()
    nothing = "Nothing is selected: select patients, studies or series in the module DICOM."
    assert ui.statusLabel.text == nothing  # the module DICOM has not been opened
    browser = DicomBrowser()
    monkeypatch.setattr(slicer.modules, "DICOMInstance", SimpleNamespace(browserWidget=browser), raising=False)
    ui.startButton.click()
    assert ui.statusLabel.text == nothing
    uids = {file.name[0]: str(dcmread(file).SeriesInstanceUID) for file in map(Path, database.allFiles())
            if file.name[0] in "ad"}  # fmt: skip
    browser.selected["tables"] = (uids["a"], uids["d"])
    ui.previewButton.click()
    wait(ended(page))
    assert dict(rows(page)) == {"CT Thorax 3.0": "To run", "MR Brain T1": "Left out: WRONG_MODALITY"}
    browser.useVisualDICOMBrowser, browser.selected["visual"] = True, (uids["a"],)
    ui.picturesCheckBox.setChecked(False)
    ui.workersSpinBox.setValue(0)
    before = len(database.allFiles())
    ui.startButton.click()
    wait(ended(page))
    assert [(name, state[:4]) for name, state in rows(page)] == [("CT Thorax 3.0", "Done")]
    wait(lambda: not page._insertion.isRunning)
    assert len(database.allFiles()) == before + 1
    assert not list((tmp_path / "out").rglob("*.png"))
    ui.picturesCheckBox.setChecked(True)
    ui.workersSpinBox.setValue(1)


def test_a_pause_holds_it_and_cancelling_keeps_what_is_done(page: Any, wait: Wait, tmp_path: Path) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.startButton.click()
    wait(lambda: "Running" in dict(rows(page)).values())
    ui.pauseButton.click()
    assert ui.pauseButton.text == "Go on"
    assert "The pause begins after it." in ui.statusLabel.text
    wait(lambda: ui.statusLabel.text == "Paused.")
    assert "Running" not in dict(rows(page)).values()
    ui.startButton.click()
    assert ui.statusLabel.text == "Cancelling ..."
    wait(ended(page))
    assert ui.statusLabel.text.startswith("Cancelled. What is done stays done; Start goes on.")
    done = [name for name, state in rows(page) if state.startswith("Done")]
    ui.startButton.click()
    wait(lambda: len(rows(page)) == 4)
    assert [name for name, state in rows(page) if state.startswith("Done")] == done
    wait(ended(page))
    assert sum(state.startswith("Done") for _, state in rows(page)) == 2


def test_the_scene_can_be_closed_while_it_runs_and_choices_come_back(
    page: Any, widget: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.thicknessEdit.text = "1..4"
    ui.startButton.click()
    wait(lambda: "Running" in dict(rows(page)).values())
    (tmp_path / "out").mkdir(exist_ok=True)
    scene.Clear()
    assert page.workflow.state.work is not None
    wait(ended(page))
    assert widget.logic.getParameterNode().batchThickness == "1..4"  # it had not ended when the next scene began
    assert sum(state.startswith("Done") for _, state in rows(page)) == 2
    scene.Clear()
    assert widget.logic.getParameterNode().batchThickness == ""  # now it has
    assert ui.thicknessEdit.text == ""


def test_a_child_that_is_killed_is_said_and_start_goes_on(
    page: Any, database: DicomDatabase, wait: Wait, tmp_path: Path
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.startButton.click()
    wait(lambda: "Running" in dict(rows(page)).values())
    os.kill(page._child._process.pid, signal.SIGKILL)
    wait(ended(page))
    assert "has killed the worker" in ui.statusLabel.text
    assert "Running" not in dict(rows(page)).values()
    ui.startButton.click()
    database.isOpen = False  # the batch has read it already
    wait(ended(page))
    assert sum(state.startswith("Done") for _, state in rows(page)) == 2
    wait(lambda: not page._insertion.isRunning)
    assert "The DICOM database is not open. Open the module DICOM and try again." in ui.statusLabel.text


def test_a_rule_that_is_wrong_and_a_closed_database_are_said(
    page: Any, widget: Any, database: DicomDatabase, wait: Wait, tmp_path: Path
) -> None:
    ui = page._ui
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.thicknessEdit.text = "thin"
    ui.previewButton.click()
    wait(ended(page))
    assert ui.statusLabel.text.startswith("A rule cannot be understood")
    database.isOpen = False
    page.parametersChanged()
    assert (ui.startButton.enabled, ui.startButton.toolTip) == (False, "Slicer has no DICOM database open.")


def test_the_module_is_reloaded_with_its_choices(page: Any, host: Any, widget: Any, wait: Wait, tmp_path: Path) -> None:
    page._ui.outPath.setCurrentPath(str(tmp_path / "out"))
    page._ui.thinnestCheckBox.checked = True
    widget.onReload()
    again = host.shown("MedDLSegment")
    ui = again.pages.batch._ui
    assert ui.outPath.currentPath == str(tmp_path / "out")
    assert ui.thinnestCheckBox.checked
    wait(lambda: again.panel.state.models is not None)
    assert ui.startButton.enabled


def test_a_folder_is_segmented_and_the_database_left_alone(
    page: Any, database: DicomDatabase, wait: Wait, scene: Any, tmp_path: Path
) -> None:
    ui = page._ui
    folder = tmp_path / "scans"
    write_series(folder / "a", 7, slices=20, RescaleIntercept=-624, SeriesDescription="Of a folder")
    (tmp_path / "rules.txt").write_text("slices > 15\n")
    ui.sourceComboBox.setCurrentIndex(2)
    ui.folderPath.setCurrentPath(str(folder))
    ui.outPath.setCurrentPath(str(tmp_path / "out"))
    ui.ruleFilePath.setCurrentPath(str(tmp_path / "rules.txt"))
    before = len(database.allFiles())
    ui.startButton.click()
    wait(ended(page))
    assert [state[:4] for _, state in rows(page)] == ["Done"]
    assert len(database.allFiles()) == before
    assert list((tmp_path / "out").rglob("*.seg.dcm"))
    click(page, "CT Of a folder")
    scene.Clear()  # what is on its way was for the scene before
    wait(lambda: not page._child._process._sent)
    assert not list(page._child.folder.glob("*.npy"))
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
