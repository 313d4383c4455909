"""The clicks that a segment was corrected by: with Slicer's own undo, and in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from MedDLCore.click import Click
from MedDLCore.volume import Geometry, Label, LabelMap, Volume
from MedDLScene.host import createScene
from MedDLScene.scene_files import loadScene, saveScene
from MedDLScene.segment_clicks import CLICKS, clicksOf, keepClick
from MedDLScene.segment_edit import editSegment
from MedDLScene.segment_editor import SegmentEditor
from MedDLScene.segmentation_node import labelMapToSegmentationNode

GRID = Geometry.from_parts((8, 9, 10), (1.0, 1.5, 2.0), origin=(-20, -10, 5))
ORGAN, OTHER = Label(1, "organ", (200, 100, 100)), Label(2, "other", (100, 100, 200))
IN, OUT = Click((1.25, -2.0, 3.5), "organ"), Click((0.0, 0.0, 7.0), "organ", positive=False)


class Case:
    """Two segments of a scan, and a Segment Editor."""

    def __init__(self, scene: Any, volumeNode: Any) -> None:
        self.volume, self.scene = volumeNode, scene
        self.node = self.result()
        self.organ, self.other = self.node.GetSegmentation().GetSegmentIDs()
        self.editor = SegmentEditor(self.node, volumeNode)

    def result(self, node: Any = None) -> Any:
        array = np.zeros(GRID.shape, np.uint8)
        array[:2], array[6:] = 1, 2
        return labelMapToSegmentationNode(LabelMap(array, GRID, (ORGAN, OTHER)), self.volume, self.scene, node)

    def click(self, click: Click, wanted: NDArray[np.bool_]) -> None:
        editSegment(self.editor, self.organ, wanted, GRID, click.point)
        keepClick(self.node, self.organ, click)


@pytest.fixture
def case(scene: Any, a_volume_node: Callable[..., Any]) -> Case:
    return Case(scene, a_volume_node(Volume(np.zeros(GRID.shape, np.float32), GRID)))


def planes(n: int) -> NDArray[np.bool_]:
    wanted = np.zeros(GRID.shape, bool)
    wanted[:n] = True
    return wanted


def test_what_slicers_undo_takes_back_was_not_clicked(case: Case) -> None:
    assert clicksOf(case.node) == ()
    for n, click in enumerate((IN, OUT, IN), start=3):
        case.click(click, planes(n))
    assert clicksOf(case.node) == (IN, OUT, IN)
    case.editor.undo()
    assert clicksOf(case.node) == (IN, OUT)
    case.editor.undo()
    assert clicksOf(case.node) == (IN,)
    case.click(OUT, planes(1))
    assert clicksOf(case.node) == (IN, OUT)
    case.editor.undo()
    case.editor.undo()
    assert clicksOf(case.node) == () and not case.editor.canUndo


def test_clicks_are_of_the_segment_whatever_it_is_called_and_go_with_it(case: Case) -> None:
    keepClick(case.node, case.other, OUT)
    keepClick(case.node, case.organ, IN)
    case.node.GetSegmentation().GetSegment(case.other).SetName("cyst")
    assert clicksOf(case.node) == (IN, Click(OUT.point, "cyst", positive=False))
    case.node.GetSegmentation().RemoveSegment(case.organ)
    assert [click.structure for click in clicksOf(case.node)] == ["cyst"]


def test_a_new_result_was_corrected_by_no_click(case: Case) -> None:
    keepClick(case.node, case.organ, IN)
    case.result(case.node)
    assert clicksOf(case.node) == ()


def test_clicks_come_back_with_a_saved_scene(case: Case, tmp_path: Path) -> None:
    case.click(IN, planes(3))
    case.click(OUT, planes(1))
    saveScene(case.scene, tmp_path / "corrected.mrb")
    host = createScene()
    loadScene(tmp_path / "corrected.mrb", host.scene)
    node = host.scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert clicksOf(node) == (IN, OUT)


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[[1, 2, 3]]", '[["a", 1, 2, 1]]', "[null]", '{"a": 1}', "[[0,0,0,NaN]]", f"[[{10**400},0,0,1]]"],
)
def test_a_foreign_tag_says_nothing_of_clicks(case: Case, text: str) -> None:
    case.node.GetSegmentation().GetSegment(case.organ).SetTag(CLICKS, text)
    assert clicksOf(case.node) == ()
    keepClick(case.node, case.organ, IN)
    assert clicksOf(case.node) == (IN,)
