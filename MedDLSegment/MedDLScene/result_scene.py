"""A result as a scene that Slicer opens by a double click: the scan, and the segmentation on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MedDLCore.volume import LabelMap, Volume

from .host import createScene
from .libraries import slicer, vtk
from .placement import fillImage, toMatrix
from .scene_files import saveScene
from .segmentation_node import labelMapToSegmentationNode


def writeResultScene(volume: Volume, labelMap: LabelMap, path: Path, name: str) -> None:
    """Writes the scan and its segmentation as one bundle.

    Args:
        volume: its first channel is the scan.
        labelMap: on any grid.
        path: ends in ``.mrb``; its folder exists.
        name: of the volume's node; without anything of the patient.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, NO_SPACE.
    """
    host = createScene()
    labelMapToSegmentationNode(labelMap, volumeToNode(volume, host.scene, name), host.scene)
    saveScene(host.scene, path)


def volumeToNode(volume: Volume, scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Puts a scan into the scene; its first channel where it has several."""
    array = volume.array if volume.array.ndim == 3 else volume.array[0]
    image = vtk.vtkImageData()
    fillImage(image, np.ascontiguousarray(array))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(toMatrix(volume.geometry.ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    return node
