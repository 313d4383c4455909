"""What a batch tells while it runs, as events of the child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...errors import MedDLError, Notice
from ...progress import STAGES, Whole
from ...worker.serving import TOLD_SECONDS
from ..choosing import Choice
from ..driver import INTERNAL
from ..ledger import Entry
from ..scan import Scan
from .jobs import LEFT_OUT, RUNS


class Teller:
    """A ``Watcher`` of one batch with one site.

    Attributes:
        on_entry: is given the entry of every scan that has ended.
    """

    def __init__(self, say: Callable[..., None], go_on: Callable[[], None]) -> None:
        """``say`` takes a kind of event and what belongs to it; ``go_on`` raises where the request was cancelled."""
        self.say, self._go_on = say, go_on
        self.on_entry: Callable[[Entry], None] = lambda _: None
        self._whole, self._scan = Whole(), ""
        self._place, self._of, self._told = 0, 1, 0.0
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
        self._whole, self._scan, self._place, self._of = Whole(), scan.key, number, of
        self.say("begins", scan=scan.key, place=number, of=of)

    def progress(self, scan: Scan, stage: str, done: int, of: int) -> None:
        """See ``Watcher``."""
        if scan.key == self._scan and stage in STAGES:
            self._whole.tell(stage, done, of)
        if self._is_time():
            fraction = (self._place - 1 + self._whole.fraction) / self._of
            self.say("progress", stage=stage, fraction=round(fraction, 4), seconds_left=self._left())

    def ended(self, scan: Scan, entry: Entry, notices: Sequence[Notice], error: Exception | None) -> None:
        """See ``Watcher``."""
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

    def _left(self) -> float | None:
        """Seconds: what each scan took so far, for those that remain; None before one has ended."""
        if not self._ended:
            return None
        remaining = self._of - self._place + 1 - self._whole.fraction
        return round(self._ended_seconds / self._ended * remaining, 1)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._told < TOLD_SECONDS:
            return False
        self._told = now
        return True
