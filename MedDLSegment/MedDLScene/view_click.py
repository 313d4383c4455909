"""Where in the world a person clicked, in a slice view or in a 3-D view."""

from __future__ import annotations

from typing import Any

from MedDLCore.spec import FloatTriple

from .libraries import slicer, vtk

TOLERANCE = 0.005
"""Of the view's diagonal: so far beside a surface a click still meets it."""


def placeOfClick(interactor: vtk.vtkRenderWindowInteractor, viewNode: slicer.vtkMRMLAbstractViewNode) -> Any:
    """R, A, S of what lies under the mouse, mm.

    Args:
        interactor: of the view, at an event of the mouse.
        viewNode: a slice node: the place lies in its plane. A 3-D view's node: the place lies on the surface that
            is seen there.

    Returns:
        A triple of numbers; None where there is nothing in a 3-D view.
    """
    x, y = interactor.GetEventPosition()
    if viewNode.IsA("vtkMRMLSliceNode"):
        return _triple(viewNode.GetXYToRAS().MultiplyPoint((x, y, 0, 1)))
    renderer = interactor.FindPokedRenderer(x, y)
    picker = vtk.vtkCellPicker()
    picker.SetTolerance(TOLERANCE)
    return _triple(picker.GetPickPosition()) if renderer is not None and picker.Pick(x, y, 0, renderer) else None


def _triple(values: Any) -> FloatTriple:
    r, a, s = (float(value) for value in values[:3])
    return r, a, s
