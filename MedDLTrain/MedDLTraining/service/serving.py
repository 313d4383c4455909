"""The child process's own side."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from MedDLCore.clock import OnProgress
from MedDLCore.worker.messages import HEARTBEAT_SECONDS
from MedDLCore.worker.serving import TOLD_SECONDS, Server, serve

from ..events import Control
from .jobs import JOBS, read_job

if TYPE_CHECKING:
    from .desk import Desk


def main() -> int:
    """Runs the process on its standard input and output."""
    return serve(TrainingServer)


class TrainingServer(Server):
    """Answers the requests of ``jobs``."""

    jobs = tuple(JOBS)

    def __init__(self, *channels: Any) -> None:
        """As ``Server``."""
        super().__init__(*channels)
        self.control = Control()
        self._paused = threading.Event()

    @cached_property
    def desk(self) -> Desk:
        """What is kept from one request to the next."""
        from .desk import Desk

        return Desk()

    def task(self, kind: str, job: Any, number: int) -> Mapping[str, Any]:
        """Does what was asked for."""
        from .talk import Talk
        from .tasks import TASKS

        self.control = Control()
        self._paused.clear()
        talk = Talk(number, self.progress(number), self.warning(number), self.say, self.control, self.folder)
        return TASKS[kind](read_job(kind, job), self.desk, talk)

    def at_once(self, kind: str, number: int, job: Any) -> bool:
        """``pause`` and ``go_on``; and what every worker answers at once."""
        if kind == "pause":
            self.control.pause()
            if not self._paused.is_set():
                self._paused.set()
                threading.Thread(target=self._say_paused, args=(self._current,), daemon=True, name="paused").start()
        elif kind == "go_on":
            self._paused.clear()
            self.control.go_on()
        else:
            return super().at_once(kind, number, job)
        self.say("result", number)
        return True

    def cancelled(self, number: Any) -> None:
        """A training is stopped."""
        if number == self._current:
            self._paused.clear()
            self.control.stop()

    def progress(self, number: int) -> OnProgress:
        """Each stage for itself: what comes after it is not known."""
        told: dict[str, float] = {}

        def tell(stage: str, done: int, of: int) -> None:
            self.go_on(number)
            now = time.monotonic()
            if now - told.get(stage, 0.0) > TOLD_SECONDS or done >= of:
                told[stage] = now
                self.say("progress", number, stage=stage, fraction=round(done / max(of, 1), 4), seconds_left=None)

        return tell

    def _say_paused(self, number: int | None) -> None:
        """That it computes nothing now is no sign that it hangs."""
        while self._paused.is_set():
            self.say("progress", number, stage="paused", fraction=None, seconds_left=None)
            time.sleep(HEARTBEAT_SECONDS)
