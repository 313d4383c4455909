"""The effect in Segment Editor: its real logic, its real undo, a real worker."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from numpy.typing import NDArray
from PySide6 import QtCore, QtWidgets

Wait = Callable[..., None]

UP = 100.0
"""mm, that the couch of ``a_scan`` lies higher than its voxels say."""


@pytest.fixture
def editor(host: Any, widget: Any, a_scan: Any, scene: Any, wait: Wait) -> Iterator[Any]:
    """Segment Editor with the effect chosen, and a segment that the model knows beside one that it does not."""
    from gui.host.segment_effects import Editor, qSlicerSegmentEditorEffectFactory

    if not qSlicerSegmentEditorEffectFactory.instance().registered:
        importlib.import_module("MedDLSegment").registerEffect()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    node.SetAndObserveTransformNodeID(a_scan.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(a_scan)
    for name in ("ball", "thing"):
        node.GetSegmentation().AddEmptySegment(name, name)
    made = Editor("MedDL clicks", a_scan, node)
    made.node.SetSelectedSegmentID("ball")
    wait(lambda: made.effect.clicks.state.models is not None)
    yield made
    made.effect.cleanup()


def press(
    editor: Any, r: float, a: float, s: float, ctrl: bool = False, event: int = vtk.vtkCommand.LeftButtonPressEvent
) -> bool:
    view = slicer.app.layoutManager().sliceWidget("Green")
    view.mrmlSliceNode().SetSliceOffset(0)
    view.mrmlSliceNode().SetSliceToRASByNTP(0, 0, 1, -1, 0, 0, 0, 0, s, 0)
    matrix = slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetXYToRAS())
    x, y, *_ = np.linalg.inv(matrix) @ (r, a, s, 1)
    interactor = view.sliceView().interactor()
    interactor.SetEventInformation(round(x), round(y), int(ctrl), 0, "0", 0, "")
    return editor.effect.processInteractionEvents(interactor, event, view)


def found(editor: Any, name: str) -> NDArray[np.bool_]:
    node, volume = editor.node.GetSegmentationNode(), editor.node.GetSourceVolumeNode()
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, name, volume) > 0


def answered(editor: Any, count: int) -> Callable[[], bool]:
    def done() -> bool:
        going = editor.effect.clicks.state.going
        assert going.problem is None, going.problem.message
        return going.count == count and not going.busy

    return done


def texts(editor: Any) -> str:
    return " ".join(str(label.property("text")) for label in editor.frame.findChildren(QtWidgets.QLabel))


def test_the_effect_is_one_of_segment_editors(editor: Any) -> None:
    from gui.host.segment_effects import qSlicerSegmentEditorEffectFactory

    (registered,) = qSlicerSegmentEditorEffectFactory.instance().registered.values()
    assert registered.title == "MedDL clicks" and registered.perSegment and registered.requireSegments
    assert not registered.self().icon().isNull() and "Ctrl" in registered.self().helpText()
    view = slicer.app.layoutManager().sliceWidget("Green")
    moved = editor.effect.processInteractionEvents(view.sliceView().interactor(), vtk.vtkCommand.MouseMoveEvent, view)
    assert moved is False


def test_a_model_that_nobody_has_chosen_is_no_error_in_slicers_log(editor: Any) -> None:
    """Slicer keeps no empty parameter, and logs an error whenever one is read that it does not have."""
    assert not editor.effect.scriptedEffect.parameterDefined("Model")
    assert press(editor, 5, 30, UP + 15) is True and found(editor, "ball").any(), "it grows"


def test_the_cursor_hides_nothing_of_what_is_to_be_clicked(editor: Any) -> None:
    """Where an effect makes none, Slicer draws its icon below an arrow: 128 pixels of it."""
    view = slicer.app.layoutManager().sliceWidget("Green")
    assert editor.effect.createCursor(view).shape() == QtCore.Qt.CursorShape.CrossCursor


def test_clicks_change_the_selected_segment_and_segment_editors_undo_takes_one_back(
    editor: Any, a_scan: Any, wait: Wait
) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    assert press(editor, 5, 30, UP + 15) is True
    wait(answered(editor, 1))
    first = found(editor, "ball")
    assert first.any() and not (first & ~(slicer.util.arrayFromVolume(a_scan) > 100)).any()
    press(editor, 5, 30, UP + 15, ctrl=True)
    wait(answered(editor, 2))
    assert found(editor, "ball").sum() < first.sum() and not found(editor, "thing").any()
    editor.logic.Undo()
    assert np.array_equal(found(editor, "ball"), first)
    editor.logic.Undo()
    assert not found(editor, "ball").any() and not editor.logic.CanUndo()
    press(editor, 15, 40, UP + 35)
    wait(answered(editor, 3))
    assert found(editor, "ball").any() and not found(editor, "ball")[:10].any(), "what was undone is not brought back"


def test_a_double_click_is_one_click_and_the_view_stays_as_it_is(editor: Any) -> None:
    """Slicer's view filled the window, at every second one of quick clicks."""
    editor.effect.scriptedEffect.setParameter("Model", "none")
    assert press(editor, 5, 30, UP + 15) is True
    assert press(editor, 5, 30, UP + 15, event=vtk.vtkCommand.LeftButtonDoubleClickEvent) is True
    assert editor.effect.clicks.state.going.count == 1
    editor.node.SetSelectedSegmentID("")
    assert press(editor, 5, 30, UP + 15, event=vtk.vtkCommand.LeftButtonDoubleClickEvent) is False


def test_the_page_correct_counts_the_clicks_of_the_effect_without_those_that_were_undone(
    widget: Any, editor: Any, a_scan: Any, wait: Wait
) -> None:
    parameters, collect = widget._parameterNode, widget.pages.correct._collect
    parameters.inputVolume, parameters.segmentation = a_scan, editor.node.GetSegmentationNode()
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    press(editor, 5, 30, UP + 15)
    press(editor, 5, 30, UP + 15, ctrl=True)
    wait(answered(editor, 2))
    assert collect.state.clicks == 2
    editor.logic.Undo()
    assert collect.state.clicks == 1
    editor.logic.Redo()
    assert collect.state.clicks == 2
    editor.effect.deactivate()
    assert collect.state.clicks == 2, "another effect forgets none"


def test_the_mask_of_segment_editor_is_kept_to(editor: Any, wait: Wait) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    thing = np.zeros(found(editor, "ball").shape, np.uint8)
    thing[:, :, :26] = 1
    node, volume = editor.node.GetSegmentationNode(), editor.node.GetSourceVolumeNode()
    slicer.util.updateSegmentBinaryLabelmapFromArray(thing, node, "thing", volume)
    editor.node.SetMaskMode(node.EditAllowedInsideSingleSegment)
    editor.node.SetMaskSegmentID("thing")
    editor.node.SetOverwriteMode(editor.node.OverwriteNone)
    press(editor, 5, 30, UP + 15)
    wait(answered(editor, 1))
    assert found(editor, "ball").any() and not (found(editor, "ball") & (thing == 0)).any()
    assert np.array_equal(found(editor, "thing"), thing > 0) and "voxels stay as they are" in texts(editor)


def test_a_segment_that_the_model_does_not_know_is_said_and_clicks_are_the_views(editor: Any) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    editor.node.SetSelectedSegmentID("thing")
    assert "thing is no structure of this model" in texts(editor) and "ball" in texts(editor)
    assert press(editor, 5, 30, UP + 15) is False and editor.effect.clicks.clicks is None


def test_what_is_said_follows_the_selected_segment_and_its_name(editor: Any) -> None:
    """Slicer tells an effect of its own parameters, and of no choice in the editor: what was said before stayed."""
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    editor.node.SetSelectedSegmentID("thing")
    assert "thing is no structure" in texts(editor)
    editor.node.SetSelectedSegmentID("ball")
    assert "no structure" not in texts(editor)
    segment = editor.node.GetSegmentationNode().GetSegmentation().GetSegment("ball")
    segment.SetName("other")
    assert "other is no structure" in texts(editor)
    editor.effect.deactivate()
    segment.SetName("ball")
    assert "other is no structure" in texts(editor), "another effect is chosen"


def test_a_segment_that_is_removed_while_a_click_is_answered_does_not_come_back(editor: Any, wait: Wait) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    press(editor, 5, 30, UP + 15)
    segmentation = editor.node.GetSegmentationNode().GetSegmentation()
    segmentation.RemoveSegment("ball")
    editor.node.SetSelectedSegmentID("thing")
    wait(lambda: not editor.effect.clicks.state.going.busy)
    assert list(segmentation.GetSegmentIDs()) == ["thing"] and not editor.logic.CanUndo()
    assert "gone" in editor.effect.clicks.state.going.problem.message


def test_of_two_segments_of_one_name_none_is_changed(editor: Any) -> None:
    """The first one was, whichever was selected."""
    editor.node.GetSegmentationNode().GetSegmentation().AddEmptySegment("twin", "Thing")
    editor.effect.scriptedEffect.setParameter("Model", "none")
    for selected, said in (("thing", "Several segments"), ("twin", "Several segments"), ("", "Select a segment")):
        editor.node.SetSelectedSegmentID(selected)
        assert said in texts(editor) and press(editor, 5, 30, UP + 15) is False
    editor.node.SetSelectedSegmentID("ball")
    assert "Several segments" not in texts(editor) and press(editor, 5, 30, UP + 15) is True
    assert found(editor, "ball").any()


def test_a_segment_without_a_model_grows_and_what_was_undone_does_not_come_back(editor: Any, a_scan: Any) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "none")
    editor.node.SetSelectedSegmentID("thing")
    press(editor, 5, 30, UP + 27, ctrl=True)
    assert "Now click the structure" in texts(editor)
    editor.logic.Undo()  # it has grown nothing, and is a step all the same
    press(editor, 5, 30, UP + 15)
    press(editor, 5, 30, UP + 27, ctrl=True)
    grown, ball = found(editor, "thing"), slicer.util.arrayFromVolume(a_scan) > 0
    assert 2 * (grown & ball).sum() / (grown.sum() + ball.sum()) > 0.9
    press(editor, 5, 30, UP + 17, ctrl=True)
    assert found(editor, "thing").sum() < grown.sum()
    editor.logic.Undo()
    assert np.array_equal(found(editor, "thing"), grown)
    press(editor, 5, 30, UP + 15)
    assert np.array_equal(found(editor, "thing"), grown)


def test_another_effect_another_volume_and_a_closed_scene_end_it(editor: Any, scene: Any, wait: Wait) -> None:
    editor.effect.scriptedEffect.setParameter("Model", "listening")
    press(editor, 5, 30, UP + 15)
    assert editor.effect.clicks.clicks is not None
    editor.effect.deactivate()
    assert editor.effect.clicks.clicks is None
    editor.effect.scriptedEffect.activate()
    press(editor, 5, 30, UP + 15)
    editor.node.SetAndObserveSourceVolumeNode(None)
    assert editor.effect.clicks.clicks is None and "Choose the volume" in texts(editor)
    scene.Clear()
    assert press(editor, 5, 30, UP + 15) is False
