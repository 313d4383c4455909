"""A worker as a child of this process, by ``subprocess``. In Slicer, Qt's ``QProcess`` takes the place of this."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import Code, MedDLError
from .conversation import Conversation
from .messages import Asked, Event, Kind
from .process import end_group, worker_command, worker_environment

LOOK_SECONDS = 0.2
"""How often is looked whether the worker is overdue."""

START_SECONDS = 60.0
"""How long it may take to say hello, on a busy machine with a cold disk."""

LEAVE_SECONDS = 5.0
"""How long it may take to leave."""

OnEvent = Callable[[Event], None]


class Worker:
    """A worker that is started when it is needed, and again when it has ended. Use as a context manager, or ``close``.

    Attributes:
        conversation: with the present process.
    """

    def __init__(
        self,
        python: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            python: the interpreter; this one if None.
            environment: of the worker; this process's own if None.
            log: where what it prints is appended; None: nowhere.
        """
        self._command = worker_command() if python is None else worker_command(python)
        self._environment = worker_environment(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._output: queue.Queue[bytes | None] = queue.Queue()
        self.conversation = Conversation()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """The private folder of the worker, which is started if it does not run.

        Raises:
            MedDLError: WORKER_LOST where it does not start.
        """
        self._start()
        return Path(self.conversation.folder)

    def run(
        self,
        kind: Kind,
        job: Asked | None = None,
        on_event: OnEvent | None = None,
    ) -> Mapping[str, Any]:
        """Sends a request and waits for its result.

        Args:
            kind: see ``messages``.
            job: what is to be run on what.
            on_event: told of every event meanwhile, and of a ``waiting`` that comes a few times in a second. What it
                raises cancels the request, and is raised again when that has ended.

        Raises:
            MedDLError: what the worker refuses; CANCELLED; WORKER_LOST, WORKER_STALLED, NO_MEMORY where it ended.
        """
        self._start()
        number, line = self.conversation.request(kind, job)
        self._send(line)
        raised: BaseException | None = None
        while True:
            for event in self._events():
                try:
                    if on_event is not None and raised is None:
                        on_event(event)
                except BaseException as error:  # noqa: BLE001  it is raised below
                    raised = error
                    self._send(self.conversation.cancel(number))
                if event.id == number and event.is_end:
                    if raised is not None:
                        raise raised
                    if event.kind == "error":
                        raise event.error
                    return event.data

    def close(self) -> None:
        """Lets the worker end, and ends it where it does not. Its folder is gone afterwards."""
        if self._process is None:
            return
        process = self._process
        with suppress(OSError):
            _stream(process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE_SECONDS)
        self._end(None)

    def _start(self) -> None:
        """Starts the worker, if it does not run, and waits for its hello."""
        if self._process is not None and self._process.poll() is None and self.conversation.hello is not None:
            return
        self._end(None)
        self.conversation, self._output = Conversation(), queue.Queue()
        errors = subprocess.DEVNULL if self._log is None else os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own file, by an interpreter that the person chose
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
            )
        except OSError as error:
            raise MedDLError(Code.WORKER_LOST, f"The worker could not be started: {error.strerror}.") from error
        finally:
            if self._log is not None:
                os.close(errors)
        threading.Thread(
            target=_forward, args=(_stream(self._process.stdout), self._output), daemon=True, name="worker's output"
        ).start()
        waited = 0.0
        while self.conversation.hello is None:
            self._events()
            waited += LOOK_SECONDS
            if self._process is None or waited > START_SECONDS:
                self._end(None)
                raise MedDLError(Code.WORKER_LOST, "The worker did not start.")

    def _events(self) -> list[Event]:
        """What came in a moment; errors for all that waits where the process has ended or must be."""
        try:
            data = self._output.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            overdue = self.conversation.overdue()
            return [Event("waiting", None, {})] if overdue is None else self._end(overdue)
        return self._end(None) if data is None else self.conversation.receive(data)

    def _end(self, because: MedDLError | None) -> list[Event]:
        """Ends the process and all that it started, and its folder."""
        process, self._process = self._process, None
        if process is None:
            return []
        hello = self.conversation.hello
        if because is not None or process.poll() is None:
            try:
                process.wait(0 if because is not None else LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                end_group(self.conversation.pid or process.pid)
                process.kill()
        status = process.wait()
        end_group(self.conversation.pid or process.pid)  # what it started, and a launcher's child
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                _stream(stream).close()
        if hello is not None:
            shutil.rmtree(hello["folder"], ignore_errors=True)
        return self.conversation.ended(status, because)

    def _send(self, line: bytes) -> None:
        if self._process is None:
            return
        stdin = _stream(self._process.stdin)
        with suppress(OSError):  # it has ended, which its output tells
            stdin.write(line)
            stdin.flush()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101  it was asked for
    return stream


def _forward(stream: IO[bytes], output: queue.Queue[bytes | None]) -> None:
    with suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), 1 << 16):
            output.put(data)
    output.put(None)
