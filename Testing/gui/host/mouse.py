"""The mouse of a person who works in the slice views."""

from __future__ import annotations

import numpy as np
import slicer


def pressAt(r: float, a: float, s: float, ctrl: bool = False, view: str = "Red") -> None:
    """A click in a slice view, which shows the plane of this point then: R, A, S, mm."""
    widget = slicer.app.layoutManager().sliceWidget(view)
    widget.mrmlSliceNode().SetSliceOffset(s)
    onto = np.linalg.inv(slicer.util.arrayFromVTKMatrix(widget.mrmlSliceNode().GetXYToRAS()))
    x, y, *_ = onto @ (r, a, s, 1)
    interactor = widget.sliceView().interactor()
    interactor.SetEventInformation(round(x), round(y), int(ctrl), 0, "0", 0, "")
    interactor.InvokeEvent("LeftButtonPressEvent")


def pressAgain(view: str = "Red") -> None:
    """The second press of a double click, at the same place: in VTK with Qt, an event of its own instead of a press."""
    slicer.app.layoutManager().sliceWidget(view).sliceView().interactor().InvokeEvent("LeftButtonDoubleClickEvent")
