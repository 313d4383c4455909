"""A region-of-interest node as a box in the world."""

from __future__ import annotations

from MedDLCore.errors import Code, MedDLError

from .libraries import slicer


def boxOfRegion(regionNode: slicer.vtkMRMLMarkupsROINode) -> tuple[float, float, float, float, float, float]:
    """The smallest box parallel to the patient's axes that holds the region, which may be turned.

    Returns:
        smallest R, A, S and largest R, A, S, mm, under the node's parent transforms.

    Raises:
        MedDLError: REGION_OUTSIDE for a region that is not placed yet.
    """
    bounds = [0.0] * 6
    regionNode.GetRASBounds(bounds)
    low, high = bounds[::2], bounds[1::2]
    if regionNode.GetNumberOfDefinedControlPoints() == 0 or any(a >= b for a, b in zip(low, high, strict=True)):
        raise MedDLError(
            Code.REGION_OUTSIDE, "The region of interest is not placed yet.", "Draw it in a view, or choose none."
        )
    return low[0], low[1], low[2], high[0], high[1], high[2]
