"""The worker of this Slicer, and what was asked of it: the part of the module that knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import MedDLError, Notice
from MedDLCore.worker.messages import Event, Job

from .handover import Handover
from .model_errands import ModelErrands
from .offered_models import readOffered
from .segment_run import Choice, SegmentRun
from .sequence_run import SequenceRun
from .worker_process import Request, WorkerProcess, interpreter

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

OnModels = Callable[[tuple["Offered", ...]], None]
OnPlan = Callable[[Mapping[str, Any], tuple[Notice, ...]], None]
OnError = Callable[[MedDLError], None]
AnyRun = SegmentRun | SequenceRun


class SegmentSession:
    """One worker, one run at a time; what is asked meanwhile waits.

    Attributes:
        devices: what networks can run on, the best one first; empty until the worker has told.
        memory: bytes of the machine; 0 until the worker has told.
        worker: is started when something is asked of it.
        errands: in the folder of models.
        onReady: called when ``devices`` and ``memory`` are told.
        python: the interpreter that the person chose; empty: Slicer's own.
    """

    def __init__(
        self,
        scene: Any,
        python: str = "",
        log: Path | None = None,
    ) -> None:
        """Starts nothing yet. ``python``: the interpreter that the person chose; empty: Slicer's own."""
        self.devices: tuple[str, ...] = ()
        self.memory = 0
        self.onReady: Callable[[], None] = lambda: None
        self._log = log
        self.worker = self._newWorker(python)
        self.errands = ModelErrands(lambda: WorkerProcess(*interpreter(self.python), self.logOf("models")))
        self._scene = scene
        self._handover = Handover()
        self._plan: Request | None = None
        self._runs: list[AnyRun] = []

    def logOf(self, what: str) -> Path | None:
        """Where another child process writes what it prints."""
        return None if self._log is None else self._log.with_stem(f"{self._log.stem}-{what}")

    def listModels(self, onModels: OnModels, onError: OnError) -> None:
        """The models of this machine; none of them is loaded."""

        def tell(event: Event) -> None:
            if event.kind == "error":
                onError(event.error)
            elif event.kind == "result":
                try:
                    models = readOffered(event.data["models"])
                except MedDLError as error:
                    onError(error)
                else:
                    onModels(models)

        self.worker.submit(Request("models", lambda _: None, tell))

    def plan(self, choice: Choice, onPlan: OnPlan, onError: OnError) -> None:
        """What a run of the choice will need. What was asked before is not told any more."""
        notices: list[Notice] = []

        def job(folder: Path) -> Job:
            made, found = choice.job(folder, self._handover)
            notices.extend(found)
            return made

        def tell(event: Event) -> None:
            if self._plan is not request:
                return
            if event.kind == "warning":
                notices.append(event.notice)
            elif event.kind == "result":
                self._plan = None
                onPlan(event.data, tuple(notices))
            elif event.kind == "error":
                self._plan = None
                onError(event.error)

        self.dropPlan()
        request = self._plan = Request("plan", job, tell)
        self.worker.submit(request)

    @property
    def isPlanning(self) -> bool:
        """A plan was asked for, and is not there yet."""
        return self._plan is not None

    def dropPlan(self) -> None:
        """The plan that was asked for is not wanted any more."""
        request, self._plan = self._plan, None
        if request is not None:
            self.worker.cancel(request)

    def run(self, choice: Choice, onChange: Callable[[AnyRun], None] = lambda _: None) -> AnyRun:
        """Starts a run.

        Raises:
            ValueError: all of a sequence is wanted, and the volume is of none.
        """
        self.dropPlan()
        kind = SequenceRun if choice.wholeSequence else SegmentRun
        run = kind(choice, self.worker, self._handover, self._scene, onChange)
        self._runs = [other for other in self._runs if other.progress is not None]
        self._runs.append(run)
        return run.start()

    def sceneClosed(self) -> None:
        """Forgets what lay in the scene; runs have cancelled themselves."""
        self.dropPlan()
        self._handover.forget()

    def close(self) -> None:
        """Ends the worker and everything that waits for it."""
        self.errands.close()
        self.worker.close()

    def usePython(self, python: str) -> None:
        """From now on this interpreter runs the worker; what the old one did is cancelled."""
        self.close()
        self._handover.forget()
        self.worker = self._newWorker(python)

    def _newWorker(self, python: str) -> WorkerProcess:
        self.python = python
        return WorkerProcess(*interpreter(python), self._log, self._ready)

    def _ready(self, told: Mapping[str, Any]) -> None:
        self.devices, self.memory = tuple(told.get("devices", ())), int(told.get("memory", 0))
        self.onReady()
