"""What links a volume of the scene with the DICOM files that it was read from."""

from __future__ import annotations

from dataclasses import replace

from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import LabelMap

from .libraries import slicer
from .placement import placementOf
from .segmentation_node import labelMapFromSegmentationNode
from .volume_node import localGeometry

INSTANCES = "DICOM.instanceUIDs"
"""The attribute in which Slicer keeps the instances of a volume, separated by spaces."""


def instancesOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple[str, ...]:
    """SOPInstanceUIDs of the files that the volume was read from; empty where it was not read from DICOM."""
    return tuple((volumeNode.GetAttribute(INSTANCES) or "").split())


def labelMapForDicom(
    segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> LabelMap:
    """All segments on the volume's grid where its DICOM files have it: whatever moved both in the scene is undone.

    Raises:
        MedDLError: TRANSFORM_REFUSED where the volume was bent, so that it is not where its files have it; as
            ``labelMapFromSegmentationNode``.
    """
    if placementOf(volumeNode).matrix is None:
        raise MedDLError(
            Code.TRANSFORM_REFUSED,
            "The volume lies under a bent transform: the segmentation does not fit its DICOM slices.",
            "Take the volume out of the transform and segment it there.",
        )
    found = labelMapFromSegmentationNode(segmentationNode, volumeNode)
    return replace(found, geometry=localGeometry(volumeNode))
