"""The modules ``qt`` and ``ctk``, with the classes that our modules use."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .ctk_widgets import ctkCollapsibleButton, ctkPathLineEdit
from .desktop import DesktopServices, FileDialog
from .mrml_widgets import qMRMLNodeComboBox, qMRMLWidget, qSlicerMarkupsPlaceWidget
from .pythonqt import bridged
from .strict import StrictModule
from .ui_loader import QUiLoader

WIDGETS = {
    kind.__name__: bridged(kind)
    for kind in (
        QtWidgets.QCheckBox, QtWidgets.QComboBox, QtWidgets.QLabel, QtWidgets.QLineEdit, QtWidgets.QListWidget,
        QtWidgets.QPlainTextEdit, QtWidgets.QProgressBar, QtWidgets.QPushButton, QtWidgets.QSpinBox,
        QtWidgets.QTableWidget, QtWidgets.QTabWidget, QtWidgets.QWidget,
    )
}  # fmt: skip
LAYOUTS = {
    kind.__name__: bridged(kind) for kind in (QtWidgets.QFormLayout, QtWidgets.QHBoxLayout, QtWidgets.QVBoxLayout)
}
OF_SLICER = {
    "qMRMLWidget": qMRMLWidget,
    "qMRMLNodeComboBox": qMRMLNodeComboBox,
    "qSlicerMarkupsPlaceWidget": qSlicerMarkupsPlaceWidget,
}
OF_CTK = {"ctkCollapsibleButton": ctkCollapsibleButton, "ctkPathLineEdit": ctkPathLineEdit}

QUiLoader.kinds = {**WIDGETS, **LAYOUTS, **OF_SLICER, **OF_CTK}

qt = StrictModule(
    "qt",
    {
        **WIDGETS,
        **LAYOUTS,
        "QUiLoader": QUiLoader,
        "QTimer": bridged(QtCore.QTimer),
        "QProcess": bridged(QtCore.QProcess),
        "QProcessEnvironment": bridged(QtCore.QProcessEnvironment),
        "QSettings": bridged(QtCore.QSettings),
        "QFile": QtCore.QFile,
        "QIcon": QtGui.QIcon,
        "QCursor": QtGui.QCursor,
        "QPixmap": bridged(QtGui.QPixmap),
        "QListWidgetItem": bridged(QtWidgets.QListWidgetItem),
        "QFileDialog": FileDialog,
        "QDesktopServices": DesktopServices,
        "QUrl": QtCore.QUrl,
        "QTableWidgetItem": bridged(QtWidgets.QTableWidgetItem),
        "Qt": QtCore.Qt,
    },
)
ctk = StrictModule("ctk", dict(OF_CTK))
