"""What another thread can ask of a batch, and what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import Code, MedDLError, Notice
from .ledger import Entry
from .scan import Scan

LOOK_SECONDS = 0.2
"""How often a batch that waits looks whether it may go on."""


class Control:
    """Pauses and cancels a batch from another thread. A pause begins when the scan that runs is done."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()

    def pause(self) -> None:
        """No further scan is begun."""
        self._running.clear()

    def go_on(self) -> None:
        """Ends a pause."""
        self._running.set()

    @property
    def is_paused(self) -> bool:
        """No further scan is begun; the one that runs may still be running."""
        return not self._running.is_set()

    def cancel(self) -> None:
        """Ends the batch at once. The scan that runs is repeated when the batch is started again."""
        self._cancelled.set()

    def check(self) -> None:
        """Raises where the batch is cancelled.

        Raises:
            MedDLError: CANCELLED.
        """
        if self._cancelled.is_set():
            raise MedDLError(Code.CANCELLED, "Cancelled. What is done stays done.", "Start it again: it goes on.")

    def wait(self, check: Callable[[], None]) -> None:
        """Waits while the batch is paused; ``check`` is called now and then, and ends it by what it raises."""
        check()
        while not self._running.wait(LOOK_SECONDS):
            check()


class Watcher(Protocol):
    """Is told how a batch goes. Several scans may run at the same time."""

    def begins(self, scan: Scan, number: int, of: int) -> None:
        """A scan is begun."""

    def progress(self, scan: Scan, stage: str, done: int, of: int) -> None:
        """How far a stage of the scan is."""

    def ended(self, scan: Scan, entry: Entry, notices: Sequence[Notice], error: Exception | None) -> None:
        """How the scan ended; its entry stands in the ledger."""


class Nobody:
    """A watcher that does not watch."""

    def begins(self, scan: Scan, number: int, of: int) -> None:
        """Nothing."""

    def progress(self, scan: Scan, stage: str, done: int, of: int) -> None:
        """Nothing."""

    def ended(self, scan: Scan, entry: Entry, notices: Sequence[Notice], error: Exception | None) -> None:
        """Nothing."""
