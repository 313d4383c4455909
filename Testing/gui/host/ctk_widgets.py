"""Stand-ins for CTK's widgets."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import Bridge

HEADER = 24
"""Pixels of a collapsible button's header."""


class ctkCollapsibleButton(Bridge, QtWidgets.QAbstractButton):
    """A header with a title, and the contents below it, which can be folded."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self.setContentsMargins(0, HEADER, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)

    def _isCollapsed(self) -> bool:
        return self._collapsed

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(not collapsed)
        self.setMaximumHeight(HEADER if collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = QtCore.Property(bool, _isCollapsed, _setCollapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """What is added to folded contents is hidden, too."""
        super().childEvent(event)
        if self._collapsed and event.added() and isinstance(event.child(), QtWidgets.QWidget):
            event.child().setVisible(False)

    def nextCheckState(self) -> None:
        """A click folds."""
        self._setCollapsed(not self._collapsed)

    def sizeHint(self) -> QtCore.QSize:
        """Of the contents, if they are not folded."""
        layout = self.layout()
        if self._collapsed or layout is None:
            return QtCore.QSize(150, HEADER)
        return layout.totalSizeHint().expandedTo(QtCore.QSize(150, HEADER))

    def minimumSizeHint(self) -> QtCore.QSize:
        """As ``sizeHint``."""
        layout = self.layout()
        if self._collapsed or layout is None:
            return QtCore.QSize(0, HEADER)
        return layout.totalMinimumSize()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """The header."""
        painter = QtGui.QPainter(self)
        painter.fillRect(0, 0, self.width, HEADER - 2, self.palette.color(QtGui.QPalette.ColorRole.Button).darker(106))
        mark = "\u25b8" if self._collapsed else "\u25be"
        painter.drawText(
            QtCore.QRect(6, 0, self.width - 12, HEADER - 2),
            QtCore.Qt.AlignmentFlag.AlignVCenter,
            f"{mark}  {self.text}",
        )


class ctkPathLineEdit(Bridge, QtWidgets.QWidget):
    """A path to type or to browse for. The dialog is not made here.

    As CTK's: no path is no valid input, and only that it is not valid any more is told of it.
    """

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    Dirs, Files = 1, 2
    """Of ``filters``: Qt's ``QDir::Dirs`` and ``QDir::Files``."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = 0
        self._edit = QtWidgets.QLineEdit(self)
        browse = QtWidgets.QToolButton(self)
        browse.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(browse)
        self.setFocusProxy(self._edit)
        self._hasValidInput = False
        self._edit.textChanged.connect(self._updateHasValidInput)

    def _updateHasValidInput(self, text: str) -> None:
        had, self._hasValidInput = self._hasValidInput, bool(text)
        if text:
            self.currentPathChanged.emit(text)
        if self._hasValidInput != had:
            self.validInputChanged.emit(self._hasValidInput)

    def _readPath(self) -> str:
        return self._edit.text()

    def setCurrentPath(self, path: str) -> None:
        """Shows it; ``currentPathChanged`` comes as when a person types."""
        self._edit.setText(path)

    def _readFilters(self) -> int:
        return self._filters

    def _writeFilters(self, filters: int) -> None:
        self._filters = filters

    currentPath = QtCore.Property(str, _readPath, setCurrentPath, notify=currentPathChanged)
    filters = QtCore.Property(int, _readFilters, _writeFilters)
