"""``slicer.app``: the members that our modules, and what of ``slicer.util`` they use, ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .views import LayoutManager


class ModuleManager(QtCore.QObject):
    """Tells modules that they are about to go."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def connect(self, signal: str, slot: Callable[..., object]) -> bool:
        """As PythonQt's."""
        return _connect(self, signal, slot, "moduleAboutToBeUnloaded(QString)")

    def disconnect(self, signal: str, slot: Callable[..., object]) -> bool:
        """As PythonQt's."""
        return self.moduleAboutToBeUnloaded.disconnect(slot)


class Application(QtCore.QObject):
    """The application object."""

    startupCompleted = QtCore.Signal()

    def __init__(self, application_logic: Any, temporary: Path) -> None:
        super().__init__()
        self.temporaryPath = str(temporary)
        self._logic = application_logic
        self._modules = ModuleManager()
        self._layout = LayoutManager()
        self.shown: list[str] = []

    def connect(self, signal: str, slot: Callable[..., object]) -> bool:
        """As PythonQt's."""
        return _connect(self, signal, slot, "startupCompleted()")

    def moduleManager(self) -> ModuleManager:
        """Of the modules."""
        return self._modules

    def layoutManager(self) -> LayoutManager:
        """Of the views."""
        return self._layout

    def applicationLogic(self) -> Any:
        """The ``vtkSlicerApplicationLogic``."""
        return self._logic

    def processEvents(self) -> None:
        """Qt's."""
        QtWidgets.QApplication.processEvents()

    def translate(self, context: str, text: str) -> str:
        """In brackets where a test looks for texts that cannot be translated; else as it is."""
        return f"[{text}]" if self.translates and context else text

    translates = False

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        """The environment in which Slicer was started: here, this process's."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def testingEnabled(self) -> bool:
        """No dialog is shown."""
        return True

    def setOverrideCursor(self, cursor: Any) -> None:
        """Qt's."""
        QtGui.QGuiApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        """Qt's."""
        QtGui.QGuiApplication.restoreOverrideCursor()


def _connect(sender: QtCore.QObject, signal: str, slot: Callable[..., object], known: str) -> bool:
    if signal != known:
        raise ValueError(f"there is no stand-in for the signal {signal}")
    getattr(sender, signal.partition("(")[0]).connect(slot)
    return True
