"""What the part *Training set* of the page Correct knows: what is added, why nothing can be, and what was.

No Qt and no scene: see ``correct_state``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import correct_state
from .button import Button
from .correct_state import CorrectState
from .translation import _


@dataclass(frozen=True)
class CollectState:
    """All that it shows.

    Attributes:
        correct: what the page knows.
        clicks: by which the segmentation was corrected.
        folder: of the set; empty: none is chosen.
        busy: a case is being added.
        said: what became of the last one, in words.
    """

    correct: CorrectState = field(default_factory=CorrectState)
    clicks: int = 0
    folder: str = ""
    busy: bool = False
    said: str = ""


def structures(state: CorrectState) -> tuple[str, ...]:
    """Names of the segments that go in: those of the model; empty: all."""
    return state.offered.structures if state.offered is not None else ()


def leftOut(state: CorrectState) -> tuple[str, ...]:
    """Names of the segments that stay out."""
    known = {name.casefold() for name in structures(state)}
    return tuple(name for name in state.segments or () if known and name.casefold() not in known)


def reasonNotToCollect(state: CollectState) -> str:
    """Why no case can be added; empty: one can."""
    correct = state.correct
    if state.busy:
        return _("A case is being added.")
    if reason := correct_state.reasonNotToClick(correct):
        return reason
    if correct.going.busy:
        return _("Wait until the click is answered.")
    out = leftOut(correct)
    names = [name for name in correct.segments or () if name not in out]
    if not names:
        return _("No segment is a structure of this model. Correct one, or rename a segment.")
    if twice := [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]:
        return _("Several segments are named {name}: rename or merge them.").format(name=twice[0])
    if not state.folder:
        return _("Choose a folder for the training set.")
    return ""


def collectButton(state: CollectState) -> Button:
    """Keeps the case."""
    about = _(
        "Keeps the scan, the segments and the number of your clicks ({n}), to train from; nothing of the patient."
    )
    reason = reasonNotToCollect(state)
    return Button(_("Add to training set"), not reason, reason or about.format(n=state.clicks))


def line(state: CollectState) -> str:
    """What happens, or what became of the last case."""
    return _("Adding the case ...") if state.busy else state.said


def saidOf(told: Mapping[str, Any], clicks: int, out: tuple[str, ...]) -> str:
    """What was added. ``told``: by the worker, see ``worker.collecting``."""
    counted = _("1 click") if clicks == 1 else _("{n} clicks").format(n=clicks)
    if told["replaced"]:
        text = _("The scan was in this set, and has its new segments: {clicks}. Cases: {n}.")
        parts = [text.format(clicks=counted, n=told["cases"])]
    else:
        parts = [_("Case {n} of this set: {clicks}.").format(n=told["cases"], clicks=counted)]
    if told["empty"]:
        parts.append(_("Empty, and learnt as not there: {names}.").format(names=", ".join(told["empty"])))
    if out:
        parts.append(_("No structures of the model, and left out: {names}.").format(names=", ".join(out)))
    return " ".join(parts)
