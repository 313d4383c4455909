"""Starts the host: ``slicer`` of the wheel becomes what a module file finds in Slicer. Once in a process."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from . import slicers_own

PANEL_WIDTH = 460
"""Pixels of Slicer's module panel, as it is at first."""


class ModuleParent:
    """What Slicer gives a module's constructor. Others' attributes are refused."""

    __slots__ = (
        "acknowledgementText", "categories", "contributors", "dependencies", "helpText", "icon", "path", "title",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.path = str(path)


class ModulePanel(QtWidgets.QWidget):
    """What Slicer gives a widget's constructor: its ``qSlicerScriptedLoadableModuleWidget``.

    It outlives the Python object that was made with it: a reload makes another one, and does not enter it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.isEntered = False
        QtWidgets.QVBoxLayout(self).setContentsMargins(4, 4, 4, 4)

    def reload(self) -> None:
        """Makes the module's widget."""
        widget = getattr(sys.modules[self._name], f"{self._name}Widget")(self)
        setattr(slicer.modules, f"{self._name}Widget", widget)
        widget.setup()


class Host:
    """The running host.

    Attributes:
        scene: ``slicer.mrmlScene``.
        app: ``slicer.app``.
        folder: where the module files lie, as in an installed extension.
        modules: those that were loaded, by their names.
    """

    def __init__(self, folder: Path) -> None:
        self._qt_app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(folder / "settings")
        )
        self._qt_app.setOrganizationName("host")
        self.folder = folder
        sys.path.insert(0, str(folder))

        from MedDLScene.host import createScene

        self._mrml = createScene()
        self.scene = self._mrml.scene
        self._fill_slicer()
        self._panels: dict[str, ModulePanel] = {}
        self.modules: dict[str, Any] = {}
        slicer.util.selectModule = self.select
        self.app.moduleManager().module = lambda name: _Module(self, name) if name in self.modules else None

    def _fill_slicer(self) -> None:
        from . import segment_effects
        from .application import Application
        from .qt_names import OF_SLICER, ctk, qt

        sys.modules["qt"], sys.modules["ctk"] = qt, ctk
        self.app = Application(self._mrml.application, self.folder)
        sys.modules.update(segment_effects.modules())
        sys.modules["SampleData"] = importlib.import_module(f"{__package__}.sample_data")
        names = {
            **OF_SLICER,
            **segment_effects.OF_SLICER,
            "qSlicerScriptedLoadableModuleWidget": _ModuleWidget,
            "app": self.app,
            "mrmlScene": self.scene,
            "modules": SimpleNamespace(
                **{name.lower(): _WithLogic(logic) for name, logic in self._mrml.logics.items()},
            ),
            "selfTests": {},
        }
        for name, value in names.items():
            setattr(slicer, name, value)
        for name, ours in (
            ("i18n", "translations"),
            ("ScriptedLoadableModule", "scripted_module"),
            ("parameterNodeWrapper", "parameter_nodes"),
            ("packaging", "pip_packages"),
        ):
            module = slicers_own.module(name) or importlib.import_module(f"{__package__}.{ours}")
            sys.modules[f"slicer.{name}"] = module
            setattr(slicer, name, module)

    def load(self, name: str) -> ModuleType:
        """Loads a module, as Slicer does at its start."""
        path = self.folder / f"{name}.py"
        sys.modules.pop(name, None)
        module = importlib.import_module(name)
        assert Path(str(module.__file__)) == path, f"{name} comes from {module.__file__}"
        parent = ModuleParent(path)
        core = SimpleNamespace(path=str(path), widgetRepresentation=lambda: self._panels.get(name))
        setattr(slicer.modules, name.lower(), core)
        self.modules[name] = getattr(module, name)(parent)
        return module

    def select(self, name: str) -> None:
        """``slicer.util.selectModule``: the person, or another module, chooses it in the list of modules."""
        for other, panel in list(self._panels.items()):
            if panel.isEntered and other != name:
                self.exit(other)
        if name in self._panels:
            self.enter(name)
        else:
            self.widget(name)

    def widget(self, name: str) -> Any:
        """Makes the panel, as Slicer does when the module is first chosen, and enters it."""
        self.make(name)
        self.enter(name)
        return self.shown(name)

    def make(self, name: str) -> Any:
        """Makes the panel, as Slicer does when somebody else asks for it first: nobody looks at it."""
        panel = self._panels[name] = ModulePanel(name)
        area = panel.area = QtWidgets.QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(panel)
        panel.reload()
        area.resize(PANEL_WIDTH, 900)
        area.show()
        return self.shown(name)

    def enter(self, name: str) -> None:
        """The person chooses the module."""
        self._panels[name].isEntered = True
        self.shown(name).enter()

    def exit(self, name: str) -> None:
        """The person chooses another one."""
        self.shown(name).exit()
        self._panels[name].isEntered = False

    def unload(self, name: str) -> None:
        """Slicer quits."""
        self.exit(name)
        self.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
        delattr(slicer.modules, f"{name}Widget")
        self._panels.pop(name).area.deleteLater()
        self.app.processEvents()

    def shown(self, name: str) -> Any:
        """The module's widget; None: it has none yet."""
        return getattr(slicer.modules, f"{name}Widget", None)


class _ModuleWidget:
    """``qSlicerScriptedLoadableModuleWidget``: what Slicer makes of a Python widget."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget

    def self(self) -> Any:
        """The Python object."""
        return self._widget


class _Module:
    """``qSlicerScriptedLoadableModule``."""

    def __init__(self, host: Host, name: str) -> None:
        self._host, self.name = host, name

    def widgetRepresentation(self) -> _ModuleWidget:
        """The panel, which is made where there is none, and not entered."""
        return _ModuleWidget(self._host.shown(self.name) or self._host.make(self.name))


class _WithLogic:
    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        """The module's."""
        return self._logic
