"""Slicer's Segment Editor without its window: its logic, its undo, and the rules that a person has set in it."""

from __future__ import annotations

from typing import Any

from .libraries import slicer

SINGLETON = "SegmentEditor"
"""The tag of the node in which Slicer's module of this name keeps its choices."""

UNDO_STEPS = 10
"""That can be taken back, as in Slicer's own editor. Each keeps a copy of the voxels of what it changed."""


class SegmentEditor:
    """Edits one segmentation, with undo steps of its own; see ``segment_edit.Editor``.

    Attributes:
        node: with the rules; it is in the scene as long as this is not closed.
    """

    addsSegments = True

    def __init__(self, segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: Any) -> None:
        """Takes the rules of Slicer's module.

        ``volumeNode``: whose intensities may be editable or not, where the module names none.
        """
        scene = segmentationNode.GetScene()
        self.node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        self.node.UnRegister(None)
        self.node.SetSaveWithScene(False)
        self.node.SetHideFromEditors(True)
        scene.AddNode(self.node)
        self.node.SetAndObserveSegmentationNode(segmentationNode)
        self._volume = volumeNode
        self.node.SetAndObserveSourceVolumeNode(volumeNode)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(scene)
        self._logic.SetSegmentEditorNode(self.node)
        self._logic.SetMaximumNumberOfUndoStates(UNDO_STEPS + 1)  # Slicer keeps what was undone as one of them
        self.takeRules()

    @property
    def canUndo(self) -> bool:
        """There is a step to take back."""
        return bool(self._logic.CanUndo())

    def takeRules(self) -> None:
        """The editable area, intensities and overwrite mode that Segment Editor has now for this segmentation."""
        theirs = self.node.GetScene().GetSingletonNode(SINGLETON, "vtkMRMLSegmentEditorNode")
        if theirs is None or theirs.GetSegmentationNode() is not self.node.GetSegmentationNode():
            return
        self.node.SetAndObserveSourceVolumeNode(theirs.GetSourceVolumeNode() or self._volume)
        self.node.SetMaskMode(theirs.GetMaskMode())
        self.node.SetMaskSegmentID(theirs.GetMaskSegmentID())
        self.node.SetOverwriteMode(theirs.GetOverwriteMode())
        self.node.SetSourceVolumeIntensityMask(theirs.GetSourceVolumeIntensityMask())
        self.node.SetSourceVolumeIntensityMaskRange(*theirs.GetSourceVolumeIntensityMaskRange())

    def saveState(self) -> None:
        """Begins an undo step."""
        self._logic.SaveStateForUndo()

    def modify(self, segmentationNode: Any, segmentID: str, image: Any, add: bool) -> None:
        """Adds the voxels of an image that are not 0 to the segment, or takes them away."""
        self.node.SetSelectedSegmentID(segmentID)
        mode = self._logic.ModificationModeAdd if add else self._logic.ModificationModeRemove
        self._logic.ModifySegmentByLabelmap(segmentationNode, segmentID, image, mode, True, False)

    def undo(self) -> None:
        """Takes the last step back."""
        self._logic.Undo()

    def close(self) -> None:
        """Takes its node out of the scene; there is no undo any more."""
        self._logic.SetSegmentEditorNode(None)
        self._logic.SetMRMLScene(None)
        if self.node.GetScene() is not None:
            self.node.GetScene().RemoveNode(self.node)
