"""A volume node of a scene becomes a ``Volume`` in the world."""

from __future__ import annotations

import numpy as np

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.volume import Geometry, Source, Volume

from .libraries import slicer, vtk
from .placement import Placement, arrayOfImage, bentGrid, placementOf, resampleThrough, toNumpy

_OTHER_KINDS = {
    "vtkMRMLLabelMapVolumeNode": "a label map",
    "vtkMRMLVectorVolumeNode": "a colour or vector volume",
    "vtkMRMLTensorVolumeNode": "a tensor volume",
    "vtkMRMLDiffusionWeightedVolumeNode": "a series of diffusion-weighted volumes",
}

_MODALITY_OF_QUANTITY = {"110852": "MR", "112031": "CT"}
"""Slicer describes the voxels of what it read from DICOM: MR signal intensity, attenuation coefficient (DCM)."""

_HOUNSFIELD_UNIT = "[hnsf'U]"


def volumeFromNode(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """Takes a scalar volume out of the scene, with its parent transforms applied. The node is not changed.

    Under linear transforms, nested ones too, voxels are the node's own and ``ijk_to_ras`` is the product. Under a bent
    one, voxels are interpolated onto a straight grid in the world, as hardening would, with a notice; what lies
    outside the scan gets the value of its corners.

    Args:
        volumeNode: in any scene, or in none.

    Returns:
        ``(K, J, I)``, a copy that outlives the node: the node's dtype, or float32 where interpolated. The modality
        is what Slicer knows of it from DICOM, else None.

    Raises:
        MedDLError: NOT_SCALAR, FILE_UNREADABLE for a node without voxels, GEOM_SINGULAR, TRANSFORM_REFUSED.
    """
    _checkKind(volumeNode)
    geometry = localGeometry(volumeNode)
    array = arrayOfImage(volumeNode.GetImageData())
    placement = placementOf(volumeNode)
    source, modality = Source(format="scene"), modalityOfNode(volumeNode)
    if placement.matrix is not None:
        inWorld = Geometry(geometry.shape, placement.matrix @ geometry.ijk_to_ras)
        return Volume(array.copy(), inWorld, modality, source)
    inWorld = bentGrid(geometry, placement.transform)
    fill = volumeNode.GetImageBackgroundScalarComponentAsDouble(0)
    hardened = resampleThrough(array, geometry, inWorld, placement.inverse, fill)
    return Volume(hardened, inWorld, modality, source, notices=(_bentNotice(geometry, inWorld),))


def worldGeometry(volumeNode: slicer.vtkMRMLVolumeNode) -> Geometry:
    """The grid of ``volumeFromNode`` without its voxels.

    Raises:
        MedDLError: FILE_UNREADABLE for a node without voxels, GEOM_SINGULAR, TRANSFORM_REFUSED.
    """
    return placedGeometry(localGeometry(volumeNode), placementOf(volumeNode))


def placedGeometry(geometry: Geometry, placement: Placement) -> Geometry:
    """A grid in a node's own coordinates -> the grid in the world that stands for it."""
    if placement.matrix is None:
        return bentGrid(geometry, placement.transform)
    return Geometry(geometry.shape, placement.matrix @ geometry.ijk_to_ras)


def localGeometry(volumeNode: slicer.vtkMRMLVolumeNode) -> Geometry:
    """Where the voxels lie in the node's own coordinates, below its parent transforms.

    Raises:
        MedDLError: FILE_UNREADABLE for a node without voxels, GEOM_SINGULAR.
    """
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or image.GetNumberOfPoints() == 0:
        raise MedDLError(Code.FILE_UNREADABLE, "The volume holds no voxels.", "Load the volume again.")
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    i, j, k = image.GetDimensions()
    ijkToRas = toNumpy(matrix)
    ijkToRas[:3, 3] += ijkToRas[:3, :3] @ np.array(image.GetExtent()[::2])
    return Geometry((k, j, i), ijkToRas)


def modalityOfNode(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """DICOM's term for the modality, as far as Slicer keeps it: with the series, or as the quantity of the voxels."""
    scene = volumeNode.GetScene()
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") if scene is not None else None
    if hierarchy is not None:
        item = hierarchy.GetItemByDataNode(volumeNode)
        name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
        modality = hierarchy.GetItemAttribute(item, name) if item else ""
        if modality:
            return str(modality)
    quantity, units = volumeNode.GetVoxelValueQuantity(), volumeNode.GetVoxelValueUnits()
    if units is not None and units.GetCodeValue() == _HOUNSFIELD_UNIT:
        return "CT"
    if quantity is None or quantity.GetCodingSchemeDesignator() != "DCM":
        return None
    return _MODALITY_OF_QUANTITY.get(quantity.GetCodeValue())


def _checkKind(volumeNode: slicer.vtkMRMLVolumeNode) -> None:
    for kind, words in _OTHER_KINDS.items():
        if volumeNode.IsA(kind):
            raise MedDLError(Code.NOT_SCALAR, f"The node is {words}, not a scan.")
    image = volumeNode.GetImageData()
    if image is not None and image.GetNumberOfScalarComponents() > 1:
        raise MedDLError(Code.NOT_SCALAR, f"The volume has {image.GetNumberOfScalarComponents()} values in each voxel.")


def _bentNotice(before: Geometry, after: Geometry) -> Notice:
    return Notice(
        Code.TRANSFORM_NONLINEAR,
        f"The volume lies under a bent transform: its {'x'.join(map(str, before.shape[::-1]))} voxels were "
        f"interpolated onto a straight grid of {'x'.join(map(str, after.shape[::-1]))}.",
    )
