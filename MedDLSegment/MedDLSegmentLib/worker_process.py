"""The worker as a ``QProcess``: bytes and signals, no thread. ``Conversation`` knows what they mean.

PythonQt gives and takes ``bytes`` for ``QByteArray`` arguments, and a ``QByteArray`` for what is read, as PySide6 does;
an ``int`` for enumerations, which PySide6 does not.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qt

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.conversation import Conversation
from MedDLCore.worker.messages import Asked, Event, Kind
from MedDLCore.worker.process import end_group, worker_command, worker_environment

LOOK_MILLISECONDS = 200
"""How often is looked whether the worker is overdue."""

START_LOOKS = 300
"""So many looks it may take to say hello, on a busy machine with a cold disk."""

END_MILLISECONDS = 80
"""How long is waited for a process that has been killed: Slicer's window stands still meanwhile."""

NEVER_SENT = 0
"""The id of a request that the worker has not seen."""

OnEvent = Callable[[Event], None]
MakeJob = Callable[[Path], Asked | None]


@dataclass(eq=False)
class Request:
    """A request, from the moment it is asked for.

    Attributes:
        kind: see ``MedDLCore.worker.messages``.
        makeJob: gives the job, once the worker's private folder is there; voxels are written into it.
        onEvent: told of every event that answers it; a ``result`` or an ``error`` is the last.
        number: its id; None: not sent yet.
    """

    kind: Kind
    makeJob: MakeJob
    onEvent: OnEvent
    number: int | None = field(default=None)


class WorkerProcess:
    """A worker that is started when it is needed, and again when it has ended. ``close`` ends it."""

    def __init__(
        self,
        python: str | Path,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        onReady: Callable[[Mapping[str, Any]], None] | None = None,
        command: Callable[[str | Path], list[str]] = worker_command,
    ) -> None:
        """Starts nothing yet.

        Args:
            python: the interpreter.
            environment: in which it is started; this process's own if None.
            log: where what it prints is written; None: nowhere.
            onReady: told what a worker says of the machine, whenever one has its libraries: see ``messages``.
            command: what starts a worker with an interpreter: another one has other requests.
        """
        self._command = command(python)
        self._environment = worker_environment(environment)
        self._log = log
        self._onReady = onReady
        self._process: qt.QProcess | None = None
        self._last: qt.QProcess | None = None
        self._conversation = Conversation()
        self._unsent: list[Request] = []
        self._sent: dict[int, Request] = {}
        self._because: MedDLError | None = None
        self._looks = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MILLISECONDS)
        self._timer.connect("timeout()", self._look)

    @property
    def pid(self) -> int | None:
        """The worker's own; None: it has not said hello."""
        return self._conversation.pid

    @property
    def isRunning(self) -> bool:
        """A process is there."""
        return self._process is not None

    @property
    def folder(self) -> Path:
        """The private folder of the worker that has said hello."""
        return Path(self._conversation.folder)

    def submit(self, request: Request) -> Request:
        """Asks for something; the worker is started where there is none."""
        self._unsent.append(request)
        if self._process is None:
            self._start()
        elif self._conversation.hello is not None:
            self._sendAll()
        return request

    def cancel(self, request: Request) -> None:
        """Ends a request early: it ends in an error CANCELLED, or, if it was just done, in its result."""
        if request in self._unsent:
            self._unsent.remove(request)
            request.onEvent(_errorEvent(MedDLError(Code.CANCELLED, "Cancelled.")))
        elif request.number in self._sent:
            self._write(self._conversation.cancel(request.number))

    def wait(self, milliseconds: int) -> None:
        """Lets events come, without Slicer's event loop: for scripts that have nothing else to do."""
        if self._process is not None:
            self._process.waitForReadyRead(milliseconds)
            self._look()

    def close(self) -> None:
        """Ends the worker and all that it started, at once. Its folder is gone; what waits ends in CANCELLED."""
        self._end(MedDLError(Code.CANCELLED, "Cancelled."))

    def _start(self) -> None:
        self._conversation, self._because, self._looks = Conversation(), None, 0
        process = qt.QProcess()
        variables = qt.QProcessEnvironment()
        for name, value in self._environment.items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.setStandardErrorFile(str(self._log) if self._log is not None else os.devnull)
        process.connect("readyReadStandardOutput()", self._read)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        self._process = process
        self._timer.start()
        process.start(self._command[0], self._command[1:])

    def _read(self) -> None:
        if self._process is None:
            return
        data = bytes(self._process.readAllStandardOutput().data())
        try:
            events = self._conversation.receive(data)
        except MedDLError as error:  # another version of MedDL
            self._end(error)
            return
        for event in events:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        if event.kind == "hello":
            self._sendAll()
        elif event.kind == "ready" and self._onReady is not None:
            self._onReady(event.data)
        elif event.kind == "error" and event.id is None:
            self._because = event.error  # it is about to end, and this is why
        request = self._sent.get(event.id) if event.id is not None else None
        if request is not None:
            if event.is_end:
                del self._sent[event.id]
            request.onEvent(event)

    def _sendAll(self) -> None:
        unsent, self._unsent = self._unsent, []
        for request in unsent:
            try:
                job = request.makeJob(self.folder)
            except MedDLError as error:
                request.onEvent(_errorEvent(error))
                continue
            request.number, line = self._conversation.request(request.kind, job)
            self._sent[request.number] = request
            self._write(line)

    def _write(self, line: bytes) -> None:
        if self._process is not None:
            self._process.write(line)

    def _look(self) -> None:
        if self._process is not None:
            self._process.waitForReadyRead(0)  # where Slicer was busy, an answer in time may not have been read yet
        if self._process is None:
            return
        self._looks += 1
        if self._conversation.hello is None and self._looks > START_LOOKS:
            self._end(MedDLError(Code.WORKER_LOST, "The worker did not start."))
        elif (overdue := self._conversation.overdue()) is not None:
            self._end(overdue)

    def _finished(self, status: int, how: object) -> None:
        if self._process is None:
            return
        self._read()
        killed = how == qt.QProcess.CrashExit and os.name == "posix"  # then Qt's status is the signal's number
        self._ended(-status if killed else status)

    def _failed(self, error: object) -> None:
        if error == qt.QProcess.FailedToStart:
            self._ended(None)

    def _end(self, because: MedDLError) -> None:
        if self._process is None:
            return
        self._because = because
        process = self._process
        process.disconnect("finished(int,QProcess::ExitStatus)", self._finished)
        end_group(self._conversation.pid or process.processId())
        process.kill()
        process.waitForFinished(END_MILLISECONDS)
        self._ended(None)

    def _ended(self, status: int | None) -> None:
        """The process is gone: so are what it started and its folder, and everything that waits is told."""
        conversation = self._conversation
        self._process, self._last = None, self._process  # it may be telling this: it must not be deleted now
        self._timer.stop()
        if conversation.hello is not None:
            end_group(conversation.pid)
            shutil.rmtree(conversation.folder, ignore_errors=True)
        unsent, self._unsent = self._unsent, []
        events = conversation.ended(status, self._because)
        error = self._because or (events[0].error if events else _lost(status))
        for event in events:
            if (request := self._sent.pop(event.id, None)) is not None:
                request.onEvent(event)
        for request in unsent:
            request.onEvent(_errorEvent(error))


def interpreter(chosen: str = "") -> tuple[str, Mapping[str, str] | None]:
    """The Python that runs the worker, and the environment in which it must be started.

    Args:
        chosen: what the person points to; empty: Slicer's own. Another interpreter than Slicer's needs the environment
            in which Slicer was started: Slicer's own would send it to Slicer's libraries.
    """
    if chosen:
        import slicer

        return chosen, slicer.util.startupEnvironment()
    return shutil.which("PythonSlicer") or sys.executable, None


def _errorEvent(error: MedDLError) -> Event:
    return Event("error", NEVER_SENT, {"code": error.code.value, "message": error.message, "hint": error.hint})


def _lost(status: int | None) -> MedDLError:
    if status is None:
        return MedDLError(Code.WORKER_LOST, "The worker could not be started.")
    return MedDLError(Code.WORKER_LOST, f"The worker ended before it could be asked (status {status}).")
