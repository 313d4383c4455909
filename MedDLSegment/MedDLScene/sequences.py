"""The volumes of a sequence (4-D), one at a time, and their results as a sequence of segmentations.

A volume of a sequence has no place in the scene: what is seen is a proxy, which a browser fills with one item after the
other. Segmenting proxies would have to move the person's browser; so each item becomes a node of its own for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .hierarchy import putBesideVolume
from .libraries import slicer
from .scene_nodes import nodesOfScene


@dataclass(frozen=True, eq=False)
class BrowsedVolume:
    """A volume that is the proxy of a sequence.

    Attributes:
        volume: the proxy.
        browser, sequence: the nodes that fill it.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    browser: slicer.vtkMRMLSequenceBrowserNode
    sequence: slicer.vtkMRMLSequenceNode

    @property
    def count(self) -> int:
        """How many volumes it has."""
        return int(self.sequence.GetNumberOfDataNodes())

    @property
    def isThere(self) -> bool:
        """All three are in a scene still."""
        return None not in (self.volume.GetScene(), self.browser.GetScene(), self.sequence.GetScene())

    def itemName(self, number: int) -> str:
        """What a person calls an item: ``2.5 s``."""
        return f"{self.sequence.GetNthIndexValue(number)} {self.sequence.GetIndexUnit() or ''}".strip()


def browsedVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> BrowsedVolume | None:
    """The sequence whose item the volume shows; None where it is a volume like any other."""
    scene = volumeNode.GetScene() if volumeNode is not None else None
    if scene is None:
        return None
    for browser in nodesOfScene(scene, "vtkMRMLSequenceBrowserNode"):
        sequence = browser.GetSequenceNode(volumeNode)
        if sequence is not None and sequence.GetNumberOfDataNodes() > 0:
            return BrowsedVolume(volumeNode, browser, sequence)
    return None


def volumeOfItem(browsed: BrowsedVolume, number: int) -> slicer.vtkMRMLScalarVolumeNode:
    """An item as a node of the scene: hidden, not saved, under the proxy's transform and in its study.

    The caller removes it.
    """
    scene, volume = browsed.volume.GetScene(), browsed.volume
    node = scene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    node.UnRegister(None)
    node.SetName(volume.GetName())
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    scene.AddNode(node)
    node.CopyContent(browsed.sequence.GetNthDataNode(number), False)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    putBesideVolume(node, volume, scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    modality = hierarchy.GetItemAttribute(hierarchy.GetItemByDataNode(volume), name)
    if modality:
        hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), name, modality)
    return node


class SegmentationSequence:
    """Collects the results of the items, and shows them with the volumes at the end."""

    def __init__(self, browsed: BrowsedVolume) -> None:
        """The sequence of the volumes."""
        self._browsed = browsed
        self._rows: list[Mapping[str, Any]] = []
        self._sequence = slicer.vtkMRMLSequenceNode()
        of = browsed.sequence
        self._sequence.SetIndexName(of.GetIndexName())
        self._sequence.SetIndexUnit(of.GetIndexUnit())
        self._sequence.SetIndexType(of.GetIndexType())
        self._sequence.SetNumericIndexValueTolerance(of.GetNumericIndexValueTolerance())

    def add(
        self, number: int, segmentationNode: slicer.vtkMRMLSegmentationNode, statistics: Sequence[Mapping[str, Any]]
    ) -> None:
        """Takes a copy of the result of an item, with its manifest."""
        self._sequence.SetDataNodeAtValue(segmentationNode, self._browsed.sequence.GetNthIndexValue(number))
        item = self._browsed.itemName(number)
        self._rows += [{"item": item, **row} for row in statistics]

    def show(self, segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
        """From now on this node shows the result of the item that is browsed; the table tells of all items."""
        from .result_nodes import putStatistics

        scene, volume = self._browsed.volume.GetScene(), self._browsed.volume
        self._sequence.SetName(scene.GenerateUniqueName(f"{segmentationNode.GetName()} sequence"))
        scene.AddNode(self._sequence)
        segmentationNode.SetNodeReferenceID(segmentationNode.GetReferenceImageGeometryReferenceRole(), volume.GetID())
        self._browsed.browser.AddSynchronizedSequenceNode(self._sequence)
        self._browsed.browser.AddProxyNode(segmentationNode, self._sequence, False)
        putStatistics(segmentationNode, self._rows, volume, scene)
