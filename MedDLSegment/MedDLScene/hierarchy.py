"""Slicer's subject hierarchy: what belongs to a scan lies in its study."""

from __future__ import annotations

from .libraries import slicer


def studyOf(node: slicer.vtkMRMLNode, scene: slicer.vtkMRMLScene) -> int:
    """The item of the study in which a node lies; 0: in none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    return int(hierarchy.GetItemAncestorAtLevel(item, "Study")) if item else 0


def putBesideVolume(
    node: slicer.vtkMRMLNode, volumeNode: slicer.vtkMRMLScalarVolumeNode, scene: slicer.vtkMRMLScene
) -> None:
    """Into the volume's study. Slicer makes the items by itself; without its window they are made here."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    volumeItem = hierarchy.GetItemByDataNode(volumeNode) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), volumeNode)
    study = hierarchy.GetItemParent(volumeItem)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, study)
    else:
        hierarchy.CreateItem(study, node)
