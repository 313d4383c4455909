"""A real scene, emptied after each test, and what is put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from MedDLCore.volume import Geometry, Volume


@pytest.fixture(scope="session")
def host() -> Any:
    from MedDLScene.host import createScene

    return createScene()


@pytest.fixture
def scene(host: Any) -> Iterator[Any]:
    yield host.scene
    host.scene.Clear()


@pytest.fixture
def a_volume_node(scene: Any) -> Callable[[Volume], Any]:
    """Makes a node of a volume, without a parent transform."""
    from MedDLScene.libraries import vtk
    from MedDLScene.placement import fillImage, toMatrix

    def make(volume: Volume, kind: str = "vtkMRMLScalarVolumeNode") -> Any:
        node = scene.AddNewNodeByClass(kind, "scan")
        image = vtk.vtkImageData()
        fillImage(image, volume.array)
        node.SetAndObserveImageData(image)
        node.SetIJKToRASMatrix(toMatrix(volume.geometry.ijk_to_ras))
        return node

    return make


@pytest.fixture
def a_segmentation_node(scene: Any) -> Callable[..., Any]:
    """Makes a node as a person would: one segment of its own image for each mask."""
    from MedDLScene.libraries import slicer
    from MedDLScene.placement import fillImage, toMatrix

    def make(geometry: Geometry, **masks: np.ndarray) -> Any:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
        for name, mask in masks.items():
            image = slicer.vtkOrientedImageData()
            fillImage(image, mask.astype(np.uint8))
            image.SetImageToWorldMatrix(toMatrix(geometry.ijk_to_ras))
            segment = slicer.vtkSegment()
            segment.SetName(name)
            segment.AddRepresentation("Binary labelmap", image)
            node.GetSegmentation().AddSegment(segment)
        return node

    return make


@pytest.fixture
def a_transform_node(scene: Any) -> Callable[..., Any]:
    """Makes a node of a 4x4 matrix or of a bent VTK transform (own coordinates -> parent's)."""
    from MedDLScene.placement import toMatrix

    def make(transform: Any, parent: Any = None) -> Any:
        linear = isinstance(transform, np.ndarray)
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode" if linear else "vtkMRMLTransformNode")
        if linear:
            node.SetMatrixTransformToParent(toMatrix(transform))
        else:
            node.SetAndObserveTransformToParent(transform)
        if parent is not None:
            node.SetAndObserveTransformNodeID(parent.GetID())
        return node

    return make
