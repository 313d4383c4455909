"""Loss and Dice of a training as a chart of the scene, which Slicer's plot view draws while they grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .libraries import numpy_support, slicer, vtk

EPOCH, LOSS, MEAN = "Epoch", "Loss", "Mean Dice"

RELATIVE = "Loss (first epoch = 1)"
"""What is drawn of the loss: one chart then shows it and the Dice, from 0 to 1."""

OF_LOSS, OF_MEAN = (0.45, 0.45, 0.45), (0.1, 0.1, 0.1)
"""Colours; a structure has its own."""

FOLLOWS = "MedDL.Training"
"""The attribute of the nodes of one chart."""


class LearningCurves:
    """The chart of one training. Nodes that were removed, as with their scene, are made again.

    Attributes:
        chart: a ``vtkMRMLPlotChartNode``; None: nothing was shown.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        """Shows nothing yet."""
        self._scene = scene
        self._tables: dict[str, slicer.vtkMRMLTableNode] = {}
        self.chart: slicer.vtkMRMLPlotChartNode | None = None

    def show(
        self, name: str, epochs: Sequence[Mapping[str, Any]], colors: Mapping[str, Sequence[int]]
    ) -> slicer.vtkMRMLPlotChartNode:
        """Shows these epochs, and no others.

        Args:
            name: of the training.
            epochs: ``events.Epoch`` as plain data; a Dice that is not known is None. Folds run on, one after the other.
            colors: of the structures, 0 to 255.

        Returns:
            The chart.
        """
        numbered = list(enumerate(epochs, start=1))
        values = [epoch["loss"] for epoch in epochs]
        first = next((abs(value) for value in values if value), 1.0)
        losses = {EPOCH: [n for n, _ in numbered], LOSS: values, RELATIVE: [value / first for value in values]}
        watched = [(n, epoch) for n, epoch in numbered if epoch["dice"]]
        dice: dict[str, list[Any]] = {EPOCH: [n for n, _ in watched], MEAN: [one["mean_dice"] for _, one in watched]}
        names = list(watched[0][1]["dice"]) if watched else []
        dice |= {label: [one["dice"].get(label) for _, one in watched] for label in names}
        tables = {LOSS: losses, "Dice": dice}
        if self._isStale(name):
            self._make(name)
        for key, columns in tables.items():
            _fill(self._tables[key], columns)
        self._draw(name, names, colors)
        return self.chart

    def _isStale(self, name: str) -> bool:
        nodes = [self.chart, *self._tables.values()]
        return (
            not self._tables
            or any(node is None or node.GetScene() is None for node in nodes)
            or (self.chart.GetAttribute(FOLLOWS) != name)
        )

    def _make(self, name: str) -> None:
        title = f"Training of {name}"
        for key in (LOSS, "Dice"):
            self._tables[key] = self._node("vtkMRMLTableNode", f"{title}: {key}", name)
        self.chart = self._node("vtkMRMLPlotChartNode", title, name)
        self.chart.SetTitle(title)
        self.chart.SetXAxisTitle(EPOCH)
        self.chart.SetYAxisTitle("Loss, Dice")

    def _node(self, kind: str, title: str, name: str) -> slicer.vtkMRMLNode:
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(title))
        node.SetAttribute(FOLLOWS, name)
        return node

    def _draw(self, name: str, labels: Sequence[str], colors: Mapping[str, Sequence[int]]) -> None:
        """The series that are not there yet."""
        wanted = {RELATIVE: (LOSS, OF_LOSS)}
        if labels:
            wanted[MEAN] = ("Dice", OF_MEAN)
        if len(labels) > 1:
            wanted |= {label: ("Dice", tuple(c / 255 for c in colors.get(label, (80, 80, 80)))) for label in labels}
        there = {self.chart.GetNthPlotSeriesNode(n).GetName() for n in range(self.chart.GetNumberOfPlotSeriesNodes())}
        for label, (table, color) in wanted.items():
            if label not in there:
                series = self._node("vtkMRMLPlotSeriesNode", label, name)
                series.SetName(label)
                series.SetAndObserveTableNodeID(self._tables[table].GetID())
                series.SetXColumnName(EPOCH)
                series.SetYColumnName(label)
                series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
                series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
                series.SetLineWidth(3 if label == MEAN else 2)
                series.SetColor(*color)
                self.chart.AddAndObservePlotSeriesNodeID(series.GetID())


def _fill(table: slicer.vtkMRMLTableNode, columns: Mapping[str, Sequence[Any]]) -> None:
    filled = vtk.vtkTable()
    for title, values in columns.items():
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        column = numpy_support.numpy_to_vtk(numbers, deep=True)
        column.SetName(title)
        filled.AddColumn(column)
    table.SetAndObserveTable(filled)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.Modified()
