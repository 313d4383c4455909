"""A map of uncertainty lies on its scan, wherever that lies, and is laid over it in the slice views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.balls import ball, ball_mask, centroid, turned
from fixtures.placements import linear, tilted, tilting_grid
from fixtures.slicer_core import slicer, vtk
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry
from MedDLScene.overlay import Overlay, jumpTo
from MedDLScene.scene_files import loadScene, saveScene
from MedDLScene.scene_nodes import scansOfScene
from MedDLScene.uncertainty_node import WINDOW, uncertaintyOf, uncertaintyToScene
from MedDLScene.volume_node import volumeFromNode, worldGeometry

OBLIQUE = Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), turned(30, 1), (-20, 10, 5))
CENTRE = tuple(OBLIQUE.index_to_ras((22, 13, 11)))
SCAN = ball(OBLIQUE, CENTRE, 8)


def unsure(grid: Geometry, centre: Any) -> np.ndarray:
    """0.08 in a ball."""
    return (0.08 * ball_mask(grid, centre, 8)).astype(np.float32)


def placed(node: Any) -> np.ndarray:
    """Where the middle of the map is, in the world."""
    volume = volumeFromNode(node)
    return centroid(volume.array > 0.04, volume.geometry)


def test_a_map_lies_on_the_voxels_of_an_oblique_scan_beside_it(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    volume = a_volume_node(SCAN)
    before = volume.GetMTime()
    node = uncertaintyToScene(unsure(OBLIQUE, CENTRE), volume, scene)
    made = volumeFromNode(node)
    assert made.geometry.same_as(OBLIQUE, 1e-9) and np.array_equal(made.array, unsure(OBLIQUE, CENTRE))
    assert node.GetName() == "scan uncertainty" and uncertaintyOf(volume) is node
    assert volume.GetMTime() == before, "the worker need not be given the scan again"
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = [hierarchy.GetItemByDataNode(each) for each in (node, volume)]
    assert all(items) and len({hierarchy.GetItemParent(item) for item in items}) == 1
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == WINDOW and not display.GetAutoWindowLevel()
    assert scansOfScene(scene) == [volume], "no case of a training set is made of it"


def test_under_a_linear_transform_it_moves_with_its_scan(
    scene: Any, a_volume_node: Callable[..., Any], a_transform_node: Callable[..., Any]
) -> None:
    volume, moved = a_volume_node(SCAN), linear()
    transform = a_transform_node(moved)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    grid = worldGeometry(volume)
    there = moved[:3, :3] @ CENTRE + moved[:3, 3]
    node = uncertaintyToScene(unsure(grid, there), volume, scene)
    assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    assert placed(node) == pytest.approx(centroid(ball_mask(grid, there, 8), grid), abs=1e-6)
    transform.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    assert volumeFromNode(node).geometry.same_as(volumeFromNode(volume).geometry)


def test_under_a_bent_transform_it_lies_where_it_was_measured(
    scene: Any, a_volume_node: Callable[..., Any], a_transform_node: Callable[..., Any]
) -> None:
    volume = a_volume_node(SCAN)
    volume.SetAndObserveTransformNodeID(a_transform_node(tilting_grid()).GetID())
    grid, there = worldGeometry(volume), tilted(np.array(CENTRE))
    node = uncertaintyToScene(unsure(grid, there), volume, scene)
    assert node.GetImageData().GetDimensions() == volume.GetImageData().GetDimensions()
    assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    assert placed(node) == pytest.approx(there, abs=0.3)


def test_another_measurement_renews_the_map_and_leaves_its_looks(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    volume = a_volume_node(SCAN)
    node = uncertaintyToScene(unsure(OBLIQUE, CENTRE), volume, scene)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 0.5)
    again = uncertaintyToScene(np.full(OBLIQUE.shape, 0.02, np.float32), volume, scene)
    assert again is node and volumeFromNode(node).array.max() == np.float32(0.02)
    assert node.GetDisplayNode().GetWindowLevelMax() == 0.5
    other = uncertaintyToScene(unsure(OBLIQUE, CENTRE), a_volume_node(SCAN), scene)
    assert other is not node and other.GetName() != node.GetName()
    assert other.GetDisplayNode().GetColorNodeID() == node.GetDisplayNode().GetColorNodeID(), "one table for all"


def test_of_a_scan_that_has_got_other_voxels_no_map_is_made(scene: Any, a_volume_node: Callable[..., Any]) -> None:
    volume = a_volume_node(SCAN)
    with pytest.raises(MedDLError) as refused:
        uncertaintyToScene(np.zeros((3, 4, 5), np.float32), volume, scene)
    assert refused.value.code is Code.CANCELLED and uncertaintyOf(volume) is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1


def test_a_saved_scene_has_the_map_and_its_colours(
    scene: Any, a_volume_node: Callable[..., Any], tmp_path: Path
) -> None:
    uncertaintyToScene(unsure(OBLIQUE, CENTRE), a_volume_node(SCAN), scene)
    saveScene(scene, tmp_path / "saved.mrb")
    scene.Clear()
    loadScene(tmp_path / "saved.mrb", scene)
    (volume,) = scansOfScene(scene)
    node = uncertaintyOf(volume)
    assert np.allclose(volumeFromNode(node).array, unsure(OBLIQUE, CENTRE))
    colours = node.GetDisplayNode().GetColorNode()
    first, last = [0.0] * 4, [0.0] * 4
    colours.GetColor(0, first)
    colours.GetColor(255, last)
    assert colours.GetNumberOfColors() == 256 and first[3] == 0 and last[3] == 1 and last[0] > last[2]
    again = uncertaintyToScene(unsure(OBLIQUE, CENTRE), volume, scene)
    assert again is node and scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


@pytest.fixture
def views(scene: Any) -> list[Any]:
    return [scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode") for _ in range(2)]


def test_it_is_laid_over_the_scan_and_what_lay_there_comes_back(
    scene: Any, a_volume_node: Callable[..., Any], views: list[Any]
) -> None:
    volume, pet = a_volume_node(SCAN), a_volume_node(SCAN)
    node = uncertaintyToScene(unsure(OBLIQUE, CENTRE), volume, scene)
    views[0].SetForegroundVolumeID(pet.GetID())
    views[0].SetForegroundOpacity(0.25)
    overlay = Overlay(scene)
    assert not overlay.isShown(node)
    overlay.show(node, volume)
    overlay.show(node, volume)
    for view in views:
        assert (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == (volume.GetID(), node.GetID())
        assert 0 < view.GetForegroundOpacity() < 1, "the scan is seen through it"
    assert overlay.isShown(node)
    overlay.hide(node)
    assert (views[0].GetForegroundVolumeID(), views[0].GetForegroundOpacity()) == (pet.GetID(), 0.25)
    assert views[1].GetForegroundVolumeID() is None and not overlay.isShown(node)
    overlay.show(node, volume)
    scene.RemoveNode(pet)
    overlay.hide(node)
    assert views[0].GetForegroundVolumeID() is None


def test_where_the_map_is_no_more_to_be_seen_nothing_is_taken_away(
    scene: Any, a_volume_node: Callable[..., Any], views: list[Any]
) -> None:
    volume, pet = a_volume_node(SCAN), a_volume_node(SCAN)
    node = uncertaintyToScene(unsure(OBLIQUE, CENTRE), volume, scene)
    overlay = Overlay(scene)
    overlay.show(node, volume)
    for view in views:
        view.SetForegroundVolumeID(pet.GetID())
    assert not overlay.isShown(node)
    overlay.hide(node)
    assert [view.GetForegroundVolumeID() for view in views] == [pet.GetID()] * 2


def test_views_go_to_a_place(scene: Any) -> None:
    red, green = (scene.AddNewNodeByClass("vtkMRMLSliceNode") for _ in range(2))
    red.SetOrientationToAxial()
    green.SetOrientationToCoronal()
    jumpTo((5, 30, 15), scene)
    assert (red.GetSliceOffset(), green.GetSliceOffset()) == pytest.approx((15, 30))
