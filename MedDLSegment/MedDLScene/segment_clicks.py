"""The clicks by which a segment was corrected: kept in a tag of the segment.

So they go wherever the segment goes: back with each step that a Segment Editor takes back, whoever made the click and
in whichever editor; into the file with the segmentation; away with a segment that is removed, or replaced by a result.
"""

from __future__ import annotations

import json
import math

from MedDLCore.click import Click

from .libraries import slicer, vtk

CLICKS = "MedDL.Clicks"
"""The tag: a JSON list of ``[R, A, S, 1 or 0]``; in files of segmentations, tags can hold neither ``:`` nor ``|``."""


def clicksOf(segmentationNode: slicer.vtkMRMLSegmentationNode) -> tuple[Click, ...]:
    """All clicks on its segments as they are now, segment by segment, under the names that these have now."""
    segmentation = segmentationNode.GetSegmentation()
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    return tuple(
        Click((r, a, s), segment.GetName(), bool(positive))
        for segment in segments
        for r, a, s, positive in _of(segment)
    )


def keepClick(segmentationNode: slicer.vtkMRMLSegmentationNode, segmentID: str, click: Click) -> None:
    """One more click on a segment, which is there.

    It belongs to the undo step that an editor has begun: between two steps that are taken back, Slicer counts any other
    change as one, and would only take that back.
    """
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    segment.SetTag(CLICKS, json.dumps([*_of(segment), [*click.point, int(click.positive)]], separators=(",", ":")))


def _of(segment: slicer.vtkSegment) -> list[list[float]]:
    """Empty where the tag is none of ours, which a foreign file may hold."""
    text = vtk.reference("")
    segment.GetTag(CLICKS, text)
    try:
        kept = [[float(r), float(a), float(s), positive] for r, a, s, positive in json.loads(str(text) or "[]")]
        return kept if all(math.isfinite(number) for said in kept for number in said) else []
    except (TypeError, ValueError, OverflowError, RecursionError):
        return []
