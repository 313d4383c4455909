"""A run that ends in nodes of the scene. The worker computes; here is what happens around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.worker.messages import Event, Job, Kind

from .handover import Handover
from .panel_state import Run
from .translation import _
from .worker_process import Request, WorkerProcess

if TYPE_CHECKING:
    from .segment_run import Choice


@dataclass(eq=False)
class WorkerRun(ABC):
    """A run that was started.

    Attributes:
        kind: what is asked of the worker.
        choice: what was asked for.
        progress: how far it is; None: it has ended.
        error: why it made nothing.
        notices: warnings so far.
    """

    kind: ClassVar[Kind]
    choice: Choice
    worker: WorkerProcess
    handover: Handover
    scene: Any
    onChange: Callable[[Any], None] = lambda _: None
    progress: Run | None = field(default_factory=Run)
    error: MedDLError | None = None
    notices: tuple[Notice, ...] = ()
    _request: Request | None = None
    _because: MedDLError | None = None
    _observed: list[int] = field(default_factory=list)

    @property
    @abstractmethod
    def made(self) -> Any:
        """The node that it made; None: not yet, or none."""

    @abstractmethod
    def _take(self, event: Event) -> MedDLError | None:
        """Puts the result into the scene, or says why not."""

    def start(self) -> Any:
        """Asks the worker; the run itself."""
        removed, closing = self.scene.NodeRemovedEvent, self.scene.StartCloseEvent
        self._observed = [
            self.scene.AddObserver(removed, self._nodeRemoved),
            self.scene.AddObserver(closing, self._sceneCloses),
        ]
        self._request = self.worker.submit(Request(self.kind, self._job, self._onEvent))
        return self

    def cancel(self, because: str = "") -> None:
        """Ends it early; nothing is put into the scene."""
        if self.progress is None or self.progress.cancelling or self._request is None:
            return
        self.progress = Run(self.progress.stage, self.progress.fraction, None, cancelling=True)
        self._because = MedDLError(Code.CANCELLED, because or _("Cancelled."), _("Run it again."))
        self.onChange(self)
        self.worker.cancel(self._request)

    def wait(self) -> Any:
        """Waits for the end without Slicer's event loop, for scripts.

        Returns:
            ``made``.

        Raises:
            MedDLError: why there is none.
        """
        waitForEnd(self)
        return self.made

    def _job(self, folder: Path) -> Job:
        job, self.notices = self.choice.job(folder, self.handover)
        return job

    def _onEvent(self, event: Event) -> None:
        if self.progress is None:
            return
        if event.kind == "progress" and not self.progress.cancelling:
            data = event.data
            self.progress = Run(data["stage"], data["fraction"], data["seconds_left"])
            self.onChange(self)
        elif event.kind == "warning":
            self.notices += (event.notice,)
        elif event.kind == "error":
            self._end(self._because or event.error)
        elif event.kind == "result":
            self._end(self._because or self._take(event))

    def _end(self, error: MedDLError | None) -> None:
        for tag in self._observed:
            self.scene.RemoveObserver(tag)
        self._observed = []
        self.progress, self.error = None, error
        self.onChange(self)

    def _nodeRemoved(self, *_args: Any) -> None:
        if any(volume.GetScene() is None for volume in self.choice.volumes):
            self.cancel(_("The volume was removed: the run was cancelled."))

    def _sceneCloses(self, *_args: Any) -> None:
        self.cancel(_("The scene was closed: the run was cancelled."))


def waitForEnd(run: Any) -> None:
    """Waits for the end of a run, or of a row of them, without Slicer's event loop.

    Raises:
        MedDLError: why it made nothing.
    """
    while run.progress is not None:
        run.worker.wait(100)
    if run.error is not None:
        raise run.error
