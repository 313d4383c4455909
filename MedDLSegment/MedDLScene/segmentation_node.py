"""A label map becomes a segmentation node that lies right in the world, and a segmentation node a label map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.resample import resample
from MedDLCore.terminology import terminology_of
from MedDLCore.volume import Geometry, Label, LabelMap

from .hierarchy import putBesideVolume
from .libraries import slicer, vtk
from .placement import (
    EDGE_VOXELS,
    GROWTH_ACCEPTED,
    Placement,
    arrayOfImage,
    bentGrid,
    fillImage,
    placementOf,
    resampleThrough,
    toMatrix,
    toNumpy,
)
from .terminology import setTerminology, terminologyOfSegment
from .volume_node import localGeometry, placedGeometry, worldGeometry

RESULT_TAG = "MedDL.Result"
"""The segment tag that tells a result of ours from what a person drew."""

_LABEL_MAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


def labelMapToSegmentationNode(
    labelMap: LabelMap,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    scene: slicer.vtkMRMLScene,
    segmentationNode: slicer.vtkMRMLSegmentationNode | None = None,
    name: str | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """Puts a result into the scene: names, colours, codes and label values; empty segments too; layers stay layers.

    The segments of one layer share one image, so that a hundred cost no more than one. The node is put under the
    volume's own transform, and, in the subject hierarchy, beside the volume. Under linear transforms voxels are the
    label map's own; under a bent one each voxel of the volume takes the label found at its place in the world.

    In a node that holds segments already, nothing moves and others' segments stay as they are. A segment of the same
    name that this function made, and on which nobody has worked since (its status is "not started"), is replaced
    under its own identifier.

    Args:
        labelMap: in the world, as made for ``volumeFromNode(volumeNode)``; any other grid is allowed.
        volumeNode: the segmented volume, in ``scene``.
        scene: where a new node is made.
        segmentationNode: an existing node of ``scene``; None makes one.
        name: of a new node; None derives it from the volume's.

    Returns:
        The segmentation node, with its display node.

    Raises:
        MedDLError: TRANSFORM_REFUSED; OUTPUT_UNWRITABLE for a node whose segments are not voxels.
    """
    fresh = segmentationNode is None or segmentationNode.GetSegmentation().GetNumberOfSegments() == 0
    if not fresh:
        _checkVoxels(segmentationNode.GetSegmentation())
    grid, layers = _inCoordinatesOf(volumeNode if fresh else segmentationNode, labelMap, volumeNode)
    if segmentationNode is None:
        wanted = name or f"{volumeNode.GetName()} segmentation"
        segmentationNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(wanted))
    if fresh:
        placeOnVolume(segmentationNode, volumeNode)
    segmentation = segmentationNode.GetSegmentation()
    images = [_image(layer, grid) for layer in layers]
    earlier = _untouchedResults(segmentation)
    wasModifying = segmentationNode.StartModify()
    try:
        for label in labelMap.labels:
            _putSegment(segmentation, label, images[label.layer], earlier.pop(label.name, None))
    finally:
        segmentationNode.EndModify(wasModifying)
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    return segmentationNode


def placeOnVolume(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Puts a node without segments in a volume's place: under its transform, on its grid, beside it."""
    # The transform comes first: without it, adding segments and geometry would harden the volume's into them.
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentationNode.GetSegmentation().SetSourceRepresentationName(_LABEL_MAP)
    putBesideVolume(segmentationNode, volumeNode, segmentationNode.GetScene())


def segmentNamed(segmentationNode: slicer.vtkMRMLSegmentationNode, name: str) -> str:
    """The identifier of the segment of this name, in any case; empty where there is none."""
    segmentation = segmentationNode.GetSegmentation()
    for identifier in segmentation.GetSegmentIDs():
        if segmentation.GetSegment(identifier).GetName().casefold() == name.casefold():
            return str(identifier)
    return ""


def addEmptySegment(segmentationNode: slicer.vtkMRMLSegmentationNode, label: Label) -> str:
    """Adds a segment of this name, colour and meaning, with no voxel; its identifier."""
    segmentation = segmentationNode.GetSegmentation()
    identifier = str(segmentation.AddEmptySegment("", label.name, [channel / 255 for channel in label.color]))
    setTerminology(segmentation.GetSegment(identifier), terminology_of(label))
    return identifier


def labelMapFromSegmentationNode(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode | None = None,
) -> LabelMap:
    """Takes all segments out of the scene, onto the grid of ``volumeFromNode(referenceVolumeNode)``. Nothing changes.

    Segments keep their label values where these are all different, otherwise they count 1..N in the node's order.
    There are as many layers as overlaps need: one, where no segments overlap.

    Args:
        segmentationNode: its segments may be voxels or anything that Slicer converts to them.
        referenceVolumeNode: None takes the volume that the segmentation refers to, or else its own grid.

    Returns:
        The label map in the world.

    Raises:
        MedDLError: TRANSFORM_REFUSED, GEOM_SINGULAR; FILE_UNREADABLE where no grid is known or conversion fails.
    """
    segmentation = _asVoxels(segmentationNode.GetSegmentation())
    placement = placementOf(segmentationNode)
    reference = referenceVolumeNode or referredVolume(segmentationNode)
    grid = worldGeometry(reference) if reference is not None else placedGeometry(_ownGrid(segmentation), placement)
    return _labelMap(segmentation, placement, grid)


def labelMapOnGrid(segmentationNode: slicer.vtkMRMLSegmentationNode, grid: Geometry) -> LabelMap:
    """As ``labelMapFromSegmentationNode``, on any grid of the world."""
    return _labelMap(_asVoxels(segmentationNode.GetSegmentation()), placementOf(segmentationNode), grid)


def wholeLabelMapFromSegmentationNode(
    segmentationNode: slicer.vtkMRMLSegmentationNode, referenceVolumeNode: slicer.vtkMRMLScalarVolumeNode
) -> LabelMap:
    """As ``labelMapFromSegmentationNode``, on the volume's grid, extended as far as segments reach beyond the volume.

    Where that would be more than ``GROWTH_ACCEPTED`` times the volume, or a transform is bent, it is not extended.
    """
    segmentation = _asVoxels(segmentationNode.GetSegmentation())
    placement = placementOf(segmentationNode)
    grid = worldGeometry(referenceVolumeNode)
    size = np.array(grid.shape[::-1])
    low, high = np.zeros(3), size.astype(float)
    for image, _ in _segmentsByImage(
        [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    ):
        if placement.matrix is not None and image is not None and not image.IsEmpty() and (box := _filled(image)):
            corners = grid.ras_to_index(placedGeometry(box, placement).corners()) + 0.5
            low, high = np.minimum(low, corners.min(axis=0)), np.maximum(high, corners.max(axis=0))
    start, stop = np.floor(low + EDGE_VOXELS).astype(int), np.ceil(high - EDGE_VOXELS).astype(int)
    if np.prod(stop - start, dtype=float) <= GROWTH_ACCEPTED * np.prod(size, dtype=float):
        grid = grid.cropped(start[::-1].tolist(), stop[::-1].tolist())
    return _labelMap(segmentation, placement, grid)


def _labelMap(segmentation: slicer.vtkSegmentation, placement: Placement, grid: Geometry) -> LabelMap:
    """All segments on a grid of the world."""
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    kept = [segment.GetLabelValue() for segment in segments]
    unique = len(set(kept)) == len(kept) and all(0 < value < 65536 for value in kept)
    values = dict(zip(segments, kept if unique else range(1, len(kept) + 1), strict=True))
    dtype = np.uint8 if max(values.values(), default=0) < 256 else np.uint16
    layers: list[NDArray[Any]] = [np.zeros(grid.shape, dtype)]
    layerOf: dict[slicer.vtkSegment, int] = {}
    for image, shared in _segmentsByImage(segments):
        found = _renumbered(_onGrid(image, placement, grid), {s.GetLabelValue(): values[s] for s in shared}, dtype)
        number = _placeInFreeLayer(layers, found)
        layerOf.update(dict.fromkeys(shared, number))
    labels = tuple(_label(segment, values[segment], layerOf[segment]) for segment in segments)
    return LabelMap(layers[0] if len(layers) == 1 else np.stack(layers), grid, labels)


def _checkVoxels(segmentation: slicer.vtkSegmentation) -> None:
    if segmentation.GetSourceRepresentationName() != _LABEL_MAP:
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            f"The segmentation consists of {segmentation.GetSourceRepresentationName().lower()}s, not of voxels.",
            "Choose a new segmentation for the result.",
        )


def _inCoordinatesOf(
    node: slicer.vtkMRMLTransformableNode, labelMap: LabelMap, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> tuple[Geometry, list[NDArray[Any]]]:
    """The label map's layers and their grid in a node's own coordinates, below its parent transforms."""
    placement = placementOf(node)
    layers = [labelMap.layer(n) for n in range(labelMap.layers)]
    own = localGeometry(volumeNode)
    together = node.GetTransformNodeID() == volumeNode.GetTransformNodeID()
    if placement.matrix is not None:
        grid = Geometry(labelMap.geometry.shape, np.linalg.inv(placement.matrix) @ labelMap.geometry.ijk_to_ras)
        return (own if together and grid.same_as(own) else grid), layers  # own: free of the rounding of two products
    grid = own if together else bentGrid(labelMap.geometry, placement.inverse)
    return grid, [resampleThrough(layer, labelMap.geometry, grid, placement.transform) for layer in layers]


def _image(layer: NDArray[Any], grid: Geometry) -> slicer.vtkOrientedImageData:
    image = slicer.vtkOrientedImageData()
    fillImage(image, layer)
    image.SetImageToWorldMatrix(toMatrix(grid.ijk_to_ras))
    return image


def _putSegment(
    segmentation: slicer.vtkSegmentation, label: Label, image: slicer.vtkOrientedImageData, replaced: str | None
) -> None:
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(channel / 255 for channel in label.color))
    segment.SetColorAutoGenerated(False)
    segment.SetLabelValue(label.value)
    segment.SetTag(RESULT_TAG, "1")
    setTerminology(segment, terminology_of(label))
    segment.AddRepresentation(_LABEL_MAP, image)
    if not replaced:
        segmentation.AddSegment(segment)
        return
    position = segmentation.GetSegmentIndex(replaced)
    segmentation.RemoveSegment(replaced)
    segmentation.AddSegment(segment, replaced)
    segmentation.SetSegmentIndex(replaced, position)


def _untouchedResults(segmentation: slicer.vtkSegmentation) -> dict[str, str]:
    """Name -> identifier of the segments that earlier runs made and on which nobody has worked since."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    identified = (
        (segmentation.GetNthSegmentID(n), segmentation.GetNthSegment(n))
        for n in range(segmentation.GetNumberOfSegments())
    )
    return {
        segment.GetName(): identifier
        for identifier, segment in identified
        if segment.HasTag(RESULT_TAG) and logic.GetSegmentStatus(segment) == logic.NotStarted
    }


def _asVoxels(segmentation: slicer.vtkSegmentation) -> slicer.vtkSegmentation:
    """The segmentation itself where it consists of label maps, otherwise a converted copy."""
    if segmentation.GetNumberOfSegments() == 0 or segmentation.ContainsRepresentation(_LABEL_MAP):
        return segmentation
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    if not copy.CreateRepresentation(_LABEL_MAP):
        raise MedDLError(
            Code.FILE_UNREADABLE,
            f"The segmentation's {segmentation.GetSourceRepresentationName().lower()}s cannot be turned into voxels.",
            "Open it in Slicer and create its binary label map there.",
        )
    return copy


def referredVolume(segmentationNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume that the segmentation says it was drawn on; None where there is none with voxels."""
    volume = segmentationNode.GetNodeReference(segmentationNode.GetReferenceImageGeometryReferenceRole())
    return volume if volume is not None and volume.GetImageData() is not None else None


def _ownGrid(segmentation: slicer.vtkSegmentation) -> Geometry:
    """The grid that the segmentation says it is edited on, or else one around all of its segments."""
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    stated = segmentation.GetConversionParameter(name) or segmentation.DetermineCommonLabelmapGeometry(
        slicer.vtkSegmentation.EXTENT_UNION_OF_SEGMENTS, None
    )
    image = slicer.vtkOrientedImageData()
    if not stated or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(stated, image, False):
        raise MedDLError(
            Code.FILE_UNREADABLE,
            "The segmentation is empty and does not say on which grid it lies.",
            "Name the volume that it belongs to.",
        )
    return _gridOf(image)


def _gridOf(image: slicer.vtkOrientedImageData) -> Geometry:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    ijkToOwn = toNumpy(matrix)
    ijkToOwn[:3, 3] += ijkToOwn[:3, :3] @ np.array(image.GetExtent()[::2])
    i, j, k = image.GetDimensions()
    return Geometry((k, j, i), ijkToOwn)


def _filled(image: slicer.vtkOrientedImageData) -> Geometry | None:
    """The part of an image that holds voxels of segments, in the node's own coordinates; None where it holds none."""
    array = arrayOfImage(image) > 0
    ranges = [np.flatnonzero(array.any(axis=tuple(n for n in range(3) if n != axis))) for axis in range(3)]
    if not len(ranges[0]):
        return None
    return _gridOf(image).cropped([int(its[0]) for its in ranges], [int(its[-1]) + 1 for its in ranges])


def _segmentsByImage(
    segments: list[slicer.vtkSegment],
) -> Iterator[tuple[slicer.vtkOrientedImageData, list[slicer.vtkSegment]]]:
    """Each image once, with the segments that share it."""
    images = [segment.GetRepresentation(_LABEL_MAP) for segment in segments]
    for image in dict.fromkeys(images):
        yield image, [segment for segment, its in zip(segments, images, strict=True) if its is image]


def _onGrid(image: slicer.vtkOrientedImageData, placement: Placement, grid: Geometry) -> NDArray[Any] | None:
    """The image on a grid of the world; None for one without voxels."""
    if image is None or image.IsEmpty():
        return None
    array, own = arrayOfImage(image), _gridOf(image)
    if placement.matrix is None:
        return resampleThrough(array, own, grid, placement.inverse)
    return resample(array, placedGeometry(own, placement), grid, "nearest")


def _renumbered(
    array: NDArray[Any] | None, values: dict[int, int], dtype: type[np.unsignedinteger[Any]]
) -> NDArray[Any] | None:
    """Old values become new ones; voxels that belong to no segment become background."""
    if array is None:
        return None
    table = np.zeros(max(values) + 2, dtype)
    for old, new in values.items():
        table[old] = new
    return table[np.clip(array, 0, max(values) + 1)]


def _placeInFreeLayer(layers: list[NDArray[Any]], found: NDArray[Any] | None) -> int:
    """Adds segments to the first layer where they cover nothing; the number of that layer."""
    if found is None:
        return 0
    inside = found > 0
    for number, layer in enumerate(layers):
        if not layer[inside].any():
            layer[inside] = found[inside]
            return number
    layers.append(found)
    return len(layers) - 1


def _label(segment: slicer.vtkSegment, value: int, layer: int) -> Label:
    red, green, blue = (round(255 * channel) for channel in segment.GetColor())
    return Label(value, segment.GetName(), (red, green, blue), terminologyOfSegment(segment), layer)
