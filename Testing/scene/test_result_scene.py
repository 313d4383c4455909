"""A result as a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.balls import THRESHOLD, ball, turned
from MedDLCore.volume import Concept, Geometry, Label, LabelMap, Terminology
from MedDLScene.result_scene import writeResultScene
from MedDLScene.scene_files import loadScene, nodesOfScene, volumesOfScene
from MedDLScene.segmentation_node import labelMapFromSegmentationNode

GRID = Geometry.from_parts((20, 22, 24), (1.5, 1.5, 2.0), turned(20, 0), (-10, -12, -5))
LIVER = Label(
    3,
    "liver",
    (221, 130, 101),
    Terminology(Concept("123037004", "SCT", "Anatomical Structure"), Concept("10200004", "SCT", "Liver")),
)


def test_a_result_written_to_a_relative_path_comes_back_from_the_scene(
    scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slicer's library cannot write a bundle to a relative path."""
    monkeypatch.chdir(tmp_path)
    volume = ball(GRID, GRID.index_to_ras([12, 11, 10]), 9)
    found = LabelMap((volume.array > THRESHOLD).astype(np.uint8) * 3, GRID, (LIVER,))
    writeResultScene(volume, found, Path("result.mrb"), "scan")

    ((name, again),) = volumesOfScene(tmp_path / "result.mrb")
    assert name == "scan"
    assert np.array_equal(again.array, volume.array)
    assert again.geometry.same_as(GRID)
    loadScene(tmp_path / "result.mrb", scene)
    (node,) = nodesOfScene(scene, "vtkMRMLSegmentationNode")
    back = labelMapFromSegmentationNode(node, nodesOfScene(scene, "vtkMRMLScalarVolumeNode")[0])
    assert [(label.name, label.color, label.terminology) for label in back.labels] == [
        (LIVER.name, LIVER.color, LIVER.terminology)
    ]
    assert np.array_equal(back.array > 0, found.array > 0)
