"""Errands in the folder of models: in a worker of their own, so that ending a download ends no segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from MedDLCore.errors import MedDLError
from MedDLCore.worker.messages import Errand, Event, Kind

from .worker_process import Request, WorkerProcess

OnFraction = Callable[[float], None]
OnDone = Callable[[Mapping[str, Any]], None]
OnError = Callable[[MedDLError], None]


class ModelErrands:
    """One errand at a time. Its process is started for it, and ends with it."""

    def __init__(self, makeWorker: Callable[[], WorkerProcess]) -> None:
        """Starts nothing yet."""
        self._makeWorker = makeWorker
        self._worker: WorkerProcess | None = None
        self._request: Request | None = None

    @property
    def isRunning(self) -> bool:
        """An errand goes on."""
        return self._request is not None

    def start(self, kind: Kind, errand: Errand, onFraction: OnFraction, onDone: OnDone, onError: OnError) -> None:
        """Begins. One of ``onDone`` and ``onError`` is the last that is told.

        Raises:
            RuntimeError: another one goes on.
        """
        if self._request is not None:
            raise RuntimeError("an errand goes on")

        def tell(event: Event) -> None:
            if event.kind == "progress":
                onFraction(float(event.data["fraction"]))
            elif event.kind in ("result", "error"):
                self._request = None
                qt.QTimer.singleShot(0, self._leave)  # not from within what the process tells
                if event.kind == "error":
                    onError(event.error)
                else:
                    onDone(event.data)

        self._worker = self._worker or self._makeWorker()
        self._request = Request(kind, lambda _folder: errand, tell)
        self._worker.submit(self._request)

    def cancel(self) -> None:
        """Ends it early: within seconds it ends in an error CANCELLED, or, if it was just done, in its result."""
        if self._worker is not None and self._request is not None:
            self._worker.cancel(self._request)

    def close(self) -> None:
        """Ends it at once."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _leave(self) -> None:
        if self._request is None:
            self.close()
