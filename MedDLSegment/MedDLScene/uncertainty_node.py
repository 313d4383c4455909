"""How sure a model is of each voxel of a scan, as a volume of the scene to be laid over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError

from .hierarchy import putBesideVolume
from .libraries import slicer, vtk
from .placement import fillImage, placementOf, resampleThrough, toMatrix
from .scene_nodes import UNCERTAINTY, nodesOfScene
from .volume_node import localGeometry, placedGeometry

OF = "MedDL.UncertaintyOf"
"""The role in which a map refers to its volume. The volume's own node stays as it is: else it would seem changed."""

WINDOW = (0.0, 0.1)
"""Nats, from nothing to full colour: the same for all scans, so that they can be compared. See ``uncertainty``."""

_COLORS = "MedDL.UncertaintyColors"
_STEPS = 256
_SEEN_FROM = 0.1
"""Part of the window below which a voxel is sure, and nothing lies over the scan."""

_RAMP = ((0.0, (0.60, 0.15, 0.75)), (0.5, (0.95, 0.35, 0.20)), (1.0, (1.0, 0.95, 0.35)))
"""Violet, orange, yellow: brighter all the way, for eyes that tell colours apart and for those that do not."""


def uncertaintyToScene(
    uncertainty: NDArray[np.float32], volumeNode: slicer.vtkMRMLScalarVolumeNode, scene: slicer.vtkMRMLScene
) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts a map into the scene: under the volume's transform, on its voxels, beside it in the subject hierarchy.

    The map that the volume has is renewed; its window, colours and transparency stay as the person left them.

    Args:
        uncertainty: ``(K, J, I)``, nats, on the grid of ``volumeFromNode(volumeNode)``.
        volumeNode: in ``scene``.
        scene: where a new node is made.

    Raises:
        MedDLError: CANCELLED where the volume has got another grid since; TRANSFORM_REFUSED.
    """
    own, placement = localGeometry(volumeNode), placementOf(volumeNode)
    grid = placedGeometry(own, placement)
    if uncertainty.shape != grid.shape:
        message = "The volume has got other voxels or another transform while it was measured."
        raise MedDLError(Code.CANCELLED, message, "Measure it again.")
    if placement.matrix is None:
        uncertainty = resampleThrough(uncertainty, grid, own, placement.transform, fill=0.0)
    node = uncertaintyOf(volumeNode)
    if node is None:
        name = scene.GenerateUniqueName(f"{volumeNode.GetName()} uncertainty")
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        node.SetAttribute(UNCERTAINTY, "1")
        node.SetNodeReferenceID(OF, volumeNode.GetID())
    if node.GetDisplayNode() is None:
        _display(node, scene)
    image = vtk.vtkImageData()
    fillImage(image, uncertainty)
    wasModifying = node.StartModify()
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.SetIJKToRASMatrix(toMatrix(own.ijk_to_ras))
    node.SetAndObserveImageData(image)
    node.EndModify(wasModifying)
    putBesideVolume(node, volumeNode, scene)
    return node


def uncertaintyOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The map that a volume has in its scene; None where it has none."""
    maps = nodesOfScene(volumeNode.GetScene(), "vtkMRMLScalarVolumeNode")
    return next((node for node in maps if node.GetNodeReferenceID(OF) == volumeNode.GetID()), None)


def _display(node: slicer.vtkMRMLScalarVolumeNode, scene: slicer.vtkMRMLScene) -> None:
    """Before it has voxels, of which Slicer would count a histogram for a window that is not wanted."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(*WINDOW)
    display.SetAndObserveColorNodeID(_colors(scene).GetID())


def _colors(scene: slicer.vtkMRMLScene) -> Any:
    """One table for all maps of a scene; it is saved with the scene."""
    for table in nodesOfScene(scene, "vtkMRMLColorTableNode"):
        if table.GetAttribute(_COLORS):
            return table
    table = scene.CreateNodeByClass("vtkMRMLColorTableNode")
    table.SetName(scene.GenerateUniqueName("Uncertainty"))
    table.SetAttribute(_COLORS, "1")
    table.SetTypeToUser()
    table.SetNumberOfColors(_STEPS)
    at, ramp = zip(*_RAMP, strict=True)
    for n, part in enumerate(np.linspace(0, 1, _STEPS)):
        red, green, blue = (float(np.interp(part, at, channel)) for channel in zip(*ramp, strict=True))
        table.SetColor(n, f"{part:.2f}", red, green, blue, float(part >= _SEEN_FROM))
    scene.AddNode(table)
    table.UnRegister(None)
    return table
