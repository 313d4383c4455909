"""Starts the host: ``slicer`` of the wheel becomes what a module file finds in Slicer. Once in a process."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from . import loaded

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
    """What Slicer gives a widget's constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.isEntered = False
        QtWidgets.QVBoxLayout(self).setContentsMargins(4, 4, 4, 4)


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
        self._widgets: dict[str, Any] = {}
        self.modules: dict[str, Any] = {}
        slicer.util.selectModule = self.select
        self.app.moduleManager().module = lambda name: _Module(self, name) if name in self.modules else None
        loaded.reloaders.append(self.reload)

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
            module = importlib.import_module(f"{__package__}.{ours}")
            sys.modules[f"slicer.{name}"] = module
            setattr(slicer, name, module)

    def load(self, name: str) -> ModuleType:
        """Loads a module, as Slicer does at its start."""
        path = self.folder / f"{name}.py"
        loaded.paths[name] = str(path)
        sys.modules.pop(name, None)
        module = importlib.import_module(name)
        assert Path(str(module.__file__)) == path, f"{name} comes from {module.__file__}"
        parent = ModuleParent(path)
        self.modules[name] = getattr(module, name)(parent)
        return module

    def select(self, name: str) -> None:
        """``slicer.util.selectModule``: the person, or another module, chooses it in the list of modules."""
        for other, widget in list(self._widgets.items()):
            if widget.parent.isEntered and other != name:
                self.exit(other)
        if name in self._widgets:
            self.enter(name)
        else:
            self.widget(name)

    def widget(self, name: str) -> Any:
        """Makes the panel, as Slicer does when the module is first chosen, and enters it."""
        panel = ModulePanel()
        widget = getattr(sys.modules[name], f"{name}Widget")(panel)
        widget.setup()
        area = QtWidgets.QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(panel)
        area.resize(PANEL_WIDTH, 900)
        area.show()
        widget.area = area
        self._widgets[name] = widget
        self.enter(name)
        return widget

    def enter(self, name: str) -> None:
        """The person chooses the module."""
        self._widgets[name].parent.isEntered = True
        self._widgets[name].enter()

    def exit(self, name: str) -> None:
        """The person chooses another one."""
        self._widgets[name].exit()
        self._widgets[name].parent.isEntered = False

    def unload(self, name: str) -> None:
        """Slicer quits, or the module is reloaded."""
        self.exit(name)
        self.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
        self._widgets.pop(name).area.deleteLater()
        self.app.processEvents()

    def reload(self, name: str) -> None:
        """The developer's "Reload"."""
        self.unload(name)
        self.load(name)
        self.widget(name)

    def shown(self, name: str) -> Any:
        """The panel that is there; None: none is."""
        return self._widgets.get(name)


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
        """The panel, which is made where there is none."""
        return _ModuleWidget(self._host.shown(self.name) or self._host.widget(self.name))


class _WithLogic:
    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        """The module's."""
        return self._logic
