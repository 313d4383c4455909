"""The child process of this Slicer that runs batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedDLCore.batch.service import service_command
from MedDLCore.worker.messages import Event

from .worker_process import Request, WorkerProcess, interpreter


class BatchChild:
    """Started when something is asked of it. Ending it ends the batch; what is done is done."""

    def __init__(self, python: str, log: Path | None = None) -> None:
        """Starts nothing yet. ``python``: the interpreter that the person chose; empty: Slicer's own."""
        self._log = log
        self._process = self._newProcess(python)

    @property
    def folder(self) -> Path:
        """The child's private folder, once it has answered something."""
        return self._process.folder

    @property
    def isRunning(self) -> bool:
        """A process is there."""
        return self._process.isRunning

    def ask(self, kind: Any, job: Any, onEvent: Callable[[Event], None]) -> Request:
        """Asks for something: see ``MedDLCore.batch.service.jobs``."""
        return self._process.submit(Request(kind, lambda _folder: job, onEvent))

    def cancel(self, request: Any) -> None:
        """Ends it early."""
        self._process.cancel(request)

    def usePython(self, python: str) -> None:
        """From now on this interpreter runs it; what the old one did is cancelled."""
        self.close()
        self._process = self._newProcess(python)

    def close(self) -> None:
        """Ends the child."""
        self._process.close()

    def _newProcess(self, python: str) -> WorkerProcess:
        return WorkerProcess(*interpreter(python), self._log, command=service_command)
