"""A person corrects by clicking in the views: real voxels, a real scene, a real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from numpy.typing import NDArray

from gui.host.mouse import pressAgain, pressAt

Wait = Callable[..., None]

UP = 100.0
"""mm, that the couch of ``a_scan`` lies higher than its voxels say."""


@pytest.fixture
def page(widget: Any, a_scan: Any, scene: Any, wait: Wait) -> Iterator[Any]:
    """The page Correct with an empty segmentation of a scan, and the model that listens."""
    wait(lambda: widget.panel.state.models is not None)
    widget.pages.show("Correct")
    shown = widget.pages.correct
    parameters = widget._parameterNode
    parameters.inputVolume = a_scan
    parameters.segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "corrected")
    parameters.correctModel = "listening"
    yield shown
    shown.end()
    shown.leave()
    if widget._parameterNode is not None:
        widget._parameterNode.correctModel = ""
    widget.pages.show("")


def answered(page: Any, count: int) -> Callable[[], bool]:
    def done() -> bool:
        going = page.state.going
        assert going.problem is None, going.problem.message
        return going.count == count and not going.busy

    return done


def found(page: Any, volume: Any, name: str = "ball") -> NDArray[np.bool_]:
    from MedDLScene.segmentation_node import segmentNamed

    node = page._parameters.segmentation
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentNamed(node, name), volume) > 0


def test_a_click_adds_ctrl_removes_and_undo_takes_back(page: Any, a_scan: Any, wait: Wait) -> None:
    ui = page._ui
    assert ui.addButton.enabled, ui.addButton.toolTip
    assert "click" in ui.addButton.text and "Ctrl" in ui.removeButton.text
    ui.addButton.click()
    pressAt(5, 30, UP + 15)
    assert "..." in ui.statusLabel.text and page.state.going.busy
    wait(answered(page, 1))
    ball = slicer.util.arrayFromVolume(a_scan) > 100
    first = found(page, a_scan)
    inside = first & ball
    assert inside.sum() > 100 and not (first & ~ball).any()
    segment = page._parameters.segmentation.GetSegmentation().GetNthSegment(0)
    assert [round(255 * channel) for channel in segment.GetColor()] == [200, 60, 60], "the model's colour"
    assert "voxels added" in ui.statusLabel.text and "network" in ui.statusLabel.text

    pressAt(5, 30, UP + 15, ctrl=True)
    wait(answered(page, 2))
    second = found(page, a_scan)
    assert second.sum() < first.sum() and not (second & ~first).any()
    assert "removed" in ui.statusLabel.text
    assert page._collect.state.clicks == 2
    ui.undoButton.click()
    assert np.array_equal(found(page, a_scan), first) and page.state.going.count == page._collect.state.clicks == 1
    ui.undoButton.click()
    assert not found(page, a_scan).any() and not ui.undoButton.enabled


def test_a_double_click_is_one_click_and_the_view_stays_as_it_is(page: Any, a_scan: Any, wait: Wait) -> None:
    """Slicer's view filled the window, at every second one of quick clicks."""
    views: list[str] = []
    interactor = slicer.app.layoutManager().sliceWidget("Red").sliceView().interactor()
    tag = interactor.AddObserver("LeftButtonDoubleClickEvent", lambda *_: views.append("filled"))
    pressAgain()
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    pressAgain()
    interactor.RemoveObserver(tag)
    assert views == ["filled"] and page.state.going.waiting == 0
    wait(answered(page, 1))


def test_answers_after_an_undo_are_those_without_the_click(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    first = found(page, a_scan)
    pressAt(15, 40, UP + 35)
    wait(answered(page, 2))
    assert found(page, a_scan).sum() > first.sum(), "what is clicked is there"
    page.onUndo()
    pressAt(5, 30, UP + 15, ctrl=True)
    wait(answered(page, 2))
    assert not (found(page, a_scan) & ~first).any(), "the click that was taken back is nowhere"


def test_a_click_that_was_taken_back_can_be_made_again_at_the_same_place(page: Any, a_scan: Any, wait: Wait) -> None:
    """The worker knew the click already, and answered that nothing changes."""
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    first = found(page, a_scan)
    page.onUndo()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    assert first.any() and np.array_equal(found(page, a_scan), first)


def test_clicks_while_one_is_answered_wait_for_their_turn(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    for n in range(3):
        pressAt(5 + n, 30, UP + 15)
    assert page.state.going.waiting == 2 and "2 more wait" in page._ui.statusLabel.text
    page.onUndo()
    assert page.state.going.waiting == 1
    wait(answered(page, 2))
    assert page._ui.undoButton.enabled


def test_a_click_that_is_taken_back_while_it_is_answered_changes_nothing(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    page.onUndo()
    assert page._ui.statusLabel.text == "Cancelling ..." and not page._ui.undoButton.enabled
    wait(lambda: not page.state.going.busy)
    assert page.state.going.count == 0 and page.state.going.problem is None
    assert page._parameters.segmentation.GetSegmentation().GetNumberOfSegments() == 0
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    assert found(page, a_scan).any()


def test_what_is_drawn_by_hand_between_clicks_is_what_the_next_goes_on_from(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    drawn = found(page, a_scan)
    drawn[0:2, 0:3, 0:3] = True
    node = page._parameters.segmentation
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        drawn.astype(np.uint8), node, node.GetSegmentation().GetNthSegmentID(0), a_scan
    )
    page._update()
    pressAt(5, 30, UP + 15, ctrl=True)
    wait(answered(page, 2))
    assert found(page, a_scan)[0:2, 0:3, 0:3].all(), "what was drawn is there"
    page.onUndo()
    assert np.array_equal(found(page, a_scan), drawn)
    assert not page._ui.undoButton.enabled, "what was there before somebody drew is not brought back here"


def test_a_click_that_is_refused_changes_nothing_and_the_next_is_answered(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(90, 90, UP + 15)
    wait(lambda: page.state.going.problem is not None)
    assert page.state.going.problem.code.value == "REGION_OUTSIDE" and page.state.going.count == 0
    assert page._ui.statusLabel.text == "The click does not lie in the scan. Click in it.", "no word of regions"
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    assert found(page, a_scan).any()


def test_a_killed_worker_is_told_and_the_next_click_has_a_new_one(
    widget: Any, page: Any, a_scan: Any, wait: Wait
) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    first = found(page, a_scan)
    os.kill(widget.logic.session.worker.pid, signal.SIGKILL)
    pressAt(15, 40, UP + 35)
    wait(lambda: page.state.going.problem is not None)
    assert np.array_equal(found(page, a_scan), first) and page.state.going.count == 1
    page._update()
    pressAt(15, 40, UP + 35)
    wait(lambda: page.state.going.count == 2)
    assert found(page, a_scan).sum() > first.sum()


def test_nodes_that_go_and_a_scene_that_closes_end_it(page: Any, scene: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    scene.RemoveNode(page._parameters.segmentation)
    assert page.clicks is None and page._ui.statusLabel.text
    assert not page._ui.addButton.enabled and not page._views.isOn
    page._parameters.segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "another")
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    assert page.clicks is not None
    scene.Clear()
    assert page.clicks is None and not page._views.isOn
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 0


def test_another_page_or_module_leaves_the_views_alone(host: Any, widget: Any, page: Any) -> None:
    page._ui.addButton.click()
    slicer.app.layoutManager().setLayout(4)
    assert page._views.isOn, "another layout"
    widget.pages.show("")
    pressAt(5, 30, UP + 15)
    assert page.clicks is None and not page._views.isOn and not page._ui.addButton.checked
    widget.pages.show("Correct")
    page._ui.removeButton.click()
    assert page._views.isOn and page._ui.removeButton.text == "Remove  (click)"
    page._ui.addButton.click()
    assert not page._ui.removeButton.checked and page._views.isOn
    host.select("MedDLTrain")
    assert not page._views.isOn
    host.select("MedDLSegment")


def test_points_can_be_placed_once_that_is_chosen_for_the_mouse(page: Any) -> None:
    """Clicks were still taken for corrections, as Segment Editor's effects do not."""
    page._ui.addButton.click()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.Place)
    assert not page._views.isOn and not page._ui.addButton.checked
    pressAt(5, 30, UP + 15)
    assert page.clicks is None
    page._ui.addButton.click()
    assert page._views.isOn and interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    page._ui.addButton.click()
    interaction.SetCurrentInteractionMode(interaction.Place)
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def test_in_a_3d_view_a_click_beside_every_surface_is_the_views(page: Any) -> None:
    page._ui.addButton.click()
    interactor = slicer.app.layoutManager().threeDWidget(0).threeDView().interactor()
    seen: list[int] = []
    tag = interactor.AddObserver("LeftButtonPressEvent", lambda *_: seen.append(1))
    interactor.SetEventInformation(5, 5, 0, 0, "0", 0, "")
    interactor.InvokeEvent("LeftButtonPressEvent")
    interactor.RemoveObserver(tag)
    assert seen == [1] and page.clicks is None


def test_a_structure_without_a_model_grows_from_clicks(page: Any, a_scan: Any, wait: Wait) -> None:
    ui = page._ui
    page._parameters.correctModel = "none"
    assert not ui.addButton.enabled and "Add a segment" in ui.statusLabel.text
    ui.segmentButton.click()
    name = page.state.structure
    assert ui.addButton.enabled and name
    ui.addButton.click()
    pressAt(5, 30, UP + 27, ctrl=True)  # what it is not, first: there is nothing yet
    assert page.state.going.count == 1 and "Now click the structure" in ui.warningsLabel.text
    pressAt(5, 30, UP + 15 + 1 / 7)  # a place of many decimals is known again, too
    assert page.state.going.count == 2 and not ui.warningsLabel.text
    ball, grown = slicer.util.arrayFromVolume(a_scan) > 0, found(page, a_scan, name)
    assert 2 * (ball & grown).sum() / (ball.sum() + grown.sum()) > 0.9
    ui.undoButton.click()
    assert not found(page, a_scan, name).any() and page.state.going.count == page._collect.state.clicks == 1
    ui.undoButton.click()
    pressAt(5, 30, UP + 15)
    ball, grown = slicer.util.arrayFromVolume(a_scan) > 0, found(page, a_scan, name)
    assert 2 * (ball & grown).sum() / (ball.sum() + grown.sum()) > 0.9  # one click is enough to begin with


def test_a_click_of_which_a_rule_keeps_every_voxel_is_a_step_of_undo_as_well(
    page: Any, a_scan: Any, scene: Any
) -> None:
    page._parameters.correctModel = "none"
    page._ui.segmentButton.click()
    page._ui.addButton.click()
    name, node = page.state.structure, page._parameters.segmentation
    pressAt(5, 30, UP + 27, ctrl=True)
    pressAt(5, 30, UP + 15)
    grown = found(page, a_scan, name)
    rules = keepingAll(scene, node)
    pressAt(5, 30, UP + 17, ctrl=True)
    assert np.array_equal(found(page, a_scan, name), grown) and page._collect.state.clicks == 3
    page.onUndo()
    assert np.array_equal(found(page, a_scan, name), grown) and page._collect.state.clicks == 2
    page.onUndo()
    assert not found(page, a_scan, name).any() and page._collect.state.clicks == 1
    scene.RemoveNode(rules)


def keepingAll(scene: Any, segmentation: Any) -> Any:
    """Segment Editor's rules, by which no voxel may be changed."""
    from MedDLScene.segment_editor import SINGLETON

    rules = slicer.vtkMRMLSegmentEditorNode()
    rules.SetSingletonTag(SINGLETON)
    rules = scene.AddNode(rules)
    rules.SetAndObserveSegmentationNode(segmentation)
    rules.SetSourceVolumeIntensityMask(True)
    rules.SetSourceVolumeIntensityMaskRange(30000, 31000)  # no voxel has these
    return rules


def draw(volume: Any, node: Any, name: str, mask: NDArray[np.bool_]) -> None:
    """Adds a segment, as a person who draws on the volume."""
    from MedDLScene.segmentation_node import placeOnVolume

    if node.GetSegmentation().GetNumberOfSegments() == 0:
        placeOnVolume(node, volume)
    node.GetSegmentation().AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, name, volume)


def test_a_click_takes_what_another_segment_or_a_mask_has_kept_from_the_one_before(
    page: Any, a_scan: Any, scene: Any, wait: Wait
) -> None:
    """The worker held it for given already, and the click that the page had asked for changed nothing."""
    node, ball = page._parameters.segmentation, slicer.util.arrayFromVolume(a_scan) > 100
    half = np.zeros(ball.shape, bool)
    half[:, :, :20] = True
    draw(a_scan, node, "other", half)
    rules = keepingAll(scene, node)
    page._ui.addButton.click()
    pressAt(9, 30, UP + 15)
    wait(answered(page, 1))
    assert not found(page, a_scan).any()
    rules.SetSourceVolumeIntensityMask(False)
    pressAt(9, 30, UP + 15)
    wait(answered(page, 2))
    assert np.array_equal(found(page, a_scan), ball & ~half), "the other segment keeps its half"
    assert "click in it to take them" in page._ui.warningsLabel.text
    pressAt(-1, 30, UP + 15)
    wait(answered(page, 3))
    given = found(page, a_scan)
    assert given[ball].all() and np.array_equal(found(page, a_scan, "other"), half & ~given)
    page.onUndo()
    assert np.array_equal(found(page, a_scan), ball & ~half) and np.array_equal(found(page, a_scan, "other"), half)
    pressAt(9, 30, UP + 15, ctrl=True)
    wait(answered(page, 3))
    assert found(page, a_scan).any() and not (found(page, a_scan) & half).any(), "what was undone does not come back"
    scene.RemoveNode(rules)


def test_a_structure_within_another_segment_grows_where_it_is_clicked(page: Any, a_scan: Any) -> None:
    """Every voxel of the segment around it was a seed of what it is not: a tumour in a liver was a ball of 2 mm."""
    node, ball = page._parameters.segmentation, slicer.util.arrayFromVolume(a_scan) > 0
    draw(a_scan, node, "around", np.ones(ball.shape, bool))
    draw(a_scan, node, "thing", np.zeros(ball.shape, bool))
    page._parameters.correctModel, page._parameters.correctStructure = "none", "thing"
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    grown = found(page, a_scan, "thing")
    assert 2 * (ball & grown).sum() / (ball.sum() + grown.sum()) > 0.9
    assert np.array_equal(found(page, a_scan, "around"), ~grown)
    pressAt(5, 30, UP + 27, ctrl=True)
    again = found(page, a_scan, "thing")
    assert 2 * (ball & again).sum() / (ball.sum() + again.sum()) > 0.9
    page.onUndo()
    page.onUndo()
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment("around"), logic.Completed)
    pressAt(5, 30, UP + 15)
    assert not found(page, a_scan, "thing").any() and found(page, a_scan, "around").all(), "it is locked"


@pytest.mark.parametrize("model", ["listening", "none"])
def test_a_click_is_taken_back_though_the_scan_was_moved_or_renamed(
    model: str, page: Any, a_scan: Any, wait: Wait
) -> None:
    """The button was there, and did nothing."""
    draw(a_scan, page._parameters.segmentation, "ball", slicer.util.arrayFromVolume(a_scan) > 1000)
    page._parameters.correctModel = model
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    first = found(page, a_scan)
    pressAt(7, 30, UP + 15, ctrl=True)
    wait(answered(page, 2))
    couch = slicer.util.arrayFromTransformMatrix(a_scan.GetParentTransformNode())
    couch[2, 3] -= 25
    slicer.util.updateTransformMatrixFromArray(a_scan.GetParentTransformNode(), couch)
    a_scan.SetName("renamed")
    page.onUndo()
    assert np.array_equal(found(page, a_scan), first) and page.state.going.count == 1
    pressAt(5, 30, UP - 25 + 15)
    wait(answered(page, 2))
    assert not (first & ~found(page, a_scan)).any(), "it is answered where the scan lies now"


def test_clicks_move_with_the_scan(page: Any, a_scan: Any) -> None:
    """They stayed in the world: after the couch was moved, the next click grew from where the scan had been."""
    page._parameters.correctModel = "none"
    page._ui.segmentButton.click()
    page._ui.addButton.click()
    name = page.state.structure
    pressAt(5, 30, UP + 15)
    first = found(page, a_scan, name)
    couch = slicer.util.arrayFromTransformMatrix(a_scan.GetParentTransformNode())
    couch[2, 3] -= 25
    slicer.util.updateTransformMatrixFromArray(a_scan.GetParentTransformNode(), couch)
    pressAt(5, 30, UP - 25 + 15)
    assert page.state.going.problem is None and np.array_equal(found(page, a_scan, name), first)


def test_as_many_clicks_are_taken_back_as_the_editor_has_steps(page: Any, a_scan: Any) -> None:
    from MedDLScene.segment_editor import UNDO_STEPS

    page._parameters.correctModel = "none"
    page._ui.segmentButton.click()
    page._ui.addButton.click()
    name = page.state.structure
    left = []
    for n in range(UNDO_STEPS + 3):
        pressAt(5, 30, UP + (15 if n % 2 == 0 else 28 + n), ctrl=n % 2 == 1)
        left.append(found(page, a_scan, name))
    assert page.state.going.count == page._collect.state.clicks == len(left)
    for n in range(UNDO_STEPS):
        assert page._ui.undoButton.enabled
        page.onUndo()
        assert np.array_equal(found(page, a_scan, name), left[-2 - n])
        assert page.state.going.count == page._collect.state.clicks == len(left) - 1 - n
    assert not page._ui.undoButton.enabled


def test_a_segment_that_is_completed_is_locked(page: Any, a_scan: Any, wait: Wait) -> None:
    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    before = found(page, a_scan)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    segment = page._parameters.segmentation.GetSegmentation().GetNthSegment(0)
    logic.SetSegmentStatus(segment, logic.Completed)
    pressAt(15, 40, UP + 35)
    wait(lambda: page.state.going.problem is not None)
    assert "locked" in page._ui.statusLabel.text and np.array_equal(found(page, a_scan), before)


def test_a_corrected_case_goes_into_a_training_set_with_its_clicks(
    page: Any, a_scan: Any, wait: Wait, tmp_path: Path
) -> None:
    import qt

    from MedDLSegmentLib.collect_part import LAST_SET
    from MedDLTraining.check import Severity, check
    from MedDLTraining.data import open_folder

    ui = page._ui
    assert not ui.collectButton.enabled and "No segment" in ui.collectButton.toolTip
    ui.addButton.click()
    pressAt(5, 30, UP + 15)
    pressAt(5, 30, UP + 35, ctrl=True)
    wait(answered(page, 2))
    assert ui.collectButton.toolTip == "Choose a folder for the training set."
    page._parameters.segmentation.GetSegmentation().AddEmptySegment("", "scribble")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "a.txt").touch()
    ui.trainingSetPath.setCurrentPath(str(tmp_path / "papers"))
    ui.collectButton.click()
    assert ui.collectLabel.text == "Adding the case ..." and not ui.collectButton.enabled
    wait(lambda: not page._collect.state.busy)
    assert "papers holds something else" in ui.collectLabel.text
    ui.trainingSetPath.setCurrentPath(str(tmp_path / "set"))
    assert ui.collectLabel.text == ""
    ui.collectButton.click()
    wait(lambda: not page._collect.state.busy)
    text = "Case 1 of this set: 2 clicks. No structures of the model, and left out: scribble."
    assert ui.collectLabel.text == text
    data_set = open_folder(tmp_path / "set")
    truth = data_set.load(data_set.cases[0]).truth
    assert [label.name for label in truth.labels] == ["ball"]
    assert np.array_equal(truth.array > 0, found(page, a_scan))
    assert check(data_set).of(Severity.ERROR) == ()

    page._parameters.correctModel = "none"
    page._parameters.correctModel = "listening"
    assert page._collect.state.clicks == 2, "another model does not forget what was clicked"
    page.end()
    assert page._collect.state.clicks == 2, "nor does another page"
    ui.collectButton.click()
    wait(lambda: not page._collect.state.busy)
    assert "and has its new segments: 2 clicks. Cases: 1." in ui.collectLabel.text
    page._parameters.correctSet = ""
    page.setParameters(page._parameters)
    assert ui.trainingSetPath.currentPath == str(tmp_path / "set"), "the next scene is offered the same set"
    qt.QSettings().remove(LAST_SET)
    page._parameters.correctSet = ""


def test_a_case_whose_worker_is_killed_can_be_added_again(widget: Any, page: Any, wait: Wait, tmp_path: Path) -> None:
    import qt

    from MedDLSegmentLib.collect_part import LAST_SET

    page._ui.addButton.click()
    pressAt(5, 30, UP + 15)
    wait(answered(page, 1))
    page._ui.trainingSetPath.setCurrentPath(str(tmp_path / "set"))
    os.kill(widget.logic.session.worker.pid, signal.SIGKILL)
    page._ui.collectButton.click()
    wait(lambda: not page._collect.state.busy)
    assert "killed the worker" in page._ui.collectLabel.text and page._ui.collectButton.enabled
    page._ui.collectButton.click()
    wait(lambda: not page._collect.state.busy)
    assert page._ui.collectLabel.text == "Case 1 of this set: 1 click."
    qt.QSettings().remove(LAST_SET)
    page._parameters.correctSet = ""
