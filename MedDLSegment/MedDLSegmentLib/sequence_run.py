"""A run over all volumes of a sequence: one ``SegmentRun`` after the other, with one result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from MedDLCore.errors import Code, MedDLError, Notice

from .handover import Handover
from .panel_state import Run, secondsLeft
from .segment_run import Choice, SegmentRun
from .translation import _
from .worker_process import WorkerProcess
from .worker_run import waitForEnd


@dataclass(eq=False)
class SequenceRun:
    """Members as those of ``SegmentRun``.

    A run that is cancelled or fails makes no node, as with one volume; a segmentation that the person had chosen then
    holds the result of the last volume that was done.
    """

    choice: Choice
    worker: WorkerProcess
    handover: Handover
    scene: Any
    onChange: Callable[[Any], None] = lambda _: None
    progress: Run | None = field(default_factory=Run)
    segmentation: Any = None
    error: MedDLError | None = None
    notices: tuple[Notice, ...] = ()
    _browsed: tuple[Any, ...] = ()
    _results: Any = None
    _made: Any = None
    _number: int = 0
    _began: float = 0.0
    _itemBegan: float = 0.0
    _run: SegmentRun | None = None
    _items: tuple[Any, ...] = ()

    def start(self) -> SequenceRun:
        """Asks for the first volume.

        Raises:
            ValueError: the first volume is of no sequence.
        """
        from MedDLScene.sequences import SegmentationSequence, browsedVolume

        self._browsed = tuple(browsedVolume(volume) for volume in self.choice.volumes)
        if self._browsed[0] is None:
            raise ValueError("the volume is of no sequence")
        self._results = SegmentationSequence(self._browsed[0])
        self.progress = Run(item=(1, self._browsed[0].count))
        self._began = time.monotonic()
        self._next()
        return self

    def cancel(self, because: str = "") -> None:
        """Ends it early."""
        if self._run is not None:
            self._run.cancel(because)

    def wait(self) -> Any:
        """Waits for the end without Slicer's event loop, for scripts.

        Returns:
            The segmentation node, which shows the item that is browsed.

        Raises:
            MedDLError: why there is none.
        """
        waitForEnd(self)
        return self.segmentation

    def _next(self) -> None:
        """The next volume; others that come from the same sequence's browser go along, the rest stay."""
        from MedDLScene.sequences import volumeOfItem

        browser = self._browsed[0].browser
        volumes = []
        for volume, browsed in zip(self.choice.volumes, self._browsed, strict=True):
            together = browsed is not None and browsed.browser is browser and self._number < browsed.count
            volumes.append(volumeOfItem(browsed, self._number) if together else volume)
        self._items = tuple(node for node in volumes if node not in self.choice.volumes)
        choice = replace(self.choice, volumes=tuple(volumes), segmentation=self._made or self.choice.segmentation)
        self._itemBegan = time.monotonic()
        self._run = SegmentRun(choice, self.worker, self.handover, self.scene, self._itemChanged)
        self._run.start()

    def _itemChanged(self, run: SegmentRun) -> None:
        count = self._browsed[0].count
        if run.progress is not None:
            fraction = (self._number + run.progress.fraction) / count
            items = (self._number + 1, count)
            taken = self._itemBegan - self._began, time.monotonic() - self._itemBegan
            left = secondsLeft(self._number, count, *taken, run.progress.secondsLeft)
            self.progress = Run(run.progress.stage, fraction, left, run.progress.cancelling, items)
            self.onChange(self)
            return
        self._removeItems()
        self.notices = tuple(dict.fromkeys((*self.notices, *run.notices)))
        error = run.error
        if error is None and not self._browsed[0].isThere:
            error = MedDLError(Code.CANCELLED, _("The sequence was removed: the run was cancelled."))
        if error is None:
            self._made = run.segmentation
            self._results.add(self._number, run.segmentation, run.statistics)
            self._number += 1
            if self._number < count:
                self._next()
                return
            self._results.show(self._made)
            self.segmentation = self._made
        else:
            self._removeResult(self._made or run.segmentation)
        self.progress, self.error = None, error
        self.onChange(self)

    def _removeResult(self, made: Any) -> None:
        """Results of some volumes are no result of the sequence. What the person had chosen stays."""
        from MedDLScene.result_nodes import statisticsTable

        if made is None or made.GetScene() is None or made is self.choice.segmentation:
            return
        for node in (statisticsTable(made), made):
            if node is not None:
                self.scene.RemoveNode(node)

    def _removeItems(self) -> None:
        items, self._items = self._items, ()
        for node in items:
            self.handover.take(node)
            if node.GetScene() is not None:
                self.scene.RemoveNode(node)
