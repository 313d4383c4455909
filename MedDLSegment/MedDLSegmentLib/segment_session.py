"""The worker of this Slicer, and what was asked of it: the part of the module that knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedDLCore.errors import MedDLError, Notice
from MedDLCore.worker.messages import Event, Job, Scan

from .handover import Handover
from .model_errands import ModelErrands
from .offered_models import readOffered
from .segment_run import Choice, SegmentRun
from .worker_process import Request, WorkerProcess, interpreter

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

    from .click_session import Answers, ClickSession
    from .sequence_run import SequenceRun
    from .uncertainty_run import UncertaintyRun

    AnyRun = SegmentRun | SequenceRun | UncertaintyRun

OnModels = Callable[[tuple["Offered", ...]], None]
OnPlan = Callable[[Mapping[str, Any], tuple[Notice, ...]], None]
OnError = Callable[[MedDLError], None]


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
        self._clicks: list[ClickSession] = []

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
        from .sequence_run import SequenceRun

        self.dropPlan()
        return self._begin(SequenceRun if choice.wholeSequence else SegmentRun, choice, onChange)

    def measure(self, choice: Choice, onChange: Callable[[UncertaintyRun], None] = lambda _: None) -> UncertaintyRun:
        """Starts to measure how sure a model is of each voxel."""
        from .uncertainty_run import UncertaintyRun

        return self._begin(UncertaintyRun, choice, onChange)

    def _begin(self, kind: type[AnyRun], choice: Choice, onChange: Callable[[Any], None]) -> Any:
        run = kind(choice, self.worker, self._handover, self._scene, onChange)
        self._forgetRuns()
        self._runs.append(run)
        return run.start()

    def _forgetRuns(self) -> None:
        """Those that have ended: they keep their nodes alive."""
        self._runs = [run for run in self._runs if run.progress is not None]

    def correct(
        self,
        model: str,
        volumes: Sequence[Any],
        segmentation: Any,
        device: str = "auto",
        threads: int = 0,
        onChange: Callable[[ClickSession], None] = lambda _: None,
        editor: Any = None,
    ) -> ClickSession:
        """Begins to correct a segmentation by clicks.

        Args:
            model: that listens to clicks; empty: segments grow from clicks and strokes, by grow-cut.
            volumes: nodes, one for each input of the model.
            segmentation: the node that is corrected; its segments are the structures of the same names.
            device: see ``Choice``.
            threads: see ``Choice``.
            onChange: told of every change.
            editor: what puts voxels into the segmentation, see ``segment_edit.Editor``; None: one of its own, with an
                undo of its own.
        """
        from MedDLScene.segment_editor import SegmentEditor
        from MedDLScene.segmentation_node import placeOnVolume

        from .click_answers import ModelAnswers
        from .click_session import ClickSession
        from .grow_answers import GrowCutAnswers

        if segmentation.GetSegmentation().GetNumberOfSegments() == 0:
            placeOnVolume(segmentation, volumes[0])
        if segmentation.GetDisplayNode() is None:
            segmentation.CreateDefaultDisplayNodes()
        answers: Answers = (
            ModelAnswers(self.worker, self._handover, model, volumes, segmentation, device, threads)
            if model
            else GrowCutAnswers(volumes[0], segmentation)
        )
        made = ClickSession(editor or SegmentEditor(segmentation, volumes[0]), answers, tuple(volumes), onChange)
        self._clicks = [other for other in self._clicks if not other.isClosed]
        self._clicks.append(made)
        return made

    def handOver(
        self, volumes: Sequence[Any], segmentation: Any, folder: Path
    ) -> tuple[tuple[Scan, ...], Mapping[str, Any]]:
        """Volumes and a segmentation's label map on the grid of the first, in the worker's folder.

        Raises:
            MedDLError: as ``Handover.give``, ``labelMapFromSegmentationNode`` and ``give_label_map``.
        """
        from MedDLCore.worker.arrays import give_label_map
        from MedDLScene.segmentation_node import labelMapFromSegmentationNode

        scans = tuple(self._handover.give(volume, folder).scan for volume in volumes)
        return scans, give_label_map(labelMapFromSegmentationNode(segmentation, volumes[0]), folder)

    def sceneClosed(self) -> None:
        """Forgets what lay in the scene; runs have cancelled themselves."""
        self.dropPlan()
        self._endCorrections()
        self._forgetRuns()
        self._handover.forget()

    def _endCorrections(self) -> None:
        clicks, self._clicks = self._clicks, []
        for made in clicks:
            made.close()

    def close(self) -> None:
        """Ends the worker and everything that waits for it."""
        self._endCorrections()
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
