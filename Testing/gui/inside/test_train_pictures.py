"""Pictures of MedDLTrain's panel and of its curves, to be looked at; what can be measured about them is measured.

``MEDDL_GUI_PICTURES`` names a folder that gets them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import vtk
from PySide6 import QtCore, QtWidgets
from vtk.util import numpy_support

from fixtures.data_sets import clean_set
from gui.inside.test_pictures import ROW, photograph
from gui.inside.test_train import (  # noqa: F401  fixtures among them
    cases,
    chosen,
    done,
    train,
    two_inputs_each,
    with_a_small_plan,
)

Wait = Callable[..., None]


def picture_of_the_chart(chart: Any, path: Path) -> np.ndarray:
    """The chart's series as VTK draws them, which is what Slicer's plot view does. ``(rows, columns, 3)`` uint8."""
    drawn, view = vtk.vtkChartXY(), vtk.vtkContextView()
    for n in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(n)
        line = drawn.AddPlot(vtk.vtkChart.LINE)
        line.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
        line.SetColorF(*series.GetColor())
        line.SetWidth(series.GetLineWidth())
    drawn.SetShowLegend(True)
    drawn.SetTitle(chart.GetTitle())
    drawn.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(chart.GetXAxisTitle())
    drawn.GetAxis(vtk.vtkAxis.LEFT).SetTitle(chart.GetYAxisTitle())
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(640, 400)
    view.GetRenderer().SetBackground(1, 1, 1)
    view.GetScene().AddItem(drawn)
    view.GetRenderWindow().Render()
    grabbed = vtk.vtkWindowToImageFilter()
    grabbed.SetInput(view.GetRenderWindow())
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(grabbed.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()
    return numpy_support.vtk_to_numpy(grabbed.GetOutput().GetPointData().GetScalars()).reshape(400, 640, 3)


def test_pictures_of_the_panel_of_meddltrain(
    host: Any,
    chosen: Any,  # noqa: F811
    scene: Any,
    wait: Wait,
    tmp_path: Path,
) -> None:
    folder = Path(os.environ.get("MEDDL_GUI_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    ui, panel = chosen.ui, chosen.parent

    def take(name: str) -> None:
        photograph(host, panel, folder / f"train-{name}.png")

    folder_of_cases = str(shutil.copytree(ui.dataPath.currentPath, tmp_path / "Segmented scans of the abdomen"))
    ui.dataPath.setCurrentPath(folder_of_cases)
    ui.trainingPath.setCurrentPath(str(tmp_path / "Training on organs of the abdomen"))
    take("0-first")
    broken = clean_set(tmp_path / "Scans of which one has no label map", 3)
    (broken / "labelsTr" / "patient_001.nii.gz").unlink()
    ui.dataPath.setCurrentPath(str(broken))
    ui.checkButton.click()
    done(chosen, wait)
    ui.findingTable.cellClicked.emit(0, 0)
    take("1-findings")
    ui.dataPath.setCurrentPath(folder_of_cases)
    ui.checkButton.click()
    done(chosen, wait)
    with_a_small_plan(chosen, 12)
    ui.previewButton.click()
    done(chosen, wait)
    ui.advancedCollapsibleButton.collapsed = False
    take("2-plan")
    ui.advancedCollapsibleButton.collapsed = True
    ui.startButton.click()
    wait(lambda: len(chosen.panel.workflow.epochs) > 2)
    take("3-training")
    done(chosen, wait)
    ui.evaluateButton.click()
    done(chosen, wait)
    ui.publishCollapsibleButton.collapsed = False
    take("4-report")
    ui.publishCollapsibleButton.collapsed = True
    drawn = picture_of_the_chart(chosen.panel._curves.chart, folder / "train-5-curves.png")
    for n in range(chosen.panel._curves.chart.GetNumberOfPlotSeriesNodes()):
        color = np.round(255 * np.array(chosen.panel._curves.chart.GetNthPlotSeriesNode(n).GetColor()))
        assert (np.abs(drawn.astype(float) - color).max(axis=-1) <= 2).any(), n  # each line is seen


def test_the_inputs_of_a_case_are_seen_and_reached_by_keyboard_from_top_to_bottom(
    host: Any,
    train: Any,  # noqa: F811
    scene: Any,
    tmp_path: Path,
) -> None:
    folder = Path(os.environ.get("MEDDL_GUI_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    two_inputs_each(scene, 2)
    train.ui.sourceComboBox.setCurrentIndex(1)
    train.ui.trainingPath.setCurrentPath(str(tmp_path / "Training on two sequences"))
    train.ui.channelsLineEdit.text = "T1, FLAIR"
    train.ui.inputTable.setCurrentCell(3, 0)
    photograph(host, train.parent, folder / "train-6-inputs.png")
    plain, panel = QtWidgets.QWidget, train.parent
    shown, chained = [], plain.nextInFocusChain(panel)
    while chained is not panel and len(shown) < 500:
        takes = plain.focusPolicy(chained) & QtCore.Qt.FocusPolicy.TabFocus
        if plain.isAncestorOf(panel, chained) and chained.isVisible() and takes:
            shown.append((plain.mapTo(chained, panel, QtCore.QPoint(0, 0)).y(), plain.objectName(chained)))
        chained = plain.nextInFocusChain(chained)
    assert {"channelsLineEdit", "inputTable", "inputComboBox", "checkButton"} <= {name for _, name in shown}
    assert all(after > before - ROW for (before, _), (after, _) in pairwise(shown)), shown
