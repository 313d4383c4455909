"""A volume laid over another one in the slice views, and taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .libraries import slicer
from .scene_nodes import nodesOfScene

if TYPE_CHECKING:
    from MedDLCore.spec import FloatTriple

OPACITY = 0.6
"""Of what lies over a scan: the scan is seen through it."""


class Overlay:
    """What lies over the scan in the slice views of a scene, and what lay there before."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        """Nothing lies there yet."""
        self._scene = scene
        self._before: dict[str, tuple[str | None, float]] = {}  # by the composite node's ID

    def show(self, node: slicer.vtkMRMLScalarVolumeNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Lays ``node`` over ``volumeNode`` in all slice views."""
        for view in _views(self._scene):
            foreground = view.GetForegroundVolumeID()
            if foreground != node.GetID():
                self._before[view.GetID()] = foreground, view.GetForegroundOpacity()
            view.SetBackgroundVolumeID(volumeNode.GetID())
            view.SetForegroundVolumeID(node.GetID())
            view.SetForegroundOpacity(OPACITY)

    def hide(self, node: slicer.vtkMRMLScalarVolumeNode) -> None:
        """What lay there before lies there again, where ``node`` lies now."""
        for view in _views(self._scene):
            if view.GetForegroundVolumeID() == node.GetID():
                foreground, opacity = self._before.pop(view.GetID(), (None, 0.0))
                there = foreground is not None and self._scene.GetNodeByID(foreground) is not None
                view.SetForegroundVolumeID(foreground if there else None)
                view.SetForegroundOpacity(opacity)

    def isShown(self, node: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """It is to be seen in one of the views."""
        shown = [view for view in _views(self._scene) if view.GetForegroundVolumeID() == node.GetID()]
        return any(view.GetForegroundOpacity() > 0 for view in shown)


def jumpTo(place: FloatTriple, scene: slicer.vtkMRMLScene) -> None:
    """All slice views show the planes through a place: R, A, S, mm."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *place, slicer.vtkMRMLSliceNode.OffsetJumpSlice)


def _views(scene: slicer.vtkMRMLScene) -> list[Any]:
    return nodesOfScene(scene, "vtkMRMLSliceCompositeNode")
