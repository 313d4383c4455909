"""What a person's clicks on the page of batches lead to, and what the child process tells. No Qt, no scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from MedDLCore.batch.service import BatchJob, ShowJob
from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.messages import Event

from . import batch_state
from .batch_state import LEFT_OUT, SELECTION, STARTED, BatchState, Case, Work
from .remedies import said
from .translation import _

OnParts = Callable[[Case | None, Mapping[str, Any]], None]
OnStored = Callable[[str, str], None]


class Asked(Protocol):
    """The child process, as the workflow needs it."""

    def ask(self, kind: str, job: Any, onEvent: Callable[[Event], None]) -> object:
        """Asks for something; ``job`` is a dataclass, or None."""
        ...

    def cancel(self, request: object) -> None:
        """Ends it early."""
        ...


class BatchWorkflow:
    """One batch at a time.

    Attributes:
        state: what is shown.
    """

    def __init__(self, child: Asked, onChange: Callable[[], None], onStored: OnStored) -> None:
        """``onChange``: the state is another. ``onStored``: a DICOM SEG was made, its path and its instance."""
        self._child, self._onChange, self._onStored = child, onChange, onStored
        self._request: object = None
        self._told: list[Case] = []
        self._shows = 0
        self.state = BatchState()

    def choose(self, **changes: Any) -> None:
        """Another source, folder or model; what was told of the cases was of the old one."""
        if any(getattr(self.state, name) != value for name, value in changes.items()):
            self.state = self.state.with_(**changes)
            if self.state.work is None:
                self.forget()
            else:
                self._onChange()

    def forget(self) -> None:
        """What was told of other choices."""
        if self.state.work is None:
            nothing = BatchState()
            same = ("source", "path", "out", "model", "rules", "showing")
            self._update(**{**vars(nothing), **{name: getattr(self.state, name) for name in same}})

    def preview(self, job: BatchJob) -> None:
        """Preview, or Cancel."""
        if self.state.work is not None:
            self.cancel()
        else:
            self._begin("preview", job)

    def start(self, job: BatchJob) -> None:
        """Start, or Cancel."""
        if self.state.work is not None:
            self.cancel()
        else:
            self._begin("run", job)

    def rank(self, job: BatchJob) -> None:
        """Rank, or Cancel."""
        if self.state.work is not None:
            self.cancel()
        elif batch_state.rankButton(self.state).enabled:
            self._begin("rank", job)

    def pause(self) -> None:
        """Holds the batch, or lets it go on."""
        work = self.state.work
        if work is not None and work.kind != "preview":
            self._child.ask("go_on" if work.pausing else "pause", None, lambda _event: None)
            self._work(pausing=not work.pausing)

    def cancel(self) -> None:
        """Ends what goes on."""
        if self.state.work is not None and not self.state.work.cancelling:
            self._work(cancelling=True)
            self._child.cancel(self._request)

    def click(self, scan: str, onParts: OnParts | None) -> None:
        """Shows what became of a case; one that can be opened is given to ``onParts``, if somebody wants it.

        With None instead of the case where the scene was closed meanwhile: then its voxels are for nobody.
        """
        self._update(chosen=scan)
        case = self.state.case
        if onParts is None or case is None or not case.canBeOpened or self.state.showing:
            return
        self._shows += 1
        asked = self._shows
        self._update(showing=True)

        def tell(event: Event) -> None:
            isWanted = asked == self._shows
            if event.is_end and isWanted:
                self._update(showing=False)
            if event.kind == "error" and isWanted:
                self._update(problem=said(event.error))
            elif event.kind == "result":
                onParts(case if isWanted else None, event.data)

        self._child.ask("show", ShowJob(scan, alone=not case.hasResult), tell)

    def sceneClosed(self) -> None:
        """What is on its way is not for the next scene."""
        self._shows += 1
        self._update(showing=False)

    def stored(self, instances: int) -> None:
        """So many results are in the database, which were not."""
        self._update(stored=instances)

    def notStored(self, error: MedDLError) -> None:
        """One could not be put there."""
        self._update(notStored=said(error))

    def refused(self, error: MedDLError) -> None:
        """What a click asked for cannot be done."""
        self._update(problem=said(error))

    def _begin(self, kind: str, job: BatchJob) -> None:
        if batch_state.reasonNotToRun(self.state):
            return
        if self.state.source == SELECTION and not job.series:
            self._update(problem=_("Nothing is selected: select patients, studies or series in the module DICOM."))
            return
        self._told = []
        if kind == "run":
            self._update(report="", segments="")  # those of an earlier run will be replaced
        self._update(work=Work(kind), cases=(), needs=None, problem="", done="", stored=0, notStored="")
        self._request = self._child.ask(kind, job, self._heard)

    def _heard(self, event: Event) -> None:
        data = event.data
        if event.kind == "choice":
            self._told.append(_case(data))
            return
        if self._told:
            cases, self._told = (*self.state.cases, *self._told), []
            self._update(cases=cases)
        ranks = self.state.work is not None and self.state.work.kind == "rank"
        if event.kind == "begins":
            if not ranks:
                self._change(data["scan"], state=STARTED)
            self._work(stage="read", place=data["place"], of=data["of"])
        elif event.kind == "progress":
            fraction = self.state.work.fraction if self.state.work is not None else None
            self._work(
                stage=data["stage"],
                fraction=fraction if data["fraction"] is None else data["fraction"],
                secondsLeft=data["seconds_left"],
            )
        elif event.kind == "ranked":
            self._change(data["scan"], disagreement=data["disagreement"])
        elif event.kind == "ended" and ranks and data["state"] == batch_state.DONE:
            pass  # measured, which is no state of a batch
        elif event.kind == "ended":
            self._change(data["scan"], state=data["state"], code=data["code"], why=_why(data))
        elif event.kind == "stored":
            self._onStored(data["path"], data["instance"])
        elif event.kind == "error":
            self._failed(event.error)
        elif event.kind == "result":
            self._ended(data)

    def _ended(self, data: Mapping[str, Any]) -> None:
        kind = self.state.work.kind if self.state.work is not None else ""
        if kind == "preview":
            self._update(work=None, needs=data["needs"], done=batch_state.needsLine(data["to_do"], data["needs"]))
        elif kind == "rank":
            cases = batch_state.ranked(self.state.cases)
            self._update(work=None, cases=cases, done=batch_state.rankedLine(data["counts"]))
        else:
            counts = batch_state.countsLine(data["counts"])
            self._update(work=None, done=counts, report=data["report"], segments=data["segments"])

    def _failed(self, error: MedDLError) -> None:
        kind = self.state.work.kind if self.state.work is not None else ""
        cases = tuple(replace(case, state="runs") if case.state == STARTED else case for case in self.state.cases)
        if error.code is not Code.CANCELLED:
            self._update(work=None, cases=cases, problem=said(error))
        elif kind == "run":
            self._update(work=None, cases=cases, done=_("Cancelled. What is done stays done; Start goes on."))
        elif kind == "rank":
            done = _("Cancelled. What is measured is kept; Rank goes on.")
            self._update(work=None, cases=batch_state.ranked(cases), done=done)
        else:
            self._update(work=None, cases=cases, done=_("Cancelled."))

    def _change(self, scan: str, **changes: Any) -> None:
        self._update(cases=tuple(replace(case, **changes) if case.scan == scan else case for case in self.state.cases))

    def _work(self, **changes: Any) -> None:
        if self.state.work is not None:
            self._update(work=replace(self.state.work, **changes))

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._onChange()


def _case(data: Mapping[str, Any]) -> Case:
    name = " ".join(part for part in (data["modality"], data["description"] or data["name"]) if part)
    reason = str(data["reason"]) if data["state"] == LEFT_OUT else ""
    why = f"{reason[:1].upper()}{reason[1:]}." if reason else ""
    return Case(data["scan"], name or data["scan"], data["slices"], data["thickness"], data["state"], data["code"], why)


def _why(data: Mapping[str, Any]) -> str:
    """What a scan's end tells, in words."""
    if data["message"]:
        code = next((code for code in Code if code.value == data["code"]), None)
        return data["message"] if code is None else said(MedDLError(code, data["message"], data["hint"]))
    return "\n".join(dict.fromkeys(str(notice["message"]) for notice in data["notices"]))
