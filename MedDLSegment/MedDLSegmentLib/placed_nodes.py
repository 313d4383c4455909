"""Nodes that a person moves in the views: a region of interest, a list of points.

That they were moved is no change of the parameters, which only refer to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vtk

EVENTS = (
    "PointModifiedEvent",
    "PointPositionDefinedEvent",
    "PointPositionUndefinedEvent",
    "PointRemovedEvent",
)
"""Of ``vtkMRMLMarkupsNode``; its ``ModifiedEvent`` comes with its size and its transform."""


class PlacedNodes:
    """Tells when one of the watched nodes was moved."""

    def __init__(self, onMoved: Callable[[], None]) -> None:
        """Watches nothing yet."""
        self._onMoved = onMoved
        self._observed: dict[Any, list[int]] = {}

    def watch(self, *nodes: Any) -> None:
        """Watches these nodes from now on, and no others. None is left out."""
        wanted = [node for node in nodes if node is not None]
        for node in [node for node in self._observed if node not in wanted]:
            for tag in self._observed.pop(node):
                node.RemoveObserver(tag)
        for node in wanted:
            if node not in self._observed:
                events = [vtk.vtkCommand.ModifiedEvent, *(getattr(node, name) for name in EVENTS)]
                self._observed[node] = [node.AddObserver(event, self._moved) for event in events]

    def _moved(self, *_args: Any) -> None:
        self._onMoved()


def placesOf(region: Any, points: Any) -> tuple[object, ...]:
    """Where a region and points lie, RAS mm; of what is None, nothing."""
    from MedDLScene.points import placedPoints

    bounds = [0.0] * 6
    if region is not None:
        region.GetRASBounds(bounds)
    return tuple(bounds), placedPoints(points) if points is not None else ()
