"""Scans of the open scene, given to the child process one after the other: Slicer's events come in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import qt

from MedDLCore.errors import MedDLError
from MedDLCore.worker.messages import Event

from .train_session import TrainSession

OnGiven = Callable[[tuple[str, ...], tuple[Any, ...], tuple[Any, ...]], None]


class SceneCases:
    """What in a scene can be learnt from, and its way into the child's folder.

    Attributes:
        given: IDs of the nodes that were given last, by the names of their cases.
    """

    def __init__(self, scene: Any, session: TrainSession) -> None:
        """Gives nothing yet."""
        self._scene, self._session = scene, session
        self._steps: Iterator[None] | None = None
        self._wanted = 0  # counts what was begun or ended, so that an answer to something earlier is known
        self._onProgress: Callable[[int, int], None] = lambda _done, _of: None
        self._onFailed: Callable[[MedDLError], None] = lambda _error: None
        self.given: dict[str, str] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._step)

    def annotated(self) -> Sequence[Any]:
        """``MedDLScene.annotated.AnnotatedScan`` of each scan on which something was drawn.

        Raises:
            MedDLError: as ``annotatedScans``.
        """
        from MedDLScene.annotated import annotatedScans

        return [scan for scan in annotatedScans(self._scene) if scan.isAnnotated]

    def count(self) -> int:
        """How many there are."""
        try:
            return len(self.annotated())
        except MedDLError:
            return 1  # asked to check, it says what is wrong

    def give(
        self, onGiven: OnGiven, onProgress: Callable[[int, int], None], onFailed: Callable[[MedDLError], None]
    ) -> None:
        """Gives all of them; the child is started where there is none."""
        self._onProgress, self._onFailed = onProgress, onFailed
        self._wanted += 1
        wanted = self._wanted
        onProgress(0, 1)

        def answered(event: Event) -> None:
            if wanted != self._wanted:
                return
            if event.kind == "error":
                onFailed(event.error)
            elif event.kind == "result":
                self._steps = self._giving(self._session.folder, onGiven)
                self._timer.start()

        self._session.ask("status", None, answered)

    def stop(self) -> None:
        """Gives no more."""
        self._wanted += 1
        self._timer.stop()
        self._steps = None

    def _giving(self, folder: Path, onGiven: OnGiven) -> Iterator[None]:
        from MedDLCore.worker.arrays import give_label_map, give_volume

        scans, drawn = [], []
        annotated = self.annotated()
        for n, one in enumerate(annotated):
            self._onProgress(n, len(annotated))
            yield
            scans.append(give_volume(one.volume(), folder))
            yield
            drawn.append(tuple(give_label_map(labels, folder) for labels in one.labelMaps()))
        self.given = {one.name: one.node.GetID() for one in annotated}
        onGiven(tuple(one.name for one in annotated), tuple(scans), tuple(drawn))

    def _step(self) -> None:
        if self._steps is None:
            return
        try:
            next(self._steps)
        except StopIteration:
            self.stop()
        except MedDLError as error:
            self.stop()
            self._onFailed(error)
