"""A segment takes what a network or grow-cut found in a box, by the rules of Slicer's Segment Editor, as one undo step.

Editable area, editable intensities and the overwrite mode are Slicer's own, and Slicer's own logic keeps to them. Two
rules are added, because a network decides on many voxels for each one that a person clicked: other segments give
voxels away only where the click itself lies in them, and segments that are marked as completed are locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import FloatTriple
from MedDLCore.volume import Geometry

from .libraries import slicer, vtk
from .placement import Placement, arrayOfImage, fillImage, placementOf, toMatrix, toNumpy, transformPoints

_LABEL_MAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_REFERENCE = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
_SAMPLES = 9
"""Points per axis at which is looked where a bent transform brings a box."""


class Editor(Protocol):
    """A Segment Editor: that of the panel, or the one whose effect is used.

    Attributes:
        node: the ``vtkMRMLSegmentEditorNode`` with the rules; its segmentation and its volume are the edited ones.
        addsSegments: a structure that has no segment gets one.
    """

    node: Any
    addsSegments: bool

    def saveState(self) -> None:
        """Begins an undo step."""

    def modify(self, segmentationNode: Any, segmentID: str, image: Any, add: bool) -> None:
        """Adds the voxels of an image that are not 0 to the segment, or takes them away."""


@dataclass(frozen=True)
class Edited:
    """What became of a wanted change, in voxels of the segmentation.

    Attributes:
        added, removed: of the segment.
        kept: that stayed as they were because a rule or another segment keeps them.
        heldBy: the names of other segments that kept theirs, and would give them where they are clicked.
        lockedBy: the names of those that kept theirs because they are locked.
        hasStep: there is an undo step for it, also where a rule has kept every voxel.
    """

    added: int
    removed: int
    kept: int = 0
    heldBy: tuple[str, ...] = ()
    lockedBy: tuple[str, ...] = ()
    hasStep: bool = False


def checkEditable(segmentationNode: slicer.vtkMRMLSegmentationNode, segmentID: str) -> None:
    """Refuses segments that are locked or gone, and segmentations that do not consist of voxels.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE.
    """
    segmentation = segmentationNode.GetSegmentation()
    segment = segmentation.GetSegment(segmentID)
    if segment is None:
        raise MedDLError(Code.OUTPUT_UNWRITABLE, "The segment is gone.", "Choose another one.")
    if segmentation.GetSourceRepresentationName() != _LABEL_MAP:
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            f"The segmentation consists of {segmentation.GetSourceRepresentationName().lower()}s, not of voxels.",
            "Open it in Segment Editor, which turns it into voxels.",
        )
    if isLocked(segment):
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            f"{segment.GetName()} is marked as completed: it is locked.",
            "Set its state to in progress, in the list of segments, to change it.",
        )


def isLocked(segment: slicer.vtkSegment) -> bool:
    """Whether a person has marked the segment as completed."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return bool(logic.GetSegmentStatus(segment) == logic.Completed)


def editSegment(
    editor: Editor, segmentID: str, wanted: NDArray[np.bool_], place: Geometry, click: FloatTriple | None = None
) -> Edited:
    """Makes a segment in a box what is wanted there. What lies outside is not touched.

    Args:
        editor: its node's segmentation is changed.
        segmentID: of the segment.
        wanted: ``(K, J, I)``: whether a voxel belongs to it.
        place: of the box, in the world; any grid.
        click: R, A, S, mm: other segments that lie there give voxels away, if the overwrite mode takes them.

    Returns:
        What was done; where that is nothing, there is no undo step.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, TRANSFORM_REFUSED. Nothing has changed then.
    """
    node = editor.node.GetSegmentationNode()
    checkEditable(node, segmentID)
    placement = placementOf(node)
    lattice, extent = _lattice(node, editor.node.GetSourceVolumeNode())
    box = _boxOn(lattice, place, placement)
    known = _laidOnto(box, wanted, place, placement)
    if known is None:
        return Edited(0, 0)
    before = _maskIn(box, node, segmentID)
    add, remove = (known == _INSIDE) & ~before, (known == _OUTSIDE) & before
    held, holders, locked = _held(editor, box, segmentID, add, _indexOf(click, lattice, placement))
    beyond = _beyondMasks(editor.node, box, extent)
    add, remove = add & ~held & ~beyond, remove & ~beyond
    changes = bool(add.any() or remove.any())
    if changes:
        editor.saveState()
    for voxels, adds in ((remove, False), (add, True)):
        if voxels.any():
            editor.modify(node, segmentID, _cut(box, voxels), adds)
    after = _maskIn(box, node, segmentID)
    kept = int(((known == _INSIDE) & ~after).sum() + ((known == _OUTSIDE) & after).sum())
    return Edited(int((after & ~before).sum()), int((before & ~after).sum()), kept, holders, locked, changes)


_OUTSIDE, _INSIDE = 1, 2
"""What is known of a voxel; 0 where it does not lie in the box."""


def _lattice(
    node: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> tuple[vtk.vtkMatrix4x4, tuple[int, ...]]:
    """Index to own RAS, of the grid on which the segmentation is edited, and how far that grid is stated to reach."""
    segmentation = node.GetSegmentation()
    if not segmentation.GetConversionParameter(_REFERENCE) and volumeNode is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    stated = segmentation.GetConversionParameter(_REFERENCE)
    if not stated or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(stated, image, False):
        raise MedDLError(
            Code.OUTPUT_UNWRITABLE,
            "The segmentation does not say on which grid it lies.",
            "Choose the volume that it belongs to.",
        )
    image.GetImageToWorldMatrix(matrix)
    return matrix, tuple(image.GetExtent())


def _beyondMasks(rules: Any, box: slicer.vtkOrientedImageData, extent: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where in the box Slicer's masks do not reach, if there are any: it takes all of that for editable."""
    everywhere = rules.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    if everywhere and not rules.GetSourceVolumeIntensityMask():
        return np.zeros(box.GetDimensions()[::-1], bool)
    own = box.GetExtent()
    within = np.ones(box.GetDimensions()[::-1], bool)
    for n, at in enumerate(np.ogrid[own[4] : own[5] + 1, own[2] : own[3] + 1, own[0] : own[1] + 1][::-1]):
        within &= (extent[2 * n] <= at) & (at <= extent[2 * n + 1])
    return ~within


def _boxOn(lattice: vtk.vtkMatrix4x4, place: Geometry, placement: Placement) -> slicer.vtkOrientedImageData:
    """The box on the segmentation's grid, as an image without voxels."""
    ends = [np.linspace(-0.5, n - 0.5, _SAMPLES) for n in place.shape[::-1]]
    points = place.index_to_ras(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
    own = transformPoints(points, placement.inverse)
    inverse = np.linalg.inv(toNumpy(lattice))
    index = own @ inverse[:3, :3].T + inverse[:3, 3]
    around = 0 if placement.matrix is not None else 1
    low, high = np.floor(index.min(axis=0)).astype(int) - around, np.ceil(index.max(axis=0)).astype(int) + around
    box = slicer.vtkOrientedImageData()
    box.SetExtent(*(int(n) for pair in zip(low, high, strict=True) for n in pair))
    box.SetGeometryFromImageToWorldMatrix(lattice)
    return box


def _laidOnto(
    box: slicer.vtkOrientedImageData, wanted: NDArray[np.bool_], place: Geometry, placement: Placement
) -> NDArray[np.uint8] | None:
    """What is known of the box's voxels; None where nothing is."""
    if not wanted.size:
        return None
    image = slicer.vtkOrientedImageData()
    fillImage(image, np.where(wanted, _INSIDE, _OUTSIDE).astype(np.uint8))
    image.SetGeometryFromImageToWorldMatrix(toMatrix(place.ijk_to_ras))
    known = _resampled(image, box, placement.inverse)
    return known if known.any() else None


def _maskIn(box: slicer.vtkOrientedImageData, node: Any, segmentID: str) -> NDArray[np.bool_]:
    """Where in the box the segment is."""
    segment = node.GetSegmentation().GetSegment(segmentID)
    mask: NDArray[np.bool_] = _labelsIn(box, segment.GetRepresentation(_LABEL_MAP)) == segment.GetLabelValue()
    return mask


def _labelsIn(box: slicer.vtkOrientedImageData, image: slicer.vtkOrientedImageData | None) -> NDArray[Any]:
    if image is None or image.IsEmpty() or image.GetPointData().GetScalars() is None:
        return np.zeros(box.GetDimensions()[::-1], np.uint8)
    return _resampled(image, box, None)


def _resampled(image: slicer.vtkOrientedImageData, box: slicer.vtkOrientedImageData, transform: Any) -> NDArray[Any]:
    """``(K, J, I)``: the image at the box's voxels, by nearest neighbour; 0 outside of it."""
    onto = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, box, onto, False, False, transform
    )
    return arrayOfImage(onto).copy()


def _held(
    editor: Editor, box: slicer.vtkOrientedImageData, segmentID: str, add: NDArray[np.bool_], at: Any
) -> tuple[NDArray[np.bool_], tuple[str, ...], tuple[str, ...]]:
    """Voxels that belong to others which do not give them away, and the names of these: the unlocked, the locked."""
    held = np.zeros_like(add)
    names: dict[bool, list[str]] = {False: [], True: []}
    if not add.any():
        return held, (), ()
    extent = box.GetExtent()
    for segment, labels in _overwritable(editor, segmentID, box):
        its = labels == segment.GetLabelValue()
        clicked = False
        if at is not None and all(extent[2 * n] <= at[n] <= extent[2 * n + 1] for n in range(3)):
            i, j, k = (at[n] - extent[2 * n] for n in range(3))
            clicked = bool(its[k, j, i])
        if (isLocked(segment) or not clicked) and (its & add).any():
            held |= its
            names[isLocked(segment)].append(segment.GetName())
    return held, tuple(names[False]), tuple(names[True])


def _overwritable(
    editor: Editor, segmentID: str, box: slicer.vtkOrientedImageData
) -> Iterator[tuple[slicer.vtkSegment, NDArray[Any]]]:
    """The other segments from which the overwrite mode takes voxels, with the labels of their image in the box."""
    mode, node = editor.node.GetOverwriteMode(), editor.node.GetSegmentationNode()
    if mode == editor.node.OverwriteNone:
        return
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    labels: dict[Any, NDArray[Any]] = {}
    for n in range(segmentation.GetNumberOfSegments()):
        identifier, segment = segmentation.GetNthSegmentID(n), segmentation.GetNthSegment(n)
        seen = display is not None and display.GetSegmentVisibility(identifier)
        if identifier == segmentID or (mode == editor.node.OverwriteVisibleSegments and not seen):
            continue
        image = segment.GetRepresentation(_LABEL_MAP)
        if image not in labels:
            labels[image] = _labelsIn(box, image)
        yield segment, labels[image]


def _indexOf(click: FloatTriple | None, lattice: vtk.vtkMatrix4x4, placement: Placement) -> list[int] | None:
    """The voxel of the segmentation's grid that a place in the world lies in."""
    if click is None:
        return None
    own = transformPoints(np.array([click], dtype=float), placement.inverse)[0]
    inverse = np.linalg.inv(toNumpy(lattice))
    return [int(n) for n in np.round(inverse[:3, :3] @ own + inverse[:3, 3])]


def boundsOf(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The smallest box, K, J, I, that holds what is set; None where nothing is."""
    ranges = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not len(ranges[0]):
        return None
    k, j, i = (slice(int(its[0]), int(its[-1]) + 1) for its in ranges)
    return k, j, i


def _cut(box: slicer.vtkOrientedImageData, voxels: NDArray[np.bool_]) -> slicer.vtkOrientedImageData:
    """The smallest image that holds these voxels of the box, of which there must be some, on the same grid."""
    bounds = boundsOf(voxels)
    assert bounds is not None  # noqa: S101
    image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    fillImage(image, voxels[bounds].astype(np.uint8))
    firsts = zip(box.GetExtent()[::2], bounds[::-1], strict=True)
    image.SetExtent(*(n for first, part in firsts for n in (first + part.start, first + part.stop - 1)))
    box.GetImageToWorldMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    return image


def stateOfSegments(segmentationNode: slicer.vtkMRMLSegmentationNode) -> tuple[object, ...]:
    """Changes with the voxels of any segment, its name, and where the segmentation lies."""
    segmentation, parent = segmentationNode.GetSegmentation(), segmentationNode.GetParentTransformNode()
    segments = [(name, segmentation.GetSegment(name)) for name in segmentation.GetSegmentIDs()]
    voxels = tuple(
        (name, segment.GetName(), segment.GetLabelValue(), 0 if image is None else image.GetMTime())
        for name, segment in segments
        for image in (segment.GetRepresentation(_LABEL_MAP),)
    )
    return voxels, None if parent is None else parent.GetTransformToWorldMTime()
