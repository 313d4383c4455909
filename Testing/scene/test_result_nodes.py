"""What a run leaves in the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fixtures.slicer_core  # noqa: F401  says why the tests are skipped where it is absent
from fixtures.balls import ball, ball_mask
from MedDLCore.volume import Geometry, Label, LabelMap
from MedDLCore.writers import segment_statistics
from MedDLScene.result_nodes import resultToScene, runManifest, statisticsTable
from MedDLScene.scene_files import loadScene, saveScene

PLACE = Geometry.from_parts((12, 14, 16), (1.0, 1.5, 2.0))
VOLUME = ball(PLACE, (10, 10, 10), 5)
LABELS = (Label(1, "ball", (221, 130, 101)), Label(2, "nothing", (10, 20, 30)))
FOUND = LabelMap(ball_mask(PLACE, (10, 10, 10), 5).astype(np.uint8), PLACE, LABELS)
MANIFEST = {"model": {"name": "a: b; c\n\"d\" 'e' <f>"}, "seconds": {"network": 1.5}}


def rows() -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(row) for row in segment_statistics(FOUND, VOLUME)]


def test_the_table_has_a_row_for_each_structure(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    node = resultToScene(FOUND, rows(), MANIFEST, a_volume_node(VOLUME), scene)
    table = statisticsTable(node).GetTable()
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert names[:2] == ["Structure", "Volume [mL]"]
    assert [table.GetValueByName(n, "Structure").ToString() for n in range(2)] == ["ball", "nothing"]
    voxels = int(FOUND.array.sum())
    assert table.GetValueByName(0, "Voxels").ToInt() == voxels
    assert np.isclose(table.GetValueByName(0, "Volume [mL]").ToDouble(), voxels * 3.0 / 1000)
    assert np.isnan(table.GetValueByName(1, "Mean").ToDouble())


def test_another_run_fills_the_same_nodes(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    volume = a_volume_node(VOLUME)
    node = resultToScene(FOUND, rows(), MANIFEST, volume, scene)
    table = statisticsTable(node)
    again = resultToScene(FOUND, rows()[:1], {"second": True}, volume, scene, node)
    assert again is node and statisticsTable(node) is table and table.GetTable().GetNumberOfRows() == 1
    assert runManifest(node) == {"second": True}
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_the_manifest_is_saved_with_the_scene(scene: Any, a_volume_node: Callable[..., Any], tmp_path: Path) -> None:
    resultToScene(FOUND, rows(), MANIFEST, a_volume_node(VOLUME), scene)
    saveScene(scene, tmp_path / "saved.mrb")
    scene.Clear()
    loadScene(tmp_path / "saved.mrb", scene)
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert runManifest(node) == MANIFEST
    assert statisticsTable(node).GetTable().GetNumberOfRows() == 2


def test_a_segmentation_of_a_person_has_neither(scene: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert statisticsTable(node) is None and runManifest(node) is None
