"""``slicer.ScriptedLoadableModule``: the base classes of a scripted module.

Slicer's own do more (help, developer's section); what is here behaves as theirs does.
"""

from __future__ import annotations

import importlib
import unittest
from pathlib import Path
from typing import Any

import qt
import slicer


class ScriptedLoadableModule:
    """What Slicer makes at start-up of each module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        icon = Path(parent.path).parent / "Resources" / "Icons" / f"{self.moduleName}.png"
        if icon.is_file():
            parent.icon = qt.QIcon(str(icon))
        slicer.selfTests[self.moduleName] = self.runTest

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Runs the module's own test."""
        module = importlib.import_module(type(self).__module__)
        getattr(module, f"{self.moduleName}Test")().runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The panel; ``parent`` is never None here."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """A file of the module."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Slicer's own makes the developer's section."""

    def cleanup(self) -> None:
        """For the module."""

    def onReload(self) -> None:
        """The developer's button."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """The part without a window."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """The module's node in the scene, made where there is none."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(scene.GenerateUniqueName(self.moduleName))
            node = scene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's own test."""

    def runTest(self) -> None:
        """For the module."""

    def delayDisplay(self, message: str, msec: int = 0) -> None:
        """Slicer shows the message for a moment."""
