"""What a run leaves in the scene: the segmentation, its table of volumes, and the record of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from MedDLCore.volume import LabelMap

from .hierarchy import putBesideVolume
from .libraries import slicer, vtk
from .segmentation_node import labelMapToSegmentationNode

MANIFEST = "MedDL.Manifest"
"""The attribute of a segmentation node that holds the manifest of the last run, JSON. It is saved with the scene."""

STATISTICS = "MedDL.Statistics"
"""The role in which a segmentation node refers to its table."""

_COLUMNS = (
    ("item", "Item"),
    ("name", "Structure"),
    ("volume_mL", "Volume [mL]"),
    ("mean", "Mean"),
    ("standard_deviation", "Standard deviation"),
    ("minimum", "Minimum"),
    ("maximum", "Maximum"),
    ("voxels", "Voxels"),
    ("touches_edge", "Touches the edge"),
)
"""Keys of ``writers.SegmentStatistics``, and what the columns are called. Only rows of a sequence have an item."""


def resultToScene(
    labelMap: LabelMap,
    statistics: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    scene: slicer.vtkMRMLScene,
    segmentationNode: slicer.vtkMRMLSegmentationNode | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """Puts a result into the scene: segmentation and table lie in the volume's study.

    Args:
        labelMap: as for ``labelMapToSegmentationNode``.
        statistics: one row for each label.
        manifest: of the run.
        volumeNode: the segmented volume.
        scene: where new nodes are made.
        segmentationNode: an existing node; None makes one.

    Returns:
        The segmentation node; ``statisticsTable`` and ``runManifest`` give the rest.

    Raises:
        MedDLError: as ``labelMapToSegmentationNode``.
    """
    segmentationNode = labelMapToSegmentationNode(labelMap, volumeNode, scene, segmentationNode)
    putStatistics(segmentationNode, statistics, volumeNode, scene)
    segmentationNode.SetAttribute(MANIFEST, json.dumps(manifest))
    return segmentationNode


def putStatistics(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    statistics: Sequence[Mapping[str, Any]],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    scene: slicer.vtkMRMLScene,
) -> None:
    """Fills the segmentation's table, which is made in the volume's study where there is none."""
    table = statisticsTable(segmentationNode)
    if table is None:
        name = scene.GenerateUniqueName(f"{segmentationNode.GetName()} statistics")
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
        segmentationNode.SetNodeReferenceID(STATISTICS, table.GetID())
    _fill(table, statistics)
    putBesideVolume(table, volumeNode, scene)


def statisticsTable(segmentationNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLTableNode | None:
    """The table of the last run; None where there is none."""
    return segmentationNode.GetNodeReference(STATISTICS)


def runManifest(segmentationNode: slicer.vtkMRMLSegmentationNode) -> dict[str, Any] | None:
    """The manifest of the last run; None where there is none."""
    text = segmentationNode.GetAttribute(MANIFEST)
    manifest: dict[str, Any] | None = json.loads(text) if text else None
    return manifest


def _fill(table: slicer.vtkMRMLTableNode, statistics: Sequence[Mapping[str, Any]]) -> None:
    filled = vtk.vtkTable()
    for key, title in _COLUMNS:
        if key == "item" and not any(key in row for row in statistics):
            continue
        values = [row[key] for row in statistics]
        column = _column(values)
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float("nan") if value is None else value)
        filled.AddColumn(column)
    table.SetAndObserveTable(filled)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.Modified()


def _column(values: Sequence[Any]) -> vtk.vtkAbstractArray:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return vtk.vtkBitArray()
    if kinds <= {int} and kinds:
        return vtk.vtkIdTypeArray()
    return vtk.vtkStringArray() if str in kinds else vtk.vtkDoubleArray()
