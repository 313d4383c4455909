"""One run, from nodes of the scene to nodes of the scene. The worker computes; here is what happens around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MedDLCore.errors import Code, MedDLError, Notice
from MedDLCore.worker.messages import Event, Job

from .handover import Handover
from .panel_state import Run
from .translation import _
from .worker_process import Request, WorkerProcess


@dataclass(frozen=True)
class Choice:
    """What is to be run on what.

    Attributes:
        model: a name or a folder.
        volumes: nodes, one for each input of the model.
        structures: names of what to find; empty: all.
        region: a ``vtkMRMLMarkupsROINode``; None: the whole volume.
        points: a ``vtkMRMLMarkupsFiducialNode``, for a model that looks around points; None: no points.
        segmentation: the node that gets the result; None: a new one.
        device: ``auto``, ``cpu``, ``cuda:0``, ``mps``.
        threads: on the CPU; 0: all cores.
        cropBody: leave the air around the patient out.
        wholeSequence: the first volume shows an item of a sequence, and all of its items are wanted.
    """

    model: str
    volumes: tuple[Any, ...]
    structures: tuple[str, ...] = ()
    region: Any = None
    points: Any = None
    segmentation: Any = None
    device: str = "auto"
    threads: int = 0
    cropBody: bool = False
    wholeSequence: bool = False

    def job(self, folder: Path, handover: Handover) -> tuple[Job, tuple[Notice, ...]]:
        """The job for the worker, whose volumes are in its folder then, and what is to be known of them.

        Raises:
            MedDLError: as ``Handover.give``, ``boxOfRegion`` and ``pointsOfMarkups``.
        """
        from MedDLScene.points import pointsOfMarkups
        from MedDLScene.region import boxOfRegion

        region = None if self.region is None else boxOfRegion(self.region)
        points = () if self.points is None else pointsOfMarkups(self.points)
        given = [handover.give(volume, folder) for volume in self.volumes]
        job = Job(
            self.model,
            tuple(each.scan for each in given),
            self.structures,
            region,
            crop_body=self.cropBody,
            points=points,
            device=self.device,
            threads=self.threads or None,
        )
        return job, tuple(notice for each in given for notice in each.notices)


@dataclass(eq=False)
class SegmentRun:
    """A run that was started.

    Attributes:
        choice: what was asked for.
        progress: how far it is; None: it has ended.
        segmentation: what it made; None: not yet, or nothing.
        error: why it made nothing.
        notices: warnings so far.
        statistics: of the result, a row for each structure.
    """

    choice: Choice
    worker: WorkerProcess
    handover: Handover
    scene: Any
    onChange: Callable[[SegmentRun], None] = lambda _: None
    progress: Run | None = field(default_factory=Run)
    segmentation: Any = None
    error: MedDLError | None = None
    notices: tuple[Notice, ...] = ()
    statistics: Sequence[Mapping[str, Any]] = ()
    _request: Request | None = None
    _because: MedDLError | None = None
    _observed: list[int] = field(default_factory=list)

    def start(self) -> SegmentRun:
        """Asks the worker."""
        removed, closing = self.scene.NodeRemovedEvent, self.scene.StartCloseEvent
        self._observed = [
            self.scene.AddObserver(removed, self._nodeRemoved),
            self.scene.AddObserver(closing, self._sceneCloses),
        ]
        self._request = self.worker.submit(Request("segment", self._job, self._onEvent))
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
            The segmentation node.

        Raises:
            MedDLError: why there is none.
        """
        while self.progress is not None:
            self.worker.wait(100)
        if self.error is not None:
            raise self.error
        return self.segmentation

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

    def _take(self, event: Event) -> MedDLError | None:
        """Puts the result into the scene."""
        from MedDLCore.worker.arrays import take_label_map
        from MedDLScene.result_nodes import resultToScene

        data, chosen = event.data, self.choice.segmentation
        if chosen is not None and chosen.GetScene() is None:
            chosen = None  # it was removed meanwhile: the result is worth a new one
        try:
            found = take_label_map(data["label_map"], self.worker.folder)
            self.statistics = data["statistics"]
            self.segmentation = resultToScene(
                found, self.statistics, data["manifest"], self.choice.volumes[0], self.scene, chosen
            )
        except MedDLError as error:
            return error
        finally:
            (self.worker.folder / data["label_map"]["array"]).unlink(missing_ok=True)
        return None

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
