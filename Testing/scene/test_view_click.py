"""A click in a view is a place in the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.slicer_core import vtk
from MedDLScene.view_click import placeOfClick


def click_at(interactor: Any, x: int, y: int) -> None:
    interactor.SetEventInformation(x, y, 0, 0, "0", 0, "")


def test_in_an_oblique_slice_the_place_lies_in_its_plane(scene: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetDimensions(200, 100, 1)
    node.SetFieldOfView(100, 50, 1)
    node.SetSliceToRASByNTP(0, 0.6, 0.8, 1, 0, 0, 5, -7, 11, 0)
    interactor = vtk.vtkRenderWindowInteractor()
    click_at(interactor, 100, 50)
    middle = np.array(placeOfClick(interactor, node))
    assert np.abs(middle - (5, -7, 11)).max() < 0.5, "half a pixel"
    click_at(interactor, 140, 20)
    away = np.array(placeOfClick(interactor, node)) - middle
    assert np.linalg.norm(away) == pytest.approx(25) and abs(away @ (0, 0.6, 0.8)) < 1e-9


def test_in_a_3d_view_the_place_lies_on_the_surface_and_beside_it_there_is_none(scene: Any) -> None:
    ball = vtk.vtkSphereSource()
    ball.SetRadius(10)
    ball.SetCenter(3, 4, 5)
    ball.SetThetaResolution(64)
    ball.SetPhiResolution(64)
    mapper, actor = vtk.vtkPolyDataMapper(), vtk.vtkActor()
    mapper.SetInputConnection(ball.GetOutputPort())
    actor.SetMapper(mapper)
    renderer, window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
    renderer.AddActor(actor)
    window.SetOffScreenRendering(True)
    window.SetSize(200, 200)
    window.AddRenderer(renderer)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(3, 4, 5)
    camera.SetPosition(3, 4, 105)
    node = scene.AddNewNodeByClass("vtkMRMLViewNode")
    click_at(interactor, 100, 100)
    assert np.abs(np.array(placeOfClick(interactor, node)) - (3, 4, 15)).max() < 0.5
    click_at(interactor, 3, 3)
    assert placeOfClick(interactor, node) is None
