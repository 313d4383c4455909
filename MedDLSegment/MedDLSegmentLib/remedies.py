"""What to do after an error, in the words of the panel.

Hints are written where the error is found, for whoever meets it. Some name an option of the command line, which a
person in Slicer does not have: those are replaced.
"""

from __future__ import annotations

import re

from MedDLCore.errors import Code, MedDLError

from .translation import _

COMMAND_LINE = re.compile(r"--[a-z]|\bmeddl [a-z]|\bpip install\b|\bMEDDL_[A-Z]")
"""What a hint for the command line has in it."""


def said(error: MedDLError) -> str:
    """An error in words: what happened, and what to do."""
    return (
        error.message if error.code is Code.CANCELLED else f"{error.message} {remedy(error.code, error.hint)}".strip()
    )


def remedy(code: Code, hint: str) -> str:
    """A hint as the panel says it; empty where nothing can be done in Slicer."""
    other = code is Code.EXTRA_MISSING or COMMAND_LINE.search(hint) is not None
    return _inSlicer().get(code, "") if other else hint


def _inSlicer() -> dict[Code, str]:
    """A function, because texts are looked up in the person's language."""
    return {
        Code.WRONG_MODALITY: _("Choose a model for this modality."),
        Code.MODALITY_UNKNOWN: _("Look at the result."),
        Code.GEOM_GAP: _("Load the series with all of its slices."),
        Code.POINTS_MISMATCH: _("Place a point in the middle of each structure: choose or make a list under Points."),
        Code.CLICKS_MISMATCH: _("Choose another model, or none, on the page Correct."),
        Code.NOT_CROPPED: _("Leave 'Leave the air out' unticked with this model."),
        Code.MODEL_NOT_FOUND: _("Choose another model, or add it on the page Models."),
        Code.MODEL_INVALID: _("Add the model on the page Models: its folder with all of its files, or a zip of it."),
        Code.MODEL_UNTRUSTED: _(
            "Choose another model; or, if you trust it, add its folder again and look at its code."
        ),
        Code.LICENCE_NOT_ACCEPTED: _("Read the licence on the page Models and accept it there."),
        Code.NO_MEMORY: _("Close other programs, choose a region of interest, or a smaller model."),
        Code.DEVICE_MISSING: _("Choose another device under Advanced."),
        Code.NETWORK_NONFINITE: _(
            "Check that the scan is of the kind that the model is for; choose the CPU under Advanced."
        ),
        Code.WORKER_STALLED: _("Run it again, on the CPU: see Advanced. A graphics driver may need a restart."),
        Code.LABEL_UNKNOWN: _("Choose the structures again."),
        Code.EXTRA_MISSING: _("See the page Installation."),
        Code.OUTPUT_EXISTS: _("Choose another place."),
    }
