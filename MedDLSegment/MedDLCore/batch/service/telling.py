"""What a batch tells while it runs, as events of the child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...errors import MedDLError, Notice
from ...progress import STAGES, Whole
from ...worker.serving import TOLD_SECONDS
from ..choosing import LEFT_OUT, Choice
from ..ledger import Entry
from ..outcome import INTERNAL
from ..scan import Scan
from .jobs import RUNS


class Teller:
    """A ``Watcher`` of one batch.

    Attributes:
        on_entry: is given the entry of every scan that has ended.
    """

    def __init__(self, say: Callable[..., None], go_on: Callable[[], None]) -> None:
        """``say`` takes a kind of event and what belongs to it; ``go_on`` raises where the request was cancelled."""
        self.say, self._go_on = say, go_on
        self.on_entry: Callable[[Entry], None] = lambda _: None
        self._running: dict[str, Whole] = {}
        self._at_once, self._of, self._told = 1, 1, 0.0
        self._ended_seconds = 0.0
        self._ended = 0

    def look(self, done: int, of: int) -> None:
        """So many files of the source were looked at."""
        self._go_on()
        if self._is_time() or done >= of:
            self.say("look", done=done, of=of)
            self.say("progress", stage="look", fraction=None, seconds_left=None)

    def choice(self, choice: Choice, entry: Entry | None) -> None:
        """What becomes of a scan; ``entry``: it has ended before, and is not repeated."""
        self._go_on()
        scan, known = choice.scan, bool(choice.scan.files)
        state = RUNS if choice.runs else LEFT_OUT
        code = choice.code.value if choice.code is not None else ""
        if entry is not None:
            state, code = entry.state.value, entry.code
        self.say(
            "choice",
            scan=scan.key,
            modality=scan.modality,
            description=scan.description,
            name=scan.name,
            slices=scan.slices if known else None,
            thickness=scan.header.thickness if known else None,
            state=state,
            code=code,
            reason=choice.reason,
        )

    def begins(self, scan: Scan, number: int, of: int) -> None:
        """See ``Watcher``."""
        self._running[scan.key], self._of = Whole(), of
        self._at_once = max(self._at_once, len(self._running))
        self.say("begins", scan=scan.key, place=number, of=of)

    def progress(self, scan: Scan, stage: str, done: int, of: int) -> None:
        """See ``Watcher``. Of several scans at once, the stage is told of the one that was begun last."""
        if scan.key in self._running and stage in STAGES:
            self._running[scan.key].tell(stage, done, of)
        if scan.key == next(reversed(self._running), "") and self._is_time():
            fraction = (self._ended + self._done_of_running) / self._of
            self.say("progress", stage=stage, fraction=round(fraction, 4), seconds_left=self._left())

    def ended(self, scan: Scan, entry: Entry, notices: Sequence[Notice], error: Exception | None) -> None:
        """See ``Watcher``."""
        self._running.pop(scan.key, None)
        self._ended += 1
        self._ended_seconds += entry.seconds
        about = {"code": entry.code, "message": "", "hint": ""}
        if isinstance(error, MedDLError):
            about |= {"message": error.message, "hint": error.hint}
        elif error is not None:
            about |= {"code": INTERNAL, "message": f"{type(error).__name__}: {error}"}
        self.say(
            "ended",
            scan=scan.key,
            state=entry.state.value,
            seconds=entry.seconds,
            notices=[{"code": notice.code.value, "message": notice.message} for notice in notices],
            **about,
        )
        self.on_entry(entry)

    @property
    def _done_of_running(self) -> float:
        return sum(whole.fraction for whole in self._running.values())

    def _left(self) -> float | None:
        """Seconds: what each scan took so far, for those that remain; None before one has ended."""
        if not self._ended:
            return None
        remaining = self._of - self._ended - self._done_of_running
        return round(self._ended_seconds / self._ended * remaining / self._at_once, 1)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._told < TOLD_SECONDS:
            return False
        self._told = now
        return True
