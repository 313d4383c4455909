"""What the panel knows, and what follows from it: which button can be clicked, and why another cannot.

No Qt and no scene: the workflow puts in what happened, and the panel shows what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from MedDLCore.errors import Notice
from MedDLSegmentLib.button import Button
from MedDLSegmentLib.translation import _
from MedDLTraining.service import Data

from .earlier import Earlier

FOLDER, SCENE, DATABASE = "folder", "scene", "database"


@dataclass(frozen=True)
class Work:
    """What the child process does now.

    Attributes:
        kind: the request, or ``handover`` while scans are given to it.
        stage: of it.
        fraction: of the stage, 0 to 1; None: not known.
        secondsLeft: None where little is known.
        epoch: of a training, counted from 1; 0: none yet.
        epochs: how many there will be.
        paused: a person holds it.
        stopping: a person has stopped it.
    """

    kind: str
    stage: str = ""
    fraction: float | None = None
    secondsLeft: float | None = None
    epoch: int = 0
    epochs: int = 0
    paused: bool = False
    stopping: bool = False


@dataclass(frozen=True)
class TrainState:
    """All that the panel shows.

    Attributes:
        source: ``FOLDER``, ``SCENE`` or ``DATABASE``.
        hasCases: a folder is chosen; or the scene has scans on which something was drawn.
        incomplete: why a case of the scene has not all its inputs; empty: all have.
        namedInputs: what the folder itself calls the inputs of a case, where it does; None: a person may.
        trainingFolder: where everything goes.
        data: what a training would learn from now; None: not known yet.
        checkedData: what was checked; what has been changed since is not.
        check: its result, see ``service.CheckJob``.
        cases: ids, names and, where it cannot be used, why, of all that was found, be it left out or not.
        leftOut: ids.
        plan: the result of the plan, see ``service.PlanJob``; None: there is none for these data.
        earlier: what is in the training's folder.
        work: None: nothing goes on.
        picture: path of the preview; empty: none.
        report: see ``service.EvaluateJob``.
        published: path of what was published.
        problem: why the last work failed.
        done: what it made, in words.
        notices: its warnings.
    """

    source: str = FOLDER
    hasCases: bool = False
    incomplete: str = ""
    namedInputs: tuple[str, ...] | None = None
    trainingFolder: str = ""
    data: Data | None = None
    checkedData: Data | None = None
    check: Mapping[str, Any] | None = None
    cases: tuple[tuple[str, str, str], ...] = ()
    leftOut: tuple[str, ...] = ()
    plan: Mapping[str, Any] | None = None
    earlier: Earlier | None = None
    work: Work | None = None
    picture: str = ""
    report: Mapping[str, Any] | None = None
    published: str = ""
    problem: str = ""
    done: str = ""
    notices: tuple[Notice, ...] = ()

    def with_(self, **changes: Any) -> TrainState:
        """The state after a change."""
        return replace(self, **changes)

    @property
    def isChecked(self) -> bool:
        """The check is of what would be learnt from now."""
        return self.check is not None and self.data is not None and self.data == self.checkedData

    @property
    def usable(self) -> frozenset[str]:
        """Ids of the cases that can be read and are not left out."""
        return frozenset(case["id"] for case in (self.check or {}).get("cases", ()))

    @property
    def errors(self) -> int:
        """Findings with which no training begins."""
        return sum(finding["severity"] == "error" for finding in (self.check or {}).get("findings", ()))


def _button(text: str, reason: str, toolTip: str) -> Button:
    return Button(text, not reason, reason or toolTip)


def _whileWorking(state: TrainState) -> str:
    """Why nothing else can be begun; empty: it can."""
    return "" if state.work is None else _("Wait until it is done: {work}.").format(work=workName(state.work.kind))


def _noData(state: TrainState) -> str:
    if not state.hasCases:
        if state.source == SCENE:
            return _("The scene has no scan on which something was drawn.")
        if state.source == DATABASE:
            return _("Slicer has no DICOM database open.")
        return _("Choose the folder of the cases.")
    if state.incomplete:
        return state.incomplete
    if not state.trainingFolder:
        return _("Choose the folder in which the training is kept.")
    return ""


def _notSound(state: TrainState) -> str:
    """Why nothing can be learnt from the data; empty: it can."""
    if reason := _noData(state):
        return reason
    if not state.isChecked:
        return _("Check the cases first.")
    if state.errors:
        return _("The check found errors: correct them, or leave the cases out.")
    return ""


def _noModel(state: TrainState) -> str:
    return "" if state.earlier is not None and state.earlier.isDone else _("Train a model first.")


def checkButton(state: TrainState) -> Button:
    """Check, or Cancel while it goes on."""
    if state.work is not None and state.work.kind in ("check", "collect", "handover"):
        return Button(_("Cancel"), not state.work.stopping, _("Ends the check."))
    return _button(
        _("Check"), _whileWorking(state) or _noData(state), _("Looks for what would spoil the training, case by case.")
    )


def planButton(state: TrainState) -> Button:
    """Plan, or Cancel while it goes on."""
    if state.work is not None and state.work.kind == "plan":
        return Button(_("Cancel"), not state.work.stopping, _("Ends the planning."))
    reason = _whileWorking(state) or _notSound(state)
    return _button(_("Plan"), reason, _("Chooses network and schedule for these cases, this time and this memory."))


def previewButton(state: TrainState) -> Button:
    """Draws how a case is varied."""
    reason = _whileWorking(state) or ("" if state.plan is not None else _("Plan the training first."))
    return _button(
        _("Preview variations"), reason, _("Shows in the slice views how the training will vary the chosen case.")
    )


def startButton(state: TrainState) -> Button:
    """Start, Resume or Stop."""
    if state.work is not None and state.work.kind == "train":
        return Button(
            _("Stop"), not state.work.stopping, _("Ends the training; it can be resumed after its last epoch.")
        )
    if state.earlier is not None and state.earlier.canResume:
        return _button(_("Resume"), _whileWorking(state), _("Goes on with the training in the folder."))
    reason = _whileWorking(state) or _notSound(state)
    if not reason and state.earlier is not None:
        reason = _("The folder holds a training: choose another one.")
    if not reason and state.plan is None:
        reason = _("Plan the training first.")
    return _button(_("Start training"), reason, _("Trains in a process of its own; Slicer can be used meanwhile."))


def pauseButton(state: TrainState) -> Button:
    """Pause, or Go on."""
    work = state.work
    if work is None or work.kind != "train":
        return Button(_("Pause"), False, _("No training goes on."))
    if work.paused:
        return Button(_("Go on"), not work.stopping, _("Ends the pause."))
    return Button(_("Pause"), not work.stopping, _("Leaves the processor to others until you let it go on."))


def evaluateButton(state: TrainState) -> Button:
    """Makes the report."""
    if state.work is not None and state.work.kind == "evaluate":
        return Button(_("Cancel"), not state.work.stopping, _("Ends it; cases that are done are kept."))
    return _button(
        _("Make report"),
        _whileWorking(state) or _noModel(state),
        _("Segments the cases and compares with what was drawn."),
    )


def publishButton(state: TrainState, licence: str) -> Button:
    """Makes a bundle for others."""
    reason = _whileWorking(state) or _noModel(state)
    if not reason and not licence:
        reason = _("Say under which licence, e.g. CC-BY-4.0.")
    return _button(_("Publish"), reason, _("Makes a MONAI bundle with a model card, for others."))


def useButton(state: TrainState) -> Button:
    """Hands the model to MedDLSegment."""
    reason = _whileWorking(state) or _noModel(state)
    return _button(_("Use in MedDL Segment"), reason, _("Adds the model to those of this machine, and opens it there."))


def openButton(state: TrainState, case: str) -> Button:
    """Opens a case in the scene."""
    reason = _whileWorking(state) or ("" if case else _("Choose a case."))
    if not reason and case not in state.usable:
        reason = _("This case is left out, or cannot be read.")
    return _button(_("Open case"), reason, _("Loads the scan and what was drawn on it into the scene."))


def workName(kind: str) -> str:
    """What goes on, as a person calls it."""
    words = {
        "handover": _("handing over the scans"),
        "collect": _("collecting the scans"),
        "check": _("the check"),
        "plan": _("the plan"),
        "preview": _("the preview"),
        "train": _("the training"),
        "evaluate": _("the report"),
        "show": _("opening the case"),
        "publish": _("publishing"),
        "use": _("adding the model"),
    }
    return words.get(kind, kind)
