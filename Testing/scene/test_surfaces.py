"""Surfaces of segments lie in the world, come one at a time, and can be written."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.balls import ball_mask
from fixtures.placements import linear, tilted, tilting_grid
from fixtures.slicer_core import slicer, vtk
from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Geometry
from MedDLScene.surfaces import FORMATS, closedSurfaces, showSurfaces, writeSurface

GRID = Geometry.from_parts((40, 44, 48), (1.5, 1.5, 1.5), origin=(-35, -33, -30))
CENTRE, RADIUS = (8.0, -4.0, 3.0), 15.0


def volume_of(poly_data) -> float:
    mass = vtk.vtkMassProperties()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(poly_data)
    mass.SetInputConnection(triangles.GetOutputPort())
    return mass.GetVolume()


def centre_of(poly_data) -> np.ndarray:
    return np.array(poly_data.GetBounds()).reshape(3, 2).mean(axis=1)


@pytest.fixture
def two_balls(a_segmentation_node):
    node = a_segmentation_node(
        GRID, large=ball_mask(GRID, CENTRE, RADIUS), small=ball_mask(GRID, (-20, 10, 5), 6), none=np.zeros(GRID.shape)
    )
    node.GetSegmentation().GetNthSegment(0).SetColor(1, 0.5, 0)
    return node


def test_each_segment_has_its_surface_in_its_place(two_balls) -> None:
    large, small, none = closedSurfaces(two_balls)
    assert [s.name for s in (large, small, none)] == ["large", "small", "none"]
    assert large.color == (255, 128, 0)
    assert none.mesh is None
    assert np.allclose(centre_of(large.mesh), CENTRE, atol=0.8)
    assert volume_of(large.mesh) == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.06)
    assert np.allclose(centre_of(small.mesh), (-20, 10, 5), atol=0.8)


def test_the_node_is_not_changed(two_balls) -> None:
    segmentation = two_balls.GetSegmentation()
    parameters = segmentation.SerializeAllConversionParameters()
    list(closedSurfaces(two_balls, smoothing=0.1))
    assert not segmentation.ContainsRepresentation("Closed surface")
    assert segmentation.SerializeAllConversionParameters() == parameters


def test_surfaces_are_made_only_when_asked_for(two_balls) -> None:
    wanted = [two_balls.GetSegmentation().GetNthSegmentID(1)]
    assert [s.name for s in closedSurfaces(two_balls, wanted)] == ["small"]
    coming = closedSurfaces(two_balls)
    assert next(coming).name == "large"
    coming.close()


def test_smoothing_takes_the_steps_away(two_balls) -> None:
    def roughness(smoothing):
        surface = next(closedSurfaces(two_balls, smoothing=smoothing)).mesh
        points = np.array([surface.GetPoint(n) for n in range(surface.GetNumberOfPoints())])
        return np.linalg.norm(points - CENTRE, axis=1).std()

    assert roughness(0.5) < 0.6 * roughness(0.0)


@pytest.mark.parametrize("kind", ["linear", "grid"])
def test_parent_transforms_are_applied(kind, two_balls, a_transform_node) -> None:
    parent = a_transform_node(linear() if kind == "linear" else tilting_grid())
    two_balls.SetAndObserveTransformNodeID(parent.GetID())
    surface = next(closedSurfaces(two_balls)).mesh
    expected = (linear() @ [*CENTRE, 1])[:3] if kind == "linear" else tilted(np.array(CENTRE))
    assert np.allclose(centre_of(surface), expected, atol=0.8)


@pytest.mark.parametrize("suffix", FORMATS)
def test_slicer_reads_a_written_surface_in_its_place(suffix, two_balls, scene, tmp_path) -> None:
    path = tmp_path / f"large{suffix}"
    surface = next(closedSurfaces(two_balls))
    writeSurface(surface, path)
    model, storage = slicer.vtkMRMLModelNode(), slicer.vtkMRMLModelStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(model)
    assert np.allclose(centre_of(model.GetPolyData()), centre_of(surface.mesh), atol=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_written_is_refused(two_balls, tmp_path) -> None:
    large, _, none = closedSurfaces(two_balls)
    for surface, name in ((none, "none.stl"), (large, "large.docx"), (large, "nowhere/large.stl")):
        with pytest.raises(MedDLError) as refused:
            writeSurface(surface, tmp_path / name)
        assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_surfaces_are_shown_when_the_last_one_is_made(two_balls) -> None:
    two_balls.CreateDefaultDisplayNodes()
    segmentation, display = two_balls.GetSegmentation(), two_balls.GetDisplayNode()
    display.SetVisibility3D(False)
    steps = showSurfaces(two_balls)
    assert [next(steps), next(steps)] == [1, 2]
    assert not segmentation.ContainsRepresentation("Closed surface") and not display.GetVisibility3D()
    assert list(steps) == [3]
    assert segmentation.ContainsRepresentation("Closed surface") and display.GetVisibility3D()
    large = segmentation.GetNthSegment(0).GetRepresentation("Closed surface")
    assert volume_of(large) == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.06)
    assert segmentation.GetNthSegment(2).GetRepresentation("Closed surface").GetNumberOfPoints() == 0


def test_a_segment_that_goes_meanwhile_or_has_a_surface_is_left_alone(two_balls) -> None:
    two_balls.CreateDefaultDisplayNodes()
    segmentation = two_balls.GetSegmentation()
    list(showSurfaces(two_balls))
    before = segmentation.GetNthSegment(1).GetRepresentation("Closed surface")
    steps = showSurfaces(two_balls)
    next(steps)
    segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
    list(steps)
    assert segmentation.GetNthSegment(0).GetRepresentation("Closed surface") is before
