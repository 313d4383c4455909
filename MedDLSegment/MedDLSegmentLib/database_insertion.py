"""Results of a batch go into Slicer's DICOM database, one after the other from the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import qt

from MedDLCore.errors import MedDLError

from .dicom_export import openDatabase, putIntoDatabase, showInDatabase


class DatabaseInsertion:
    """A queue of DICOM files. What the database has already is not inserted again.

    Attributes:
        count: how many were inserted since ``restart``.
    """

    def __init__(self, onInserted: Callable[[int], None], onError: Callable[[MedDLError], None]) -> None:
        """``onInserted`` is told ``count``."""
        self._onInserted, self._onError = onInserted, onError
        self._queue: deque[tuple[str, str]] = deque()
        self.count = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._insertNext)

    @property
    def isRunning(self) -> bool:
        """Files wait."""
        return bool(self._queue)

    def restart(self) -> None:
        """Counts from 0."""
        self.count = 0

    def add(self, path: str, instance: str) -> None:
        """A file and its SOPInstanceUID."""
        self._queue.append((path, instance))
        self._timer.start()

    def close(self) -> None:
        """Files that wait are inserted by the next run of the batch."""
        self._timer.stop()
        self._queue.clear()

    def _insertNext(self) -> None:
        path, instance = self._queue.popleft()
        isLast = not self._queue
        if isLast:
            self._timer.stop()
        try:
            if not openDatabase().fileForInstance(instance):
                putIntoDatabase(Path(path), instance)
                self.count += 1
                self._onInserted(self.count)
            if isLast:
                showInDatabase()
        except MedDLError as error:
            self._onError(error)
