"""A case of a data set in the scene: its scans, what was drawn on them, what a model found, and how it is varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from MedDLCore.volume import Geometry, LabelMap, Volume

from .libraries import slicer
from .result_scene import volumeToNode
from .scene_nodes import FOUND, VARIATIONS, nodesOfScene, scansOfScene
from .segmentation_node import labelMapToSegmentationNode

BESIDE = 50.0
"""mm between variations and what else is in the scene."""

CASE = "MedDL.Case"
"""The attribute of a scan that was opened from a data set: which case it is."""


def caseToScene(
    name: str,
    volumes: Sequence[Volume],
    truth: LabelMap,
    found: LabelMap | None,
    scene: slicer.vtkMRMLScene,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts a case into the scene, where it is not there already; what was found is drawn as outlines.

    Args:
        name: of the case.
        volumes: one for each channel.
        truth: what was drawn.
        found: what a model found; None: it was not asked.
        scene: gets the nodes.

    Returns:
        The scan of the first channel.
    """
    scans = openedCase(name, scene)
    if not scans:
        names = [name] if len(volumes) == 1 else [f"{name} {n}" for n in range(1, len(volumes) + 1)]
        scans = [volumeToNode(volume, scene, called) for volume, called in zip(volumes, names, strict=True)]
        for scan in scans:
            scan.SetAttribute(CASE, name)
        labelMapToSegmentationNode(truth, scans[0], scene, name=f"{name} drawn")
    if found is not None:
        before = scene.GetFirstNodeByName(f"{name} found")
        segmentation = labelMapToSegmentationNode(found, scans[0], scene, before, name=f"{name} found")
        segmentation.SetAttribute(FOUND, "1")
        segmentation.GetDisplayNode().SetVisibility2DFill(False)
    return scans[0]


def variationsToScene(
    name: str, volume: Volume, truth: LabelMap, scene: slicer.vtkMRMLScene
) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts variations of a case into the scene, beside all else, for those that were there. They are not saved with it.

    Args:
        name: of the case.
        volume: the patches beside each other.
        truth: what was drawn on them.
        scene: gets the nodes.
    """
    for kind in ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"):
        for node in nodesOfScene(scene, kind):
            if node.GetAttribute(VARIATIONS):
                scene.RemoveNode(node)
    free = _beside(volume.geometry, scene)
    scan = volumeToNode(replace(volume, geometry=free), scene, f"{name} varied")
    segmentation = labelMapToSegmentationNode(replace(truth, geometry=free), scan, scene, name=f"{name} varied, drawn")
    for node in (scan, segmentation):
        node.SetAttribute(VARIATIONS, "1")
        node.SetSaveWithScene(False)
    return scan


def _beside(geometry: Geometry, scene: slicer.vtkMRMLScene) -> Geometry:
    """Moved to the right of all volumes: what was drawn on them would be seen over this one."""
    right = 0.0
    for node in nodesOfScene(scene, "vtkMRMLScalarVolumeNode"):
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        right = max(right, bounds[1])
    matrix = geometry.ijk_to_ras.copy()
    matrix[0, 3] += right + BESIDE - geometry.corners()[:, 0].min()
    return Geometry(geometry.shape, matrix)


def openedCase(name: str, scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The scans of a case that was opened before."""
    return [scan for scan in scansOfScene(scene) if scan.GetAttribute(CASE) == name]
