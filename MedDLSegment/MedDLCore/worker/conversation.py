"""One side of the talk with a worker, whoever moves the bytes.

Give ``receive`` what the worker writes, write to it what ``request`` and ``cancel`` return, and look at ``overdue``
from time to time. There is no thread and no process here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ..errors import Code, MedDLError
from ..plain_data import to_plain
from .messages import LONGEST_LINE, VERSION, Asked, Event, Kind, read_event, to_line

CANCEL_SECONDS = 3.0
"""How long a worker may take to heed a cancel."""

SILENT_SECONDS = 60.0
"""How long it may say nothing at all."""

IDLE_SECONDS = 600.0
"""How long it may have something to do, and neither tell progress nor use the CPU."""

IDLE_CPU = 0.5
"""CPU-seconds between two heartbeats of which less is not work: the heartbeat itself costs something."""

OUT_OF_MEMORY = -9
"""Exit status of a process that the system has killed, as Linux does when memory runs out."""


class Conversation:
    """What was asked, and what came back.

    Attributes:
        hello: what the worker first said of itself; None: nothing yet.
        ready: what it said once its libraries were there; None: they are not.
        waiting: ids of the requests that have not ended, the oldest first.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Takes a clock."""
        self._now = now
        self._buffer = b""
        self._next = 1
        self._cancelled: dict[int, float] = {}
        self._heard = self._worked = now()
        self._cpu = 0.0
        self.hello: Mapping[str, Any] | None = None
        self.ready: Mapping[str, Any] | None = None
        self.waiting: list[int] = []

    @property
    def folder(self) -> str:
        """The worker's private folder, for voxels; it is there from ``hello`` on."""
        if self.hello is None:
            raise ValueError("the worker has not said hello")
        return str(self.hello["folder"])

    @property
    def pid(self) -> int | None:
        """The worker's own, which a launcher's is not; None before ``hello``."""
        return None if self.hello is None else int(self.hello["pid"])

    def request(self, kind: Kind, job: Asked | None = None) -> tuple[int, bytes]:
        """A request: its id, and the line to send."""
        number = self._next
        self._next += 1
        if not self.waiting:
            self._worked = self._now()
        self.waiting.append(number)
        message: dict[str, Any] = {"request": kind, "id": number}
        if job is not None:
            message["job"] = to_plain(asdict(job))
        return number, to_line(message)

    def cancel(self, number: int) -> bytes:
        """The line that cancels a request. It then ends in an error CANCELLED, or, if it was just done, in a result."""
        if number in self.waiting:
            self._cancelled.setdefault(number, self._now())
        own = self._next
        self._next += 1
        return to_line({"request": "cancel", "id": own, "which": number})

    def receive(self, data: bytes) -> list[Event]:
        """What a piece of the worker's output says. Lines that are no events, and answers to cancelling, are left out.

        Raises:
            MedDLError: WORKER_LOST where it speaks another language.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LONGEST_LINE:
            self._buffer = b""
        self._heard = self._now()
        events = [event for line in lines if (event := read_event(line)) is not None]
        return [event for event in events if self._note(event)]

    def _note(self, event: Event) -> bool:
        if event.kind == "hello":
            if event.data.get("version") != VERSION:
                raise MedDLError(
                    Code.WORKER_LOST,
                    "The worker belongs to another version of MedDL.",
                    "Let both come from one installation: update the Python that runs the worker.",
                )
            self.hello = event.data
        elif event.kind == "ready":
            self.ready = event.data
        elif event.kind == "heartbeat":
            cpu = float(event.data.get("cpu_seconds", 0.0))
            if cpu - self._cpu >= IDLE_CPU:
                self._worked = self._now()
            self._cpu = cpu
        elif event.kind == "progress":
            self._worked = self._now()
        if event.is_end:
            if event.id not in self.waiting:
                return False
            self.waiting.remove(event.id)
            self._cancelled.pop(event.id, None)
            self._worked = self._now()
        return True

    def overdue(self) -> MedDLError | None:
        """Why the worker must be ended; None: it need not."""
        now = self._now()
        if any(now - since > CANCEL_SECONDS for since in self._cancelled.values()):
            return MedDLError(Code.CANCELLED, "Cancelled. The worker did not stop in time and was ended.")
        if self.waiting and self.hello is not None and now - self._heard > SILENT_SECONDS:
            return MedDLError(Code.WORKER_STALLED, f"The worker has said nothing for {SILENT_SECONDS:.0f} s.")
        if self.waiting and now - self._worked > IDLE_SECONDS:
            return MedDLError(
                Code.WORKER_STALLED, f"The worker has neither progressed nor computed for {IDLE_SECONDS / 60:.0f} min."
            )
        return None

    def ended(self, status: int | None, because: MedDLError | None = None) -> list[Event]:
        """What the end of the process means for the requests that wait: an error for each.

        Args:
            status: its exit status, as ``subprocess`` gives it; None: it could not be started.
            because: why it was ended, where it was.
        """
        error = because or _why(status)
        data = {"code": error.code.value, "message": error.message, "hint": error.hint}
        events = [
            Event("error", number, {**data, "code": Code.CANCELLED.value, "message": "Cancelled."})
            if number in self._cancelled
            else Event("error", number, data)
            for number in self.waiting
        ]
        self.waiting, self._cancelled = [], {}
        self.hello = self.ready = None
        return events


def _why(status: int | None) -> MedDLError:
    if status is None:
        return MedDLError(Code.WORKER_LOST, "The worker could not be started.")
    if status == OUT_OF_MEMORY:
        return MedDLError(
            Code.NO_MEMORY, "The system has killed the worker: most likely the machine's memory ran out.", ""
        )
    return MedDLError(Code.WORKER_LOST, f"The worker ended before its answer (status {status}).")
