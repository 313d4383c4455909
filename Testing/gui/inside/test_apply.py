"""A person clicks Apply: real voxels, a real scene, a real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import slicer

Wait = Callable[..., None]


def choose(widget: Any, wait: Wait, model: str = "Bright things in CT") -> None:
    """Waits for the list, and clicks a model."""
    wait(lambda: widget.panel.state.models is not None)
    names = widget.ui.modelList
    row = next(n for n in range(names.count) if names.item(n).text().startswith(model))
    names.setCurrentRow(row)


def ended(widget: Any) -> bool:
    return widget.panel.run is not None and widget.panel.run.progress is None


def test_apply_segments_the_volume(widget: Any, a_scan: Any, scene: Any, wait: Wait) -> None:
    choose(widget, wait)
    assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
    wait(lambda: widget.panel.state.plan is not None)
    assert "patches" in widget.ui.planLabel.text and "on this CPU" in widget.ui.planLabel.text
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Cancel"
    wait(lambda: ended(widget))
    assert widget.panel.state.problem == ""
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert widget.ui.segmentationSelector.currentNode() is segmentation

    segment = segmentation.GetSegmentation().GetNthSegment(0)
    found = slicer.util.arrayFromSegmentBinaryLabelmap(
        segmentation, segmentation.GetSegmentation().GetNthSegmentID(0), a_scan
    )
    assert np.array_equal(found > 0, slicer.util.arrayFromVolume(a_scan) > 100) and found.any()
    assert segment.GetName() == "ball"
    assert [round(255 * channel) for channel in segment.GetColor()] == [221, 130, 101]
    assert "10200004^Liver" in segment_tag(segment)
    assert segmentation.GetTransformNodeID() == a_scan.GetTransformNodeID()
    assert segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is a_scan
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(a_scan))
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(segmentation)) == study

    from MedDLScene.result_nodes import runManifest, statisticsTable

    assert runManifest(segmentation)["model"]["name"] == "threshold"
    table = statisticsTable(segmentation)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table)) == study
    assert table.GetTable().GetValueByName(0, "Voxels").ToInt() == int((found > 0).sum())


def segment_tag(segment: Any) -> str:
    import vtk

    text = vtk.reference("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), text)
    return text.get()


def start_long_run(widget: Any, scene: Any, wait: Wait) -> Any:
    """A run of thousands of patches, once its network runs."""
    volume = slicer.util.addVolumeFromArray(np.zeros((200, 200, 200), np.int16), name="large")
    choose(widget, wait)
    widget.ui.volumeSelector.setCurrentNode(volume)
    widget.ui.applyButton.click()
    wait(lambda: widget.panel.run.progress is None or widget.panel.run.progress.stage == "network")
    assert widget.panel.run.progress is not None, widget.panel.run.error
    return volume


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_cancel_leaves_no_result_and_a_warm_worker(widget: Any, scene: Any, wait: Wait) -> None:
    start_long_run(widget, scene, wait)
    worker = widget.logic.session.worker
    pid = worker.pid
    assert widget.ui.progressBar.visible and "Running the network" in widget.ui.statusLabel.text
    widget.ui.applyButton.click()
    assert (widget.ui.applyButton.text, widget.ui.applyButton.enabled) == ("Cancelling ...", False)
    wait(lambda: ended(widget))
    assert (widget.ui.applyButton.text, widget.ui.statusLabel.text) == ("Apply", "Cancelled.")
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert worker.pid == pid and not is_gone(pid)


def test_a_killed_worker_is_told_and_the_next_run_has_a_new_one(
    widget: Any, a_scan: Any, scene: Any, wait: Wait
) -> None:
    start_long_run(widget, scene, wait)
    worker = widget.logic.session.worker
    pid, folder = worker.pid, worker.folder
    os.kill(pid, signal.SIGKILL)
    wait(lambda: ended(widget))
    assert "memory ran out" in widget.ui.statusLabel.text and not folder.exists()
    widget.ui.volumeSelector.setCurrentNode(a_scan)
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1 and worker.pid != pid


def test_closing_the_scene_ends_a_run(widget: Any, scene: Any, wait: Wait) -> None:
    start_long_run(widget, scene, wait)
    run = widget.panel.run
    scene.Clear()
    wait(lambda: run.progress is None)
    assert run.error.message == "The scene was closed: the run was cancelled."
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert widget.ui.applyButton.text == "Apply" and not widget.ui.applyButton.enabled


def test_removing_the_volume_ends_a_run(widget: Any, scene: Any, wait: Wait) -> None:
    volume = start_long_run(widget, scene, wait)
    scene.RemoveNode(volume)
    wait(lambda: ended(widget))
    assert "The volume was removed" in widget.ui.statusLabel.text
    assert widget.ui.applyButton.toolTip == "Choose the volume: Volume."


def test_the_result_outlives_the_node_that_was_to_get_it(widget: Any, a_scan: Any, scene: Any, wait: Wait) -> None:
    choose(widget, wait)
    chosen = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "chosen")
    widget.ui.segmentationSelector.setCurrentNode(chosen)
    widget.ui.applyButton.click()
    scene.RemoveNode(chosen)
    wait(lambda: ended(widget))
    (made,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert made.GetSegmentation().GetNumberOfSegments() == 1


def test_quitting_leaves_no_worker(host: Any, widget: Any, scene: Any, wait: Wait) -> None:
    start_long_run(widget, scene, wait)
    worker = widget.logic.session.worker
    pid, folder = worker.pid, worker.folder
    host.unload("MedDLSegment")
    wait(lambda: is_gone(pid), 5)
    assert not folder.exists() and not worker.isRunning


def test_choices_and_result_come_back_with_the_scene(
    widget: Any, a_scan: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    choose(widget, wait)
    widget.ui.threadsSpinBox.value = 2
    widget.ui.cropBodyCheckBox.checked = True
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    from MedDLScene.result_nodes import runManifest
    from MedDLScene.scene_files import saveScene

    manifest = runManifest(widget.ui.segmentationSelector.currentNode())
    saveScene(scene, tmp_path / "saved.mrb")
    scene.Clear()
    assert widget.ui.threadsSpinBox.value == 0 and widget.ui.segmentationSelector.currentNode() is None

    from MedDLScene.scene_files import loadScene

    loadScene(tmp_path / "saved.mrb", scene)
    segmentation = widget.ui.segmentationSelector.currentNode()
    assert segmentation is not None and runManifest(segmentation) == manifest
    assert widget.ui.volumeSelector.currentNode().GetName() == "scan"
    assert widget.ui.threadsSpinBox.value == 2 and widget.ui.cropBodyCheckBox.checked
    assert widget.panel.state.model == "threshold" and widget.ui.applyButton.enabled


def test_the_module_can_be_reloaded(host: Any, widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait)
    widget.onReload()
    again = host.shown("MedDLSegment")
    assert again is not widget
    wait(lambda: again.panel.state.models is not None)
    assert again.panel.state.model == "threshold" and again.ui.applyButton.enabled


def test_a_label_map_that_was_loaded_first_is_not_taken_for_a_scan(host: Any, widget: Any, scene: Any) -> None:
    """To Slicer it is a scalar volume, too; the selectors of volumes do not list it."""
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    scan = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    host.select("MedDLTrain")
    host.select("MedDLSegment")
    assert widget.logic.getParameterNode().inputVolume is scan


def test_a_new_region_can_be_placed_from_the_panel(widget: Any, scene: Any) -> None:
    """What the selector makes is not placed: without a button for that, another module would be needed."""
    region = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    widget.ui.regionSelector.setCurrentNode(region)
    assert widget.ui.regionPlaceWidget.currentNode() is region
    widget.ui.regionSelector.setCurrentNode(None)
    assert widget.ui.regionPlaceWidget.currentNode() is None


def test_show_3d_makes_surfaces_from_the_event_loop(widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait)
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    segmentation = widget.ui.segmentationSelector.currentNode()
    widget.ui.show3DButton.click()
    assert widget.ui.show3DButton.text == "Stop"
    wait(lambda: widget.ui.show3DButton.text == "Hide 3D")
    identifier = segmentation.GetSegmentation().GetNthSegmentID(0)
    mesh = segmentation.GetClosedSurfaceInternalRepresentation(identifier)
    assert mesh.GetNumberOfPoints() > 0 and segmentation.GetDisplayNode().GetVisibility3D()
    widget.ui.show3DButton.click()
    assert widget.ui.show3DButton.text == "Show 3D" and not segmentation.GetDisplayNode().GetVisibility3D()


def test_statistics_are_shown_in_a_layout_with_a_table(host: Any, widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait)
    assert not widget.ui.statisticsButton.enabled
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    widget.ui.statisticsButton.click()
    selected = host.app.applicationLogic().GetSelectionNode().GetActiveTableID()
    assert slicer.mrmlScene.GetNodeByID(selected).GetTable().GetNumberOfRows() == 1
    assert host.app.layoutManager().layout != 3


def test_scripts_need_no_panel(scene: Any, a_scan: Any, models: Any) -> None:
    import MedDLSegment

    logic = MedDLSegment.MedDLSegmentLogic()
    try:
        segmentation = logic.process([a_scan], "threshold", device="cpu", threads=1)
        assert segmentation.GetSegmentation().GetNthSegment(0).GetName() == "ball"
    finally:
        logic.close()


def test_a_model_with_two_inputs_asks_for_two_volumes(widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait, "Tumours of the brain")
    assert widget.ui.volumeSelector2.visible and not widget.ui.volumeSelector3.visible
    assert (widget.ui.volumeLabel.text, widget.ui.volumeLabel2.text) == ("T1:", "FLAIR:")
    assert widget.ui.applyButton.toolTip == "Choose the volume: FLAIR."
    widget.ui.volumeSelector2.setCurrentNode(a_scan)
    assert widget.ui.applyButton.enabled


def test_structures_are_ticked(widget: Any, a_scan: Any, wait: Wait) -> None:
    import qt

    choose(widget, wait, "Organs")
    count = widget.ui.structureList.count
    assert count > 2 and widget.ui.structureList.visible
    widget.ui.noStructuresButton.click()
    assert widget.ui.applyButton.toolTip == "Choose at least one structure."
    widget.ui.structureList.item(1).setCheckState(qt.Qt.Checked)
    assert widget.ui.applyButton.enabled and widget.panel.state.chosen == 1
    widget.ui.allStructuresButton.click()
    assert widget.panel.state.chosen is None


def test_the_list_of_models_is_searched(widget: Any, wait: Wait) -> None:
    choose(widget, wait)
    widget.ui.modelSearch.text = "brain mr"
    assert [widget.ui.modelList.item(n).text() for n in range(widget.ui.modelList.count)] == [
        "Tumours of the brain  (2 MR, 1 structure)"
    ]
    assert widget.panel.state.model == "threshold"
    widget.ui.modelSearch.text = ""
    chosen = widget.ui.modelList.item(widget.ui.modelList.currentRow)
    assert chosen.text().startswith("Bright")


def test_a_region_limits_the_result(widget: Any, a_scan: Any, scene: Any, wait: Wait) -> None:
    choose(widget, wait)
    region = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    region.SetCenter(0, 30, 115)
    region.SetSize(10, 100, 100)  # the ball's centre is at R = 5, where the region ends
    widget.ui.regionSelector.setCurrentNode(region)
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    segmentation = widget.ui.segmentationSelector.currentNode()
    identifier = segmentation.GetSegmentation().GetNthSegmentID(0)
    found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, a_scan) > 0
    whole = slicer.util.arrayFromVolume(a_scan) > 100
    assert 0.3 < found.sum() / whole.sum() < 0.7 and not (found & ~whole).any()
    assert "Warning: " in widget.ui.warningsLabel.text


def test_a_model_of_crops_segments_around_the_points_that_are_clicked(
    widget: Any, a_scan: Any, scene: Any, wait: Wait
) -> None:
    ui = widget.ui
    choose(widget, wait, "Small things")
    assert ui.pointsSelector.visible and ui.pointsPlaceWidget.visible and not ui.regionSelector.visible
    wait(lambda: widget.panel.state.planProblem)
    assert "the scan is larger" in ui.planLabel.text and "under Points" in ui.planLabel.text
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "here")
    ui.pointsSelector.setCurrentNode(points)
    assert ui.pointsPlaceWidget.currentNode() is points
    wait(lambda: widget.panel.state.planProblem)
    assert ui.planLabel.text.startswith("No point is placed yet.")
    points.AddControlPoint(5, 30, 115)  # the ball's centre, under its transform
    assert widget.panel.state.planProblem == "" and widget.panel.state.plan is None
    wait(lambda: widget.panel.state.plan is not None)
    ui.applyButton.click()
    wait(lambda: ended(widget))
    assert widget.panel.state.problem == ""
    segmentation = ui.segmentationSelector.currentNode()
    identifier = segmentation.GetSegmentation().GetNthSegmentID(0)
    found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, a_scan) > 0
    assert np.array_equal(found, slicer.util.arrayFromVolume(a_scan) > 100)
    choose(widget, wait)
    assert ui.regionSelector.visible and not ui.pointsSelector.visible


def test_the_result_of_another_volume_goes_into_another_segmentation(
    widget: Any, a_scan: Any, scene: Any, wait: Wait
) -> None:
    choose(widget, wait)
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    first = widget.ui.segmentationSelector.currentNode()
    assert first is not None and widget.ui.statusLabel.text.startswith("Done")
    other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(a_scan), name="other")
    widget.ui.volumeSelector.setCurrentNode(other)
    assert widget.ui.segmentationSelector.currentNode() is None
    assert not widget.ui.statusLabel.visible and not widget.ui.warningsLabel.visible
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    assert widget.ui.segmentationSelector.currentNode() is not first


def test_coming_back_to_the_module_keeps_what_it_said(host: Any, widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait)
    widget.ui.applyButton.click()
    host.exit("MedDLSegment")
    wait(lambda: ended(widget))
    host.enter("MedDLSegment")
    assert widget.ui.statusLabel.text.startswith("Done: ") and widget.ui.warningsLabel.text


def test_a_scene_that_is_added_to_this_one_brings_its_choices(
    host: Any, widget: Any, a_scan: Any, scene: Any, wait: Wait, tmp_path: Path
) -> None:
    from MedDLScene.scene_files import loadScene, saveScene

    choose(widget, wait)
    widget.ui.applyButton.click()
    wait(lambda: ended(widget))
    saveScene(scene, tmp_path / "saved.mrb")
    scene.Clear()
    other = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name="other")
    widget.ui.volumeSelector.setCurrentNode(other)
    loadScene(tmp_path / "saved.mrb", scene)
    assert widget.ui.volumeSelector.currentNode().GetName() == "scan"
    assert widget.ui.segmentationSelector.currentNode() is not None


def test_a_page_that_was_made_later_shows_the_choices_of_an_added_scene_too(
    widget: Any, a_scan: Any, scene: Any, tmp_path: Path
) -> None:
    """Its selectors hear of the end of an import after the module: they did not list the scan yet, and chose none."""
    from MedDLScene.scene_files import loadScene, saveScene

    drawn = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    drawn.GetSegmentation().AddEmptySegment("thing", "thing")
    widget._parameterNode.inputVolume, widget._parameterNode.segmentation = a_scan, drawn
    saveScene(scene, tmp_path / "saved.mrb")
    ui = widget.pages.correct._ui
    scene.Clear()
    ui.volumeSelector.setCurrentNode(slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name="other"))
    loadScene(tmp_path / "saved.mrb", scene)
    for shown in (ui, widget.ui):
        assert shown.volumeSelector.currentNode().GetName() == "scan"
        assert shown.segmentationSelector.currentNode().GetName() == "drawn"
    assert widget._parameterNode.inputVolume.GetName() == "scan"


def a_sequence(scene: Any) -> Any:
    """Three volumes of a ball that grows, 0 s, 1 s, 2 s; the proxy shows the first one, under a transform."""
    volumes, browser = slicer.vtkMRMLSequenceNode(), slicer.vtkMRMLSequenceBrowserNode()
    volumes.SetName("ball in time")
    volumes.SetIndexName("time")
    volumes.SetIndexUnit("s")
    scene.AddNode(volumes)
    scene.AddNode(browser)
    k, j, i = np.indices((12, 14, 16))
    for n in range(3):
        array = np.where((k - 6) ** 2 + (j - 7) ** 2 + (i - 8) ** 2 <= (2 + n) ** 2, 200, -1000).astype(np.int16)
        node = slicer.util.addVolumeFromArray(array, name="item")
        volumes.SetDataNodeAtValue(node, str(n))
        scene.RemoveNode(node)
    browser.SetAndObserveMasterSequenceNodeID(volumes.GetID())
    proxy = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "ball in time")
    proxy.CopyContent(volumes.GetNthDataNode(0), False)
    browser.AddProxyNode(proxy, volumes, False)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    proxy.SetAndObserveTransformNodeID(moved.GetID())
    return proxy, browser, volumes


def test_all_volumes_of_a_sequence_become_a_sequence_of_segmentations(widget: Any, scene: Any, wait: Wait) -> None:
    proxy, browser, volumes = a_sequence(scene)
    choose(widget, wait)
    widget.ui.volumeSelector.setCurrentNode(proxy)
    assert widget.ui.sequenceCheckBox.visible and widget.ui.sequenceCheckBox.text == "All 3 volumes"
    widget.ui.sequenceCheckBox.checked = True
    wait(lambda: widget.panel.state.plan is not None)
    assert widget.ui.planLabel.text.endswith("for each of 3 volumes")
    before = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    widget.ui.applyButton.click()
    assert widget.ui.statusLabel.text.startswith("Volume 1 of 3: ")
    wait(lambda: ended(widget))
    assert widget.panel.state.problem == ""
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
    segmentation = widget.ui.segmentationSelector.currentNode()
    found = browser.GetSequenceNode(segmentation)
    assert found.GetNumberOfDataNodes() == 3 and found.GetIndexUnit() == "s"
    from MedDLScene.result_nodes import runManifest, statisticsTable

    hashes = set()
    for n in range(3):
        browser.SetSelectedItemNumber(n)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        identifier = segmentation.GetSegmentation().GetNthSegmentID(0)
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, proxy) > 0
        assert np.array_equal(voxels, slicer.util.arrayFromVolume(volumes.GetNthDataNode(n)) > 100)
        hashes.add(str(runManifest(segmentation)["inputs"]))
    assert len(hashes) == 3  # each item has the record of its own run
    assert segmentation.GetTransformNodeID() == proxy.GetTransformNodeID()
    assert segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is proxy
    table = statisticsTable(segmentation).GetTable()
    assert [table.GetValueByName(n, "Item").ToString() for n in range(3)] == ["0 s", "1 s", "2 s"]
    volumes_mL = [table.GetValueByName(n, "Volume [mL]").ToDouble() for n in range(3)]
    assert volumes_mL == sorted(volumes_mL) and volumes_mL[0] > 0


def test_a_sequence_that_is_removed_ends_its_run_and_leaves_nothing(widget: Any, scene: Any, wait: Wait) -> None:
    proxy, _, volumes = a_sequence(scene)
    choose(widget, wait)
    widget.ui.volumeSelector.setCurrentNode(proxy)
    widget.ui.sequenceCheckBox.checked = True
    widget.ui.applyButton.click()
    scene.RemoveNode(volumes)
    wait(lambda: ended(widget))
    assert "The sequence was removed" in widget.ui.statusLabel.text
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_volume_of_no_sequence_offers_none(widget: Any, a_scan: Any, wait: Wait) -> None:
    choose(widget, wait)
    assert not widget.ui.sequenceCheckBox.visible and widget.panel.state.items == 0
