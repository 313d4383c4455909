"""What the page of batches knows, and what follows from it: which button can be clicked, and why another cannot.

No Qt and no scene: the workflow puts in what happened, and the page shows what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import EXPLANATIONS, Code

from . import wording
from .button import Button
from .panel_state import looksAroundPoints
from .remedies import remedy
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()#]")
"""What means something else in a regular expression; ``#`` begins a comment in rules."""

DATABASE, SELECTION, FOLDER = "database", "selection", "folder"

RUNS, LEFT_OUT, STARTED = "runs", "left out", "started"
DONE, WARNED, SKIPPED, REFUSED, FAILED = "done", "warned", "skipped", "refused", "failed"
"""States of a case, as the child process tells them."""


@dataclass(frozen=True)
class Case:
    """A scan of the batch.

    Attributes:
        scan: by which the child process knows it.
        name: what a person reads.
        slices: how many; None: not known.
        thickness: mm; None: not known.
        state: one of those above.
        code: of why it was left out, skipped or refused, or failed; else empty.
        why: in words; empty where only the code is known.
        disagreement: how unsure the model is of it, nats; None: not measured.
    """

    scan: str
    name: str
    slices: int | None = None
    thickness: float | None = None
    state: str = RUNS
    code: str = ""
    why: str = ""
    disagreement: float | None = None

    @property
    def hasResult(self) -> bool:
        """There is a segmentation of it."""
        return self.state in (DONE, WARNED)

    @property
    def canBeOpened(self) -> bool:
        """With a result, or, where it was measured, without."""
        return self.hasResult or self.disagreement is not None


@dataclass(frozen=True)
class Work:
    """What the child process does now.

    Attributes:
        kind: ``preview``, ``run`` or ``rank``.
        stage: of the scan that it is at, ``look``, or ``paused``.
        fraction: of the whole; None: not known.
        secondsLeft: None where little is known.
        place, of: which scan it is at, counted from 1; 0: none yet.
        pausing: a person holds it.
        cancelling: a person has ended it.
    """

    kind: str
    stage: str = "start"
    fraction: float | None = None
    secondsLeft: float | None = None
    place: int = 0
    of: int = 0
    pausing: bool = False
    cancelling: bool = False


@dataclass(frozen=True)
class BatchState:
    """All that the page shows.

    Attributes:
        source: ``DATABASE``, ``SELECTION`` in it, or ``FOLDER``.
        path: of it; empty: there is none.
        out: folder of the results.
        model: None: none is chosen.
        rules: which of the scans; a file of rules is the last one.
        work: None: nothing goes on.
        showing: a scan is on its way into the scene.
        cases: of the source, as they were told last.
        chosen: the case that was clicked.
        needs: of those that are to run, see ``Foresight``; None: not looked at.
        report, segments: paths of the page and of the table; empty: there are none.
        problem: why the last work failed.
        done: what it made, in words.
        stored: how many results went into the DICOM database.
        notStored: why one did not.
    """

    source: str = DATABASE
    path: str = ""
    out: str = ""
    model: Offered | None = None
    rules: tuple[str, ...] = ()
    work: Work | None = None
    showing: bool = False
    cases: tuple[Case, ...] = ()
    chosen: str = ""
    needs: Mapping[str, Any] | None = None
    report: str = ""
    segments: str = ""
    problem: str = ""
    done: str = ""
    stored: int = 0
    notStored: str = ""

    def with_(self, **changes: Any) -> BatchState:
        """The state after a change."""
        return replace(self, **changes)

    @property
    def case(self) -> Case | None:
        """The one that was clicked."""
        return next((case for case in self.cases if case.scan == self.chosen), None)


def rules(modality: str, thickness: str, description: str, onlyThinnest: bool) -> tuple[str, ...]:
    """The person's choices as rules of a batch.

    Args:
        modality: empty: any.
        thickness: mm, a number or a range, ``1..3``; empty: any.
        description: a text that the series' description has in it; empty: any.
        onlyThinnest: of each study.
    """
    lines = [f"modality = {modality}"] if modality else []
    if thickness.strip():
        lines.append(f"thickness = {thickness.strip()}")
    if description.strip():
        literal = _SPECIAL.sub(r"\\\g<0>", description.strip())
        lines.append(f"description ~ {literal}")
    if onlyThinnest:
        lines.append("keep = thinnest per study")
    return tuple(lines)


def reasonNotToRun(state: BatchState) -> str:
    """What is missing; empty: nothing is."""
    model = state.model
    if model is None:
        return _("Choose a model on the page Segment.")
    if model.problem:
        return _("This model cannot be opened: {problem}").format(problem=model.problem)
    if len(model.inputs) > 1:
        return _("This model takes {n} volumes; a batch gives it one at a time.").format(n=len(model.inputs))
    if looksAroundPoints(model):
        return _("This model looks around points, which a batch does not have.")
    if not state.path:
        if state.source == FOLDER:
            return _("Choose the folder with the scans.")
        return _("Slicer has no DICOM database open.")
    if not state.out:
        return _("Choose the folder for the results.")
    return ""


def modelLine(state: BatchState) -> str:
    """Which model it will be."""
    if state.model is None:
        return _("None: choose one on the page Segment")
    return state.model.title or state.model.name


def previewButton(state: BatchState) -> Button:
    """Preview, or Cancel while it goes on."""
    if state.work is not None and state.work.kind == "preview":
        return Button(_("Cancel"), not state.work.cancelling, _("Ends the preview."))
    reason = reasonNotToRun(state) or _whileWorking(state)
    about = _("Lists what will run, what is left out and why, and what it will need. Nothing is run.")
    return Button(_("Preview"), not reason, reason or about)


def startButton(state: BatchState) -> Button:
    """Start, or Cancel while it goes on."""
    if state.work is not None and state.work.kind == "run":
        return Button(
            _("Cancel"), not state.work.cancelling, _("Ends the batch. What is done stays done; Start goes on.")
        )
    reason = reasonNotToRun(state) or _whileWorking(state)
    about = _(
        "Segments all chosen scans in a process of its own; Slicer can be used meanwhile. "
        "What was done before is not done again."
    )
    return Button(_("Start"), not reason, reason or about)


def rankButton(state: BatchState) -> Button:
    """Rank, or Cancel while it goes on."""
    if state.work is not None and state.work.kind == "rank":
        return Button(
            _("Cancel"), not state.work.cancelling, _("Ends the measurement. What is measured is kept; Rank goes on.")
        )
    reason = reasonNotToRun(state) or _whileWorking(state)
    if not reason and state.model is not None and state.model.origin == "trusted":
        reason = _("How sure this model is cannot be measured: it runs code of its own.")
    about = _(
        "Puts the scans first of which the model is least sure: to correct them teaches it most. Nothing is segmented."
    )
    return Button(_("Rank"), not reason, reason or about)


def ranked(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The least sure first; those that were not measured last, in their order."""
    return tuple(sorted(cases, key=lambda case: (case.disagreement is None, -(case.disagreement or 0.0))))


def pauseButton(state: BatchState) -> Button:
    """Pause, or Go on."""
    work = state.work
    if work is None or work.kind == "preview":
        return Button(_("Pause"), False, _("No batch runs."))
    if work.pausing:
        return Button(_("Go on"), not work.cancelling, _("Ends the pause."))
    return Button(_("Pause"), not work.cancelling, _("Begins no further scan until you let it go on."))


def tableButton(state: BatchState) -> Button:
    """The segments' table."""
    reason = "" if state.segments else _("There are no results yet.")
    return Button(_("Table of segments"), not reason, reason or _("Shows the volumes of all segments of all scans."))


def reportButton(state: BatchState) -> Button:
    """The page with everything."""
    reason = "" if state.report else _("There is no report yet.")
    return Button(
        _("Open report"), not reason, reason or _("Opens the report in the browser: outliers first, then every scan.")
    )


def _whileWorking(state: BatchState) -> str:
    return "" if state.work is None else _("Wait until it is done, or cancel it.")


def stateWord(case: Case) -> str:
    """A case's state, as a person reads it."""
    words = {
        RUNS: _("To run"),
        LEFT_OUT: _("Left out"),
        STARTED: _("Running"),
        DONE: _("Done"),
        WARNED: _("Done, warnings"),
        SKIPPED: _("Skipped"),
        REFUSED: _("Refused"),
        FAILED: _("Failed"),
    }
    word = words.get(case.state, case.state)
    return f"{word}: {case.code}" if case.code else word


def row(case: Case) -> tuple[str, str, str, str, str]:
    """A case in the table: scan, slices, mm, state, nats."""
    thickness = "" if case.thickness is None else f"{case.thickness:.3g}"
    unsure = "" if case.disagreement is None else f"{case.disagreement:.4f}"
    return case.name, str(case.slices or ""), thickness, stateWord(case), unsure


def details(case: Case | None) -> str:
    """Why a case ended as it did, and what can be done."""
    if case is None:
        return ""
    if case.disagreement is not None and not case.hasResult:
        text = _("Mean disagreement of the model's passes: {nats:.4f} nats. A click opens it, for the page Correct.")
        return text.format(nats=case.disagreement)
    if case.why:
        return f"{stateWord(case)}. {case.why}"
    if case.code in Code.__members__:
        explained = EXPLANATIONS[Code(case.code)]
        return f"{stateWord(case)}. {explained.meaning} {remedy(Code(case.code), explained.remedy)}".rstrip()
    return f"{stateWord(case)}."


def statusLine(state: BatchState) -> str:
    """What goes on, or how the last work ended."""
    work = state.work
    if work is None:
        lines = [state.problem or state.done]
        if state.stored:
            lines.append(_("New in the DICOM database: {n}.").format(n=state.stored))
        return "\n".join([line for line in (*lines, state.notStored) if line])
    if work.cancelling:
        return _("Cancelling ...")
    if work.stage == "paused":
        return _("Paused.")
    if work.stage == "look":
        return _("Looking at the source ...")
    if not work.of:
        return _("Starting ...")
    where = _("Scan {n} of {of}").format(n=work.place, of=work.of)
    stage = wording.progress(work.stage, work.secondsLeft)
    if work.pausing:
        return _("{where}: {stage}. The pause begins after it.").format(where=where, stage=wording.stage(work.stage))
    return f"{where}: {stage}"


def needsLine(todo: int, needs: Mapping[str, Any] | None) -> str:
    """What a batch will need: ``12 scans to run, about 20 min, 3.1 GB of memory, 40 MB of results``."""
    if not todo:
        return _("Nothing is to be done.")
    parts = [_("1 scan to run") if todo == 1 else _("{n} scans to run").format(n=todo)]
    if needs is not None and needs["unknown"] < needs["scans"]:
        if needs["seconds"] is not None:
            parts.append(_("about {time}").format(time=wording.duration(needs["seconds"])))
        parts.append(_("{size} of memory").format(size=wording.size(needs["memory"])))
        parts.append(_("about {size} of results").format(size=wording.size(needs["disk"])))
    return ", ".join(parts) + "."


def rankedLine(counts: Mapping[str, int]) -> str:
    """How a ranking ended."""
    lines = (
        [_("Ranked: {n}. The first scan is the one that teaches most.").format(n=counts[DONE])]
        if counts.get(DONE)
        else []
    )
    rest = {state: n for state, n in counts.items() if state != DONE}
    return " ".join((*lines, *([countsLine(rest)] if rest or not lines else [])))


def countsLine(counts: Mapping[str, int]) -> str:
    """How a batch ended: ``Done: 3. Refused: 1.``."""
    words = {
        DONE: _("Done: {n}."),
        WARNED: _("Done, with warnings: {n}."),
        SKIPPED: _("Skipped: {n}."),
        REFUSED: _("Refused: {n}."),
        FAILED: _("Failed: {n}."),
    }
    return " ".join(text.format(n=counts[key]) for key, text in words.items() if counts.get(key)) or _(
        "Nothing was to be done."
    )
