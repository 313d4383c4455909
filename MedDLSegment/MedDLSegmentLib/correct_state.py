"""What the page Correct knows, and what follows from it: what can be clicked, why not, and what the last click did.

No Qt and no scene: the page gives what it sees, and shows what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import MedDLError, Notice

from . import offered_models, wording
from .button import Button
from .panel_state import MOST_INPUTS
from .remedies import said
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered
    from MedDLScene.segment_edit import Edited

GROW_CUT = "none"
"""In place of a model's name: structures grow from clicks and from what is drawn."""


@dataclass(frozen=True)
class Last:
    """The last click that was answered.

    Attributes:
        structure: its name.
        positive: the place was said to belong to it.
        edited: what became of its segment.
        spent: seconds from the click until the segment had changed.
        seconds: of the stages of that which somebody else measured.
        notices: warnings.
        hint: what to do next, where that is not clear.
    """

    structure: str
    positive: bool
    edited: Edited
    spent: float
    seconds: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class Going:
    """Corrections that go on.

    Attributes:
        count: clicks that were answered and not taken back.
        waiting: clicks that wait for the one that is being answered.
        busy: one is being answered.
        cancelling: it is not wanted any more.
        stage: of its answer.
        canUndo: a click can be taken back.
        problem: why the last one was refused; None: it was not.
        last: the last one; None: there is none, or it was taken back.
    """

    count: int = 0
    waiting: int = 0
    busy: bool = False
    cancelling: bool = False
    stage: str = ""
    canUndo: bool = False
    problem: MedDLError | None = None
    last: Last | None = None


@dataclass(frozen=True)
class CorrectState:
    """All that the page shows.

    Attributes:
        models: of this machine; None: the worker has not told yet.
        wantedModel: the name of the chosen one; ``GROW_CUT``: none; empty: nobody has chosen.
        segmentModel: the name of the one that is chosen on the page Segment.
        inputs: for each input of the model, whether a volume is chosen.
        segments: the names of the chosen segmentation's segments; None: none is chosen.
        wantedStructure: the name of the chosen one; it may be gone.
        clicking: what a plain click does now: True adds, False removes, None leaves the views as they are.
        going: the clicks so far.
    """

    models: tuple[Offered, ...] | None = None
    wantedModel: str = ""
    segmentModel: str = ""
    inputs: tuple[bool, ...] = (False,)
    segments: tuple[str, ...] | None = None
    wantedStructure: str = ""
    clicking: bool | None = None
    going: Going = field(default_factory=Going)

    @property
    def model(self) -> str:
        """The name of the model.

        Where nobody has chosen, that of the page Segment if it listens, or one that listens for all of its structures.
        """
        if self.wantedModel:
            return self.wantedModel
        if (own := offered_models.modelNamed(self.models or (), self.segmentModel)) is None:
            return GROW_CUT
        listens = listening(self)
        same = [own] if own in listens else [model for model in listens if _listensFor(own, model)]
        return same[0].name if same else GROW_CUT

    @property
    def offered(self) -> Offered | None:
        """The chosen model."""
        return offered_models.modelNamed(listening(self), self.model)

    @property
    def structures(self) -> tuple[str, ...]:
        """What can be clicked: the model's structures, or the segments that are there."""
        return self.offered.clickable if self.offered is not None else (self.segments or ())

    @property
    def structure(self) -> str:
        """The one that is clicked; empty where there is none."""
        wanted = [name for name in self.structures if name.casefold() == self.wantedStructure.casefold()]
        return next(iter((*wanted, *self.structures)), "")

    def with_(self, **changes: Any) -> CorrectState:
        """The state after a change."""
        return replace(self, **changes)


def listening(state: CorrectState) -> tuple[Offered, ...]:
    """The models that can be corrected by clicking."""
    return tuple(model for model in state.models or () if model.clickable and not model.problem)


def _listensFor(own: Offered, model: Offered) -> bool:
    """Whether a model can be told by clicks about everything that another one finds, in the same kind of scan."""
    clickable = {name.casefold() for name in model.clickable}
    all_of_it = bool(own.structures) and {name.casefold() for name in own.structures} <= clickable
    return all_of_it and [each.modality for each in own.inputs] == [each.modality for each in model.inputs]


def modelChoices(state: CorrectState) -> tuple[tuple[str, str], ...]:
    """Names and texts of what can answer clicks."""
    models = ((model.name, offered_models.line(model)) for model in listening(state))
    return ((GROW_CUT, _("No model: grow from clicks")), *models)


def reasonNotToClick(state: CorrectState) -> str:
    """What is missing for a click; empty: nothing is."""
    model = state.offered
    if model is None and state.model != GROW_CUT:
        if state.models is None:
            return _("The list of models is not there yet.")
        return _("Choose another model: this one is gone, or does not listen to clicks.")
    if reason := reasonOfInputs(model, state.inputs):
        return reason
    if state.segments is None:
        return _("Choose a segmentation, or make one.")
    if not state.structures:
        return _("Add a segment: it will grow from your clicks.")
    if [name.casefold() for name in state.segments].count(state.structure.casefold()) > 1:
        return _("Several segments are named {name}: rename or merge them.").format(name=state.structure)
    return ""


def reasonOfInputs(model: Offered | None, inputs: tuple[bool, ...]) -> str:
    """Which volume of the model's is missing; empty: none is. ``inputs``: for each, whether it is chosen."""
    names = [given.name for given in model.inputs] if model is not None else []
    if len(names) > MOST_INPUTS:
        return _("This model takes {n} volumes; here are at most {most}.").format(n=len(names), most=MOST_INPUTS)
    if not inputs[0]:
        return _("Choose the volume.")
    if missing := [name for name, given in zip(names, inputs, strict=False) if not given]:
        return _("Choose on the page Segment: {names}.").format(names=", ".join(missing))
    return ""


def reasonNotToClickSegment(state: CorrectState) -> str:
    """As ``reasonNotToClick``, where ``wantedStructure`` is the segment that will be changed, and no other."""
    reason, model = reasonNotToClick(state), state.offered
    if not reason and not state.wantedStructure:
        return _("Select a segment, or add one.")
    if reason or model is None or state.structure.casefold() == state.wantedStructure.casefold():
        return reason
    text = _("{segment} is no structure of this model. Rename or select a segment: {names}.")
    return text.format(segment=state.wantedStructure, names=", ".join(model.clickable))


def addButton(state: CorrectState) -> Button:
    """A plain click adds. The keys stand on the buttons."""
    reason = reasonNotToClick(state)
    about = _("Click in a slice view, or on a surface in a 3-D view, what belongs to the structure and is not in it.")
    return Button(_("Add  (click)"), not reason, reason or about)


def removeButton(state: CorrectState) -> Button:
    """A plain click removes; with Ctrl it does so at any rate."""
    reason, key = reasonNotToClick(state), wording.controlKey()
    about = _("Click what is in the structure and does not belong to it. While Add is pressed, hold {key} instead.")
    keys = _("Remove  ({key} + click)").format(key=key) if state.clicking is not False else _("Remove  (click)")
    return Button(keys, not reason, reason or about.format(key=key))


def undoButton(state: CorrectState) -> Button:
    """Takes the last click back."""
    going = state.going
    if going.cancelling:
        return Button(_("Undo click"), False, _("The click is being cancelled."))
    about = _("Takes the last click back.") if going.canUndo else _("There is no click that can be taken back here.")
    return Button(_("Undo click"), going.canUndo, about)


def segmentButton(state: CorrectState) -> Button:
    """Makes a structure that no model knows."""
    reason = "" if state.inputs[0] else _("Choose the volume.")
    if not reason and state.segments is None:
        reason = _("Choose a segmentation, or make one.")
    return Button(_("Add segment"), not reason, reason or _("Adds an empty segment, to be grown from clicks."))


def statusLine(state: CorrectState) -> str:
    """What happens, or what the last click did."""
    going = state.going
    if going.busy:
        text = _("Cancelling ...") if going.cancelling else wording.progress(going.stage, None)
        if going.waiting:
            text = _("{text} {n} more wait.").format(text=text, n=going.waiting)
        return text
    if going.problem is not None:
        return said(going.problem)
    if going.last is not None:
        return _("Click {n}: {what}").format(n=going.count, what=lastLine(going.last))
    if reason := reasonNotToClick(state):
        return reason
    if state.clicking is None:
        return _("Press Add, then click in the views.")
    if state.model == GROW_CUT and not going.count:
        text = _("Click the structure, and hold {key} to click what is beside it; strokes that you draw count, too.")
        return text.format(key=wording.controlKey())
    return _("Click where it is wrong.")


def lastLine(last: Last) -> str:
    """What a click did: ``liver, 412 voxels added, 3 removed, in 0.8 s (network 0.5 s)``."""
    edited = last.edited
    if not edited.added and not edited.removed:
        parts = [last.structure, _("nothing changed")]
    else:
        parts = [last.structure]
        if edited.added:
            parts.append(_("{n} voxels added").format(n=edited.added))
        if edited.removed:
            parts.append(_("{n} voxels removed").format(n=edited.removed))
    stages = ", ".join(f"{_stage(name)} {wording.latency(spent)}" for name, spent in last.seconds.items())
    took = _("in {time}").format(time=wording.latency(last.spent))
    return ", ".join([*parts, f"{took} ({stages})" if stages else took])


def warningLines(state: CorrectState) -> tuple[str, ...]:
    """What the person should know of the last click."""
    last = state.going.last
    if last is None or state.going.busy:
        return ()
    lines = [last.hint] if last.hint else []
    if last.edited.heldBy:
        text = _("{names} kept its voxels: click in it to take them, or let segments overlap in Segment Editor.")
        lines.append(text.format(names=", ".join(last.edited.heldBy)))
    if last.edited.lockedBy:
        text = _("{names}: marked as completed, and kept what lies in it.")
        lines.append(text.format(names=", ".join(last.edited.lockedBy)))
    if last.edited.kept and not (last.edited.heldBy or last.edited.lockedBy):
        text = _("{n} voxels stay as they are: the editable area of Segment Editor, or another rule, keeps them.")
        lines.append(text.format(n=last.edited.kept))
    return (*lines, *(notice.message for notice in last.notices))


def _stage(name: str) -> str:
    words = {"prepare": _("preparing"), "network": _("network"), "finish": _("finishing"), "grow": _("growing")}
    return words.get(name, name)
