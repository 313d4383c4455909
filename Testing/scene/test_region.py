"""A region-of-interest node as a box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fixtures.slicer_core  # noqa: F401  says why the tests are skipped where it is absent
from fixtures.balls import turned
from MedDLCore.errors import Code, MedDLError
from MedDLScene.region import boxOfRegion


@pytest.fixture
def region(scene: Any) -> Any:
    """20 x 30 x 40 mm around (5, 6, 7)."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    node.SetCenter(5, 6, 7)
    node.SetSize(20, 30, 40)
    return node


def test_a_region_is_its_box(region: Any) -> None:
    assert np.allclose(boxOfRegion(region), (-5, -9, -13, 15, 21, 27))


def test_a_region_lies_under_its_transform(region: Any, a_transform_node: Callable[..., Any]) -> None:
    shift = np.eye(4)
    shift[:3, 3] = 100, 0, -50
    region.SetAndObserveTransformNodeID(a_transform_node(shift).GetID())
    assert np.allclose(boxOfRegion(region), (95, -9, -63, 115, 21, -23))


def test_the_box_holds_a_region_that_is_turned(region: Any, a_transform_node: Callable[..., Any]) -> None:
    turn = np.eye(4)
    turn[:3, :3] = turned(90)
    region.SetAndObserveTransformNodeID(a_transform_node(turn).GetID())
    low, high = np.array(boxOfRegion(region)).reshape(2, 3)
    assert np.allclose(high - low, (30, 20, 40))


def test_a_region_that_is_not_placed_is_refused(scene: Any) -> None:
    with pytest.raises(MedDLError) as refused:
        boxOfRegion(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode"))
    assert refused.value.code is Code.REGION_OUTSIDE
