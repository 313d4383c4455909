"""Closed surfaces of segments, one at a time, so that a window can show them as they come and stop in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from MedDLCore.atomic import atomic_path
from MedDLCore.errors import Code, MedDLError

from .libraries import quiet, slicer, vtk
from .placement import placementOf

SMOOTHING = 0.5
"""Slicer's own default: 0 leaves the steps of the voxels, 1 melts small structures."""

FORMATS = (".stl", ".ply", ".obj", ".vtp")

_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
_SMOOTHING_PARAMETER = "Smoothing factor"


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of one segment.

    Attributes:
        identifier: the segment's, in its segmentation.
        name: what a person reads.
        color: red, green, blue, 0 to 255.
        mesh: in the world, RAS mm; None for an empty segment.
    """

    identifier: str
    name: str
    color: tuple[int, int, int]
    mesh: vtk.vtkPolyData | None


def closedSurfaces(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    segmentIds: Sequence[str] | None = None,
    smoothing: float = SMOOTHING,
) -> Iterator[Surface]:
    """Makes the surfaces of segments, each when it is asked for. The node is not changed.

    Args:
        segmentationNode: with its parent transforms, which are applied.
        segmentIds: which segments; None takes all in their order.
        smoothing: 0 to 1.

    Raises:
        MedDLError: TRANSFORM_REFUSED.
    """
    segmentation = segmentationNode.GetSegmentation()
    toWorld = placementOf(segmentationNode).transform
    wanted = segmentation.GetSegmentIDs() if segmentIds is None else segmentIds
    for segmentId in wanted:
        segment = segmentation.GetSegment(segmentId)
        red, green, blue = (round(255 * channel) for channel in segment.GetColor())
        polyData = _converted(segmentation, segmentId, smoothing)
        if polyData is not None:
            polyData = _moved(polyData, toWorld)
        yield Surface(segmentId, segment.GetName(), (red, green, blue), polyData)


def showSurfaces(segmentationNode: slicer.vtkMRMLSegmentationNode) -> Iterator[int]:
    """Gives the segmentation its surfaces, a segment at each step, and shows them at the end.

    Slicer converts all segments at once, in a minute for a hundred of them; this can be interleaved with its events.
    Segments that have a surface already cost nothing. Nothing changes where the steps end early.

    Yields:
        how many segments are done.
    """
    segmentation = segmentationNode.GetSegmentation()
    made = {}
    for done, segmentId in enumerate(segmentation.GetSegmentIDs(), start=1):
        segment = segmentation.GetSegment(segmentId)
        if segment is not None and segment.GetRepresentation(_SURFACE) is None:
            made[segmentId] = segment, _converted(segmentation, segmentId, SMOOTHING) or vtk.vtkPolyData()
        yield done
    # All at once: Slicer takes the first segment's representations for those of all.
    wasModifying = segmentationNode.StartModify()
    for segmentId, (segment, mesh) in made.items():
        if segmentation.GetSegment(segmentId) is segment:
            segment.AddRepresentation(_SURFACE, mesh)
    segmentationNode.EndModify(wasModifying)
    segmentation.CreateRepresentation(_SURFACE)  # of what was added meanwhile
    segmentation.InvokeEvent(slicer.vtkSegmentation.ContainedRepresentationNamesModified)
    display = segmentationNode.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName3D(_SURFACE)
    display.SetVisibility3D(True)


def writeSurface(surface: Surface, path: Path) -> None:
    """Writes a surface as Slicer does: in LPS, and saying so where the format can.

    Args:
        surface: not empty.
        path: ends in one of ``FORMATS``; its folder exists.

    Raises:
        MedDLError: OUTPUT_UNWRITABLE, also for an empty surface or another format; NO_SPACE.
    """
    if path.suffix.lower() not in FORMATS:
        raise MedDLError(Code.OUTPUT_UNWRITABLE, f"Surfaces are written as {', '.join(FORMATS)}, not {path.suffix}.")
    if surface.mesh is None:
        raise MedDLError(Code.OUTPUT_UNWRITABLE, f"The segment {surface.name} is empty and has no surface.")
    model = slicer.vtkMRMLModelNode()
    model.SetAndObservePolyData(surface.mesh)
    with atomic_path(path) as unfinished:
        storage = slicer.vtkMRMLModelStorageNode()
        storage.SetFileName(str(unfinished))
        with quiet():
            written = storage.WriteData(model)
        if not written or not unfinished.is_file():
            raise MedDLError(Code.OUTPUT_UNWRITABLE, f"Slicer's library could not write {path.name}.")


def _converted(segmentation: slicer.vtkSegmentation, segmentId: str, smoothing: float) -> vtk.vtkPolyData | None:
    """One segment, converted apart from its segmentation, which would convert all of them."""
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    alone.CopyConversionParameters(segmentation)
    alone.SetConversionParameter(_SMOOTHING_PARAMETER, str(smoothing))
    alone.AddSegment(segmentation.GetSegment(segmentId), segmentId)
    with quiet():
        surface = slicer.vtkSlicerSegmentationsModuleLogic.CreateRepresentationForOneSegment(alone, segmentId, _SURFACE)
    if surface is None:
        return None
    surface.UnRegister(None)  # the caller owns it, and Python holds a reference of its own
    return surface if surface.GetNumberOfPoints() else None


def _moved(polyData: vtk.vtkPolyData, transform: vtk.vtkAbstractTransform) -> vtk.vtkPolyData:
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetInputData(polyData)
    mover.SetTransform(transform)
    mover.Update()
    return mover.GetOutput()
