"""Points that a person has set in the scene."""

from __future__ import annotations

from MedDLCore.errors import Code, MedDLError

from .libraries import slicer


def placedPoints(pointsNode: slicer.vtkMRMLMarkupsFiducialNode) -> tuple[tuple[float, float, float], ...]:
    """R, A, S of each point that is placed, mm, under the node's parent transforms.

    The point that follows the mouse before the click, and points that are missing, are none.
    """
    placed = []
    for n in range(pointsNode.GetNumberOfControlPoints()):
        if pointsNode.GetNthControlPointPositionStatus(n) == slicer.vtkMRMLMarkupsNode.PositionDefined:
            position = [0.0, 0.0, 0.0]
            pointsNode.GetNthControlPointPositionWorld(n, position)
            placed.append((position[0], position[1], position[2]))
    return tuple(placed)


def pointsOfMarkups(pointsNode: slicer.vtkMRMLMarkupsFiducialNode) -> tuple[tuple[float, float, float], ...]:
    """As ``placedPoints``, of which there must be one.

    Raises:
        MedDLError: POINTS_MISMATCH where no point is placed.
    """
    placed = placedPoints(pointsNode)
    if not placed:
        raise MedDLError(
            Code.POINTS_MISMATCH,
            "No point is placed yet.",
            "Click the middle of each structure in a slice view, or choose no points.",
        )
    return placed
