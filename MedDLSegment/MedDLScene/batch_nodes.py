"""Scans of a batch in the scene, with what was found in them; and the batch's table of all segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import LabelMap, Volume

from .dicom_origin import INSTANCES
from .libraries import slicer, vtk
from .result_nodes import resultToScene
from .result_scene import volumeToNode
from .scene_nodes import nodesOfScene

SCAN = "MedDL.BatchScan"
"""The attribute of a volume that was opened from a batch: the scan's key."""

TABLE = "MedDL.BatchTable"
"""The attribute of a table of segments: the folder of its batch."""


def openedScans(key: str, scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The volumes of a scan that was opened before."""
    nodes = nodesOfScene(scene, "vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetAttribute(SCAN) == key]


def batchScanToScene(
    key: str,
    name: str,
    volume: Volume,
    found: LabelMap,
    statistics: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    instances: Sequence[str],
    scene: slicer.vtkMRMLScene,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts a scan and its result into the scene, as if it had been segmented there.

    Args:
        key: of the scan.
        name: of its node.
        volume: the scan.
        found: the result.
        statistics: one row for each label.
        manifest: of the run.
        instances: SOPInstanceUIDs of the volume's files; none where it is not from DICOM.
        scene: gets the nodes.

    Returns:
        The scan.
    """
    node = scanToScene(key, name, volume, instances, scene)
    resultToScene(found, statistics, manifest, node, scene)
    return node


def scanToScene(
    key: str, name: str, volume: Volume, instances: Sequence[str], scene: slicer.vtkMRMLScene
) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts a scan into the scene, without a result; arguments as for ``batchScanToScene``."""
    node = volumeToNode(volume, scene, scene.GenerateUniqueName(name))
    node.SetAttribute(SCAN, key)
    if instances:
        node.SetAttribute(INSTANCES, " ".join(instances))
    return node


def segmentsTable(path: Path, scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLTableNode:
    """The table of all segments of a batch as a node, read anew where it is there already.

    Args:
        path: of ``segments.csv``.
        scene: gets the node.

    Raises:
        MedDLError: FILE_UNREADABLE.
    """
    if not path.is_file():
        raise MedDLError(Code.FILE_UNREADABLE, f"{path.name} is not in the folder of results any more.")
    reader = vtk.vtkDelimitedTextReader()
    reader.SetFileName(str(path))
    reader.SetHaveHeaders(True)
    reader.SetUTF8FieldDelimiters(",")
    reader.SetDetectNumericColumns(True)
    reader.Update()
    folder = str(path.parent)
    tables = nodesOfScene(scene, "vtkMRMLTableNode")
    table = next((node for node in tables if node.GetAttribute(TABLE) == folder), None)
    if table is None:
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName("Segments of the batch"))
        table.SetAttribute(TABLE, folder)
    table.SetAndObserveTable(reader.GetOutput())
    table.SetUseColumnTitleAsColumnHeader(True)
    table.Modified()
    return table
