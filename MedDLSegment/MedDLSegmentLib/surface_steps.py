"""Show 3D, a segment at a time from Slicer's event loop: nothing else waits for a hundred surfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import qt


class SurfaceSteps:
    """Makes the surfaces of one segmentation."""

    def __init__(self, onStep: Callable[[int, int], None]) -> None:
        """Takes what is told of each step: how many segments are done, and of how many."""
        self._onStep = onStep
        self._steps: Iterator[int] | None = None
        self._count = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._step)

    @property
    def isRunning(self) -> bool:
        """Surfaces are being made."""
        return self._steps is not None

    def start(self, segmentationNode: Any) -> None:
        """Begins, and leaves what was begun."""
        from MedDLScene.surfaces import showSurfaces

        self._count = segmentationNode.GetSegmentation().GetNumberOfSegments()
        self._steps = showSurfaces(segmentationNode)
        self._timer.start()

    def stop(self) -> None:
        """Leaves the segmentation as it was."""
        self._timer.stop()
        self._steps = None

    def _step(self) -> None:
        if self._steps is None:
            return
        done = next(self._steps, None)
        if done is None:
            self.stop()
            done = self._count
        self._onStep(done, self._count)
