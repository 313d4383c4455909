"""The child process of this Slicer that trains: the part of the module that knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MedDLCore.worker.messages import Event
from MedDLSegmentLib.worker_process import Request, WorkerProcess, interpreter
from MedDLTraining.service import service_command


class TrainSession:
    """One process, started when something is asked of it.

    Attributes:
        devices: what networks can run on, the best one first; empty until the process has told.
        process: the child.
    """

    def __init__(self, python: str = "", log: Path | None = None) -> None:
        """Starts nothing yet. ``python``: the interpreter that the person chose; empty: Slicer's own."""
        command, environment = interpreter(python)
        self.devices: tuple[str, ...] = ()
        self.onDevices: Callable[[], None] = lambda: None
        self.process = WorkerProcess(command, environment, log, self._ready, service_command)

    @property
    def folder(self) -> Path:
        """The child's private folder, once it has answered something."""
        return self.process.folder

    def ask(self, kind: Any, job: Any, onEvent: Callable[[Event], None]) -> Request:
        """Asks for something: see ``MedDLTraining.service.jobs``."""
        return self.process.submit(Request(kind, lambda _folder: job, onEvent))

    def cancel(self, request: Any) -> None:
        """Ends it early."""
        self.process.cancel(request)

    def close(self) -> None:
        """Ends the child. A training in it keeps its last epoch."""
        self.process.close()

    def _ready(self, told: Mapping[str, Any]) -> None:
        self.devices = tuple(told.get("devices", ()))
        self.onDevices()
