"""Points of a point list, as a model that looks around points gets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fixtures.slicer_core  # noqa: F401  says why the tests are skipped where it is absent
from MedDLCore.errors import Code, MedDLError
from MedDLScene.points import placedPoints, pointsOfMarkups


def test_points_lie_in_the_world_and_count_once_they_are_placed(
    scene: Any, a_transform_node: Callable[..., Any]
) -> None:
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    points.AddControlPoint(1, 2, 3)
    points.AddControlPoint(4, 5, 6)
    points.UnsetNthControlPointPosition(0)
    shift = np.eye(4)
    shift[0, 3] = 10
    points.SetAndObserveTransformNodeID(a_transform_node(shift).GetID())
    assert placedPoints(points) == pointsOfMarkups(points) == ((14.0, 5.0, 6.0),)


def test_a_list_without_a_placed_point_is_refused(scene: Any) -> None:
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    with pytest.raises(MedDLError) as refused:
        pointsOfMarkups(points)
    assert refused.value.code is Code.POINTS_MISMATCH and "Click" in refused.value.hint
