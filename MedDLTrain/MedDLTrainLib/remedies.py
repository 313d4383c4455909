"""What to do after an error, in the words of the panel: where MedDLSegment's words are of another panel."""

from __future__ import annotations

from MedDLCore.errors import Code, MedDLError
from MedDLSegmentLib import remedies
from MedDLSegmentLib.translation import _


def said(error: MedDLError) -> str:
    """An error in words: what happened, and what to do."""
    own = {
        Code.DATA_INVALID: _("Check the cases, correct them, or untick those that are not to be used."),
        Code.EXTRA_MISSING: _("See the page Installation of MedDL Segment."),
        Code.MODEL_EXISTS: _("Tick Replace under Publish, or save the training in a folder of another name."),
        Code.NO_IMAGES: _("Choose a folder with scans and their segmentations."),
        Code.NO_MEMORY: _("Close other programs, or plan again with less memory."),
        Code.OUTPUT_EXISTS: _("Choose another folder; or tick Replace under Publish."),
        Code.PLAN_INVALID: _("Plan anew, and save the training in another folder."),
    }
    remedy = own.get(error.code, remedies.remedy(error.code, error.hint))
    return f"{error.message} {remedy}".strip()
