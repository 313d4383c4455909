"""A case of a data set, opened in the scene."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer")

from fixtures.data_sets import NAMES, drawn, labels_of
from MedDLCore.volume import LabelMap, Volume
from MedDLScene.annotated import annotatedScans
from MedDLScene.case_nodes import caseToScene, variationsToScene
from MedDLScene.host import createScene


@pytest.fixture
def scene() -> Any:
    host = createScene()
    yield host.scene


def a_case() -> tuple[Volume, LabelMap]:
    case = drawn(1)
    return Volume(case.image, case.geometry, "CT"), LabelMap(case.labels, case.geometry, labels_of(*NAMES))


def test_what_was_drawn_lies_on_the_scan(scene: Any) -> None:
    volume, truth = a_case()
    caseToScene("one", [volume], truth, None, scene)
    (scan,) = annotatedScans(scene)
    assert scan.name == "one" and np.array_equal(scan.volume().array, volume.array)
    (labels,) = scan.labelMaps()
    assert np.array_equal(labels.array, truth.array)


def test_what_was_found_is_drawn_as_outlines_and_replaced_the_next_time(scene: Any) -> None:
    volume, truth = a_case()
    nothing = replace(truth, array=np.zeros_like(truth.array))
    for found in (nothing, truth):
        caseToScene("one", [volume], truth, found, scene)
    nodes = scene.GetNodesByClass("vtkMRMLSegmentationNode")
    names = [nodes.GetItemAsObject(n).GetName() for n in range(nodes.GetNumberOfItems())]
    assert sorted(names) == ["one drawn", "one found"]
    drawn_node, found_node = (scene.GetFirstNodeByName(name) for name in sorted(names))
    assert drawn_node.GetDisplayNode().GetVisibility2DFill() and not found_node.GetDisplayNode().GetVisibility2DFill()


def test_what_a_model_found_in_a_case_is_not_taken_for_drawn_when_the_scene_is_learnt_from(scene: Any) -> None:
    volume, truth = a_case()
    caseToScene("one", [volume], truth, truth, scene)
    (scan,) = annotatedScans(scene)
    assert [node.GetName() for node in scan.segmentations] == ["one drawn"]


def test_every_channel_is_a_volume_of_its_own(scene: Any) -> None:
    volume, truth = a_case()
    first = caseToScene("one", [volume, volume], truth, None, scene)
    assert first.GetName() == "one 1" and scene.GetFirstNodeByName("one 2") is not None
    assert caseToScene("one", [volume, volume], truth, None, scene) is first


def test_variations_replace_those_before_and_nothing_is_learnt_from_them_or_saved(scene: Any) -> None:
    volume, truth = a_case()
    caseToScene("one", [volume], truth, None, scene)
    for name in ("one", "two"):
        varied = variationsToScene(name, volume, truth, scene)
    assert varied.GetName() == "two varied" and not varied.GetSaveWithScene()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    (scan,) = annotatedScans(scene)
    assert scan.name == "one" and len(scan.segmentations) == 1
    there, beside = [0.0] * 6, [0.0] * 6
    scan.node.GetRASBounds(there)
    varied.GetRASBounds(beside)
    assert beside[0] > there[1], "what was drawn on a scan would be seen over them"
