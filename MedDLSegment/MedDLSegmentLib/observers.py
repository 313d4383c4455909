"""Observers of nodes and segmentations that come and go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import vtk


class Observers:
    """Follows some objects of the scene, and no others."""

    def __init__(self, onChange: Callable[[], None]) -> None:
        """Follows nothing yet."""
        self._onChange = onChange
        self._observed: list[tuple[Any, int]] = []

    def watch(self, segmentationNode: Any, *nodes: Any) -> None:
        """From now on the segments of this segmentation, and these nodes. None is left out."""
        observed, self._observed = self._observed, []
        for caller, tag in observed:
            caller.RemoveObserver(tag)
        for node in nodes:
            self._add(node, (vtk.vtkCommand.ModifiedEvent,))
        if segmentationNode is not None:
            segmentation = segmentationNode.GetSegmentation()
            events = (segmentation.SegmentAdded, segmentation.SegmentRemoved, segmentation.SegmentModified)
            self._add(segmentation, events)

    def _add(self, caller: Any, events: Sequence[int]) -> None:
        if caller is not None:
            self._observed += [(caller, caller.AddObserver(event, self._changed)) for event in events]

    def _changed(self, *_args: Any) -> None:
        self._onChange()
