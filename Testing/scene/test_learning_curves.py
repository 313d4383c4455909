"""Loss and Dice of a training as a chart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer")

from MedDLScene.host import createScene
from MedDLScene.learning_curves import RELATIVE, LearningCurves
from MedDLScene.libraries import numpy_support

COLORS = {"liver": (221, 130, 101), "spleen": (157, 108, 162)}


def epoch(n: int, dice: dict[str, float | None] | None = None) -> dict[str, Any]:
    known = [value for value in (dice or {}).values() if value is not None]
    return {"epoch": n, "loss": 2 / n, "dice": dice or {}, "mean_dice": sum(known) / len(known) if known else None}


EPOCHS = [epoch(1), epoch(2, {"liver": 0.5, "spleen": None}), epoch(3), epoch(4, {"liver": 0.7, "spleen": 0.3})]


@pytest.fixture
def scene() -> Any:
    host = createScene()
    yield host.scene


def series_of(chart: Any) -> dict[str, tuple[list[float], list[float]]]:
    found = {}
    for n in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(n)
        table = series.GetTableNode().GetTable()
        x, y = (
            numpy_support.vtk_to_numpy(table.GetColumnByName(name)).tolist()
            for name in (series.GetXColumnName(), series.GetYColumnName())
        )
        found[series.GetName()] = (x, y)
    return found


def test_loss_has_every_epoch_and_dice_those_with_a_validation(scene: Any) -> None:
    found = series_of(LearningCurves(scene).show("organs", EPOCHS, COLORS))
    assert list(found) == [RELATIVE, "Mean Dice", "liver", "spleen"]
    assert found[RELATIVE] == ([1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4])
    assert found["liver"] == ([2, 4], [0.5, 0.7])
    assert np.isnan(found["spleen"][1][0]) and found["spleen"][1][1] == 0.3


def test_curves_grow_on_the_same_nodes(scene: Any) -> None:
    curves = LearningCurves(scene)
    first = curves.show("organs", EPOCHS[:1], COLORS)
    assert list(series_of(first)) == [RELATIVE]
    count = scene.GetNumberOfNodes()
    again = curves.show("organs", EPOCHS, COLORS)
    assert again is first and len(series_of(again)[RELATIVE][0]) == 4
    assert scene.GetNumberOfNodes() == count + 3  # a series for each new line, no table and no chart
    color = again.GetNthPlotSeriesNode(2).GetColor()
    assert [round(255 * channel) for channel in color] == [221, 130, 101]


def test_another_training_and_a_closed_scene_get_charts_of_their_own(scene: Any) -> None:
    curves = LearningCurves(scene)
    first = curves.show("organs", EPOCHS, COLORS)
    other = curves.show("vessels", EPOCHS[:2], {})
    assert other is not first and len(series_of(first)[RELATIVE][0]) == 4
    scene.Clear()
    anew = curves.show("vessels", EPOCHS, {})
    assert anew.GetScene() is scene and len(series_of(anew)[RELATIVE][0]) == 4
