"""Slicer's own Python files instead of the stand-ins for them, where its sources are at hand.

``MEDDL_SLICER_PYTHON`` names the folder ``Base/Python`` of them: then the base classes of modules, the wrapper of
parameter nodes with its connectors to widgets, and the translation are Slicer's, unchanged. This shows whether the
stand-ins for those are as strict as the real ones.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import slicer
from PySide6 import QtGui, QtWidgets

OWN = ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper")
"""``slicer.packaging`` is not among them: it would install."""

NEVER_MADE = {
    "qt": ("QSlider", "QDoubleSpinBox", "QTextEdit"),
    "ctk": (
        "ctkCheckBox", "ctkCheckablePushButton", "ctkColorPickerButton", "ctkComboBox", "ctkDirectoryButton",
        "ctkDoubleRangeSlider", "ctkDoubleSlider", "ctkDoubleSpinBox", "ctkRangeWidget", "ctkSliderWidget",
    ),
    "slicer": ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox"),
}  # fmt: skip
"""Classes that the connectors compare a widget's class with, and none of which our panels have."""


def module(name: str) -> ModuleType | None:
    """Slicer's own module ``slicer.name``; None where the stand-in is wanted."""
    folder = os.environ.get("MEDDL_SLICER_PYTHON")
    if not folder or name not in OWN:
        return None
    path = str(Path(folder) / "slicer")
    if path not in slicer.__path__:
        slicer.__path__.append(path)
        for package, classes in NEVER_MADE.items():
            members = importlib.import_module(package).__dict__
            members.update({kind: type(kind, (QtWidgets.QWidget,), {}) for kind in classes})
        importlib.import_module("qt").__dict__["QColor"] = QtGui.QColor
    return importlib.import_module(f"slicer.{name}")
