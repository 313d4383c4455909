"""A file or folder that a person types or browses for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PathEdit:
    """A ``ctkPathLineEdit``. Emptied, it tells of no new path: only that its input is not valid any more."""

    def __init__(self, widget: Any, kinds: int, onPath: Callable[[str], None]) -> None:
        """``kinds``: of its ``filters``; ``onPath`` is told the path that a person gives, or that it is empty."""
        self._widget, self._onPath = widget, onPath
        self._filling = False
        widget.filters = kinds
        for signal in ("currentPathChanged(QString)", "validInputChanged(bool)"):
            widget.connect(signal, self._changed)

    def show(self, path: str) -> None:
        """Shows a path."""
        self._filling = True
        if self._widget.currentPath != path:
            self._widget.setCurrentPath(path)
        self._filling = False

    def _changed(self) -> None:
        if not self._filling:
            self._onPath(self._widget.currentPath.strip())
