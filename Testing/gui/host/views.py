"""The views of a layout: their nodes and their interactors are real, nothing is drawn or seen in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtCore

SLICES = ("Red", "Green", "Yellow")


class View:
    """``qMRMLSliceView`` and ``qMRMLThreeDView``."""

    def __init__(self) -> None:
        self._interactor = vtk.vtkRenderWindowInteractor()

    def interactor(self) -> Any:
        """Of the view."""
        return self._interactor


class SliceWidget:
    """``qMRMLSliceWidget``: an axial slice, a pixel of which is a millimetre."""

    def __init__(self) -> None:
        self._view, self._node = View(), slicer.vtkMRMLSliceNode()
        self._node.SetSliceToRASByNTP(0, 0, 1, -1, 0, 0, 0, 0, 0, 0)
        self._node.SetDimensions(200, 200, 1)
        self._node.SetFieldOfView(200, 200, 1)

    def sliceView(self) -> View:
        """Of the widget."""
        return self._view

    def mrmlSliceNode(self) -> Any:
        """Of the widget."""
        return self._node


class ThreeDWidget:
    """``qMRMLThreeDWidget``."""

    def __init__(self) -> None:
        self._view, self._node = View(), slicer.vtkMRMLViewNode()

    def threeDView(self) -> View:
        """Of the widget."""
        return self._view

    def mrmlViewNode(self) -> Any:
        """Of the widget."""
        return self._node


class LayoutManager(QtCore.QObject):
    """Three slice views and a 3-D view, in whatever layout."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.layout = 3
        self._slices = {name: SliceWidget() for name in SLICES}
        self._space = ThreeDWidget()
        self.threeDViewCount = 1

    def connect(self, signal: str, slot: Callable[..., object]) -> bool:
        """As PythonQt's."""
        self._known(signal)
        self.layoutChanged.connect(slot)
        return True

    def disconnect(self, signal: str, slot: Callable[..., object]) -> bool:
        """As PythonQt's."""
        self._known(signal)
        return self.layoutChanged.disconnect(slot)

    def mrmlSliceLogics(self) -> Any:
        """Of the slice views: none."""
        return vtk.vtkCollection()

    def setLayout(self, layout: int) -> None:
        """Changes it."""
        self.layout = layout
        self.layoutChanged.emit(layout)

    def sliceViewNames(self) -> tuple[str, ...]:
        """Of the slice views."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """A slice view; None: there is none of this name."""
        return self._slices.get(name)

    def threeDWidget(self, number: int) -> ThreeDWidget | None:
        """A 3-D view; None: there are not so many."""
        return self._space if number == 0 else None

    @staticmethod
    def _known(signal: str) -> None:
        if signal != "layoutChanged(int)":
            raise ValueError(f"there is no stand-in for the signal {signal}")
