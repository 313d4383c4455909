"""What a scene holds."""

from __future__ import annotations

from .libraries import slicer

UNCERTAINTY = "MedDL.Uncertainty"
"""The attribute of a volume node that is no scan, but says how sure a model is of one: see ``uncertainty_node``."""


VARIATIONS = "MedDL.Variations"
"""The attribute of nodes that show how a training varies a case: see ``case_nodes``. Nothing is learnt from them."""

FOUND = "MedDL.Found"
"""The attribute of a segmentation that shows what a model found in a case, beside what was drawn: no truth either."""


def nodesOfScene(scene: slicer.vtkMRMLScene, kind: str) -> list[slicer.vtkMRMLNode]:
    """The nodes of a class, in the scene's order.

    Not ``GetNodesByClass``: Python never deletes the collection that it makes, nor the nodes in it.
    """
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def scansOfScene(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The scalar volume nodes of a scene; label maps, colour volumes, maps of uncertainty and variations are none."""
    volumes = nodesOfScene(scene, "vtkMRMLScalarVolumeNode")
    return [
        node
        for node in volumes
        if not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not any(node.GetAttribute(name) for name in (UNCERTAINTY, VARIATIONS))
    ]
