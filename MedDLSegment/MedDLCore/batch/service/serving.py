"""The child process's own side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...worker.messages import HEARTBEAT_SECONDS
from ...worker.serving import Server, end_of, serve
from ..control import Control
from .jobs import read_job

if TYPE_CHECKING:
    from .tasks import Desk


def main() -> int:
    """Runs the process on its standard input and output."""
    return serve(BatchServer)


class Attended(Control):
    """A control that says, while the batch is paused, that it is alive."""

    def __init__(self, waits: Callable[[], None]) -> None:
        """``waits`` is called now and then during a pause."""
        super().__init__()
        self._waits, self._said = waits, 0.0

    def wait(self, check: Callable[[], None]) -> None:
        """See ``Control``."""

        def look() -> None:
            check()
            if self.is_paused and time.monotonic() - self._said > HEARTBEAT_SECONDS:
                self._said = time.monotonic()
                self._waits()

        super().wait(look)


class BatchServer(Server):
    """Answers the requests of ``jobs``: a batch at a time, and ``show`` beside it."""

    jobs = ("preview", "run", "rank")

    def __init__(self, *channels: Any) -> None:
        """As ``Server``."""
        super().__init__(*channels)
        self.control: Control = Control()

    @cached_property
    def desk(self) -> Desk:
        """What is known of the scans that were told."""
        from .tasks import Desk

        return Desk()

    def task(self, kind: str, job: Any, number: int) -> Mapping[str, Any]:
        """Does what was asked for."""
        from .tasks import preview_task, rank_task, run_task
        from .telling import Teller

        def waits() -> None:
            self.say("progress", number, stage="paused", fraction=None, seconds_left=None)

        self.control = Attended(waits)
        teller = Teller(lambda kind, **data: self.say(kind, number, **data), lambda: self.go_on(number))
        work = {"preview": preview_task, "run": run_task, "rank": rank_task}[kind]
        return work(read_job(kind, job), self.desk, teller, self.control)

    def at_once(self, kind: str, number: int, job: Any) -> bool:
        """``show``, ``pause`` and ``go_on``; and what every worker answers at once."""
        if kind == "show":
            threading.Thread(target=self._show, args=(number, job), daemon=True, name=kind).start()
            return True
        if kind not in ("pause", "go_on"):
            return super().at_once(kind, number, job)
        if kind == "pause":
            self.control.pause()
        else:
            self.control.go_on()
        self.say("result", number)
        return True

    def cancelled(self, number: Any) -> None:
        """A batch is ended."""
        if number == self._current:
            self.control.cancel()

    def _show(self, number: int, job: Any) -> None:
        from .tasks import show_task

        ended, data = end_of(lambda: show_task(read_job("show", job), self.desk, self.folder))
        self.say(ended, number, **data)
