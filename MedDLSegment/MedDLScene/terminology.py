"""The coded meaning of a segment, in the tag where Slicer keeps it."""

from __future__ import annotations

from MedDLCore.terminology import TAG, parse_terminology, serialize_terminology
from MedDLCore.volume import Terminology

from .libraries import slicer, vtk


def setTerminology(segment: slicer.vtkSegment, terminology: Terminology) -> None:
    """Says what the segment is; Slicer shows it in its table of segments and writes it to files."""
    segment.SetTag(TAG, serialize_terminology(terminology))


def terminologyOfSegment(segment: slicer.vtkSegment) -> Terminology | None:
    """What the segment is; None where nothing, or nothing legible, was said."""
    line = vtk.reference("")
    return parse_terminology(line.get()) if segment.GetTag(TAG, line) else None
