"""Scans of the open scene, given to the child process one after the other: Slicer's events come in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import qt

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.messages import Event

from .case_inputs import CaseInputs, SceneScan, casesOf, channelsOf, fromText, problemOf
from .train_session import TrainSession

OnGiven = Callable[[tuple[str, ...], tuple[Any, ...], tuple[Any, ...]], None]


class SceneCases:
    """What in a scene can be learnt from, and its way into the child's folder.

    Attributes:
        given: IDs of the nodes that were given last, of each case the first, by the names of their cases.
        channels: names of the inputs of a case; empty: one.
        choices: of volumes, see ``case_inputs.Choices``.
    """

    def __init__(self, scene: Any, session: TrainSession) -> None:
        """Gives nothing yet."""
        self._scene, self._session = scene, session
        self._steps: Iterator[None] | None = None
        self._wanted = 0  # counts what was begun or ended, so that an answer to something earlier is known
        self._onProgress: Callable[[int, int], None] = lambda _done, _of: None
        self._onFailed: Callable[[MedDLError], None] = lambda _error: None
        self.given: dict[str, str] = {}
        self.channels: tuple[str, ...] = ()
        self.choices: dict[str, dict[str, str]] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._step)

    def look(self, channels: str, choices: str) -> tuple[tuple[SceneScan, ...], tuple[CaseInputs, ...]]:
        """All scans of the scene, and the cases that they make with what the parameters say of inputs.

        Raises:
            MedDLError: as ``annotatedScans``.
        """
        self.channels, self.choices = channelsOf(channels), fromText(choices)
        scans = tuple(self._annotated())
        return scans, casesOf(scans, self.channels, self.choices)

    def _annotated(self) -> dict[SceneScan, Any]:
        """``MedDLScene.annotated.AnnotatedScan`` of each scan."""
        from MedDLScene.annotated import annotatedScans
        from MedDLScene.hierarchy import studyOf

        return {
            SceneScan(scan.node.GetID(), scan.name, studyOf(scan.node, self._scene), scan.isAnnotated): scan
            for scan in annotatedScans(self._scene)
        }

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

        annotated = self._annotated()
        cases = casesOf(tuple(annotated), self.channels, self.choices)
        if problem := problemOf(cases, self.channels):
            raise MedDLError(Code.CHANNELS_MISMATCH, problem)
        given, drawn = [], []
        for n, case in enumerate(cases):
            self._onProgress(n, len(cases))
            scans = []
            for scan in case.scans:
                yield
                scans.append(give_volume(annotated[scan].volume(), folder))
            yield
            given.append(tuple(scans))
            ofCase = dict.fromkeys((case.drawn, *case.scans))
            drawn.append(
                tuple(give_label_map(labels, folder) for scan in ofCase for labels in annotated[scan].labelMaps())
            )
        names = tuple(case.drawn.name for case in cases)
        self.given = {name: case.scans[0].id for name, case in zip(names, cases, strict=True)}
        onGiven(names, tuple(given), tuple(drawn))

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
