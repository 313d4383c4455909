"""The members of Qt's classes that the modules use, each of which PythonQt has, with Qt 5 and with Qt 6.

PySide6 has more. What is not listed here fails in the tests where a file of the extension asks for it. Before adding a
member, look it up: a method must be among the wrappers that PythonQt 4.1 generates, or be a slot, which comes with the
meta object, as properties and signals do; and it must be in Qt 5.15 and in Qt 6.
"""

from __future__ import annotations

import dis
import sys
from functools import cache
from types import BuiltinMethodType, CodeType, FrameType

METHODS = {
    "QBoxLayout": "addWidget",
    "QComboBox": "addItem clear setCurrentIndex",
    "QIODevice": "waitForReadyRead write",
    "QLabel": "setPixmap setWordWrap",
    "QLayout": "setContentsMargins",
    "QListWidget": "addItem clear item setCurrentRow",
    "QListWidgetItem": "checkState setCheckState setToolTip",
    "QPixmap": "scaledToWidth",
    "QPlainTextEdit": "setPlainText",
    "QProcess": (
        "kill processId readAllStandardOutput setProcessEnvironment setStandardErrorFile start waitForFinished"
    ),
    "QProcessEnvironment": "insert",
    "QProgressBar": "setMaximum setValue",
    "QSettings": "remove setValue value",
    "QTabWidget": "addTab setCurrentIndex widget",
    "QTableView": "columnWidth horizontalHeader resizeColumnsToContents setColumnHidden setColumnWidth verticalHeader",
    "QTableWidget": "setColumnCount setCurrentCell setHorizontalHeaderLabels setItem setRowCount",
    "QTableWidgetItem": "row setFlags setToolTip text",
    "QTimer": "setInterval setSingleShot start stop",
    "QWidget": "layout setToolTip show",
}
"""By the class that has them."""

PROPERTIES = "checked currentIndex cursorPosition enabled maximum plainText text toolTip value visible"

SIGNALS = (
    "cellActivated(int,int) cellClicked(int,int) clicked() currentChanged(int) currentIndexChanged(int)"
    " currentItemChanged(QTableWidgetItem*,QTableWidgetItem*) currentRowChanged(int) editingFinished()"
    " errorOccurred(QProcess::ProcessError) finished(int,QProcess::ExitStatus) itemChanged(QListWidgetItem*)"
    " itemChanged(QTableWidgetItem*) readyReadStandardOutput() textChanged(QString) textEdited(QString) timeout()"
    " toggled(bool)"
)

watched = ""
"""The folder whose files may use these members only; empty: none are looked at."""


_OTHERS = frozenset([*PROPERTIES.split(), *SIGNALS.split()])


class UnknownMemberError(Exception):
    """A member that may be missing in Slicer."""


class Listed:
    """Comes before a class of PySide6 that is no ``QObject`` among the bases."""

    def __getattribute__(self, name: str) -> object:
        isAsked, found = check(type(self), name), super().__getattribute__(name)
        return called(found) if isAsked else found


def called(method: object) -> object:
    """A method of Qt that is called as PythonQt has it: without keywords, and with no None, of which a text is made."""
    if not isinstance(method, BuiltinMethodType):
        return method

    def call(*args: object, **keywords: object) -> object:
        if keywords or any(each is None for each in args):
            raise TypeError(f"{method.__name__} is called with {[*args, *keywords]}")
        return method(*args)

    return call


def check(kind: type, name: str, levels: int = 2) -> bool:
    """Refuses a member of a class of Qt that is not listed.

    Args:
        kind: the class of the object.
        name: of a method or property, or the signature of a signal.
        levels: how far up the asking frame is.

    Returns:
        whether a watched file asks for it.

    Raises:
        UnknownMemberError: a watched file asks for it.
    """
    if not watched:
        return False
    frame = sys._getframe(levels)
    if not frame.f_code.co_filename.startswith(watched) or name in _OTHERS:
        return False
    if "(" not in name and not _asks(frame, name):
        return False
    for base in kind.__mro__:
        isOfQt = base.__module__.startswith("PySide6")
        if name.partition("(")[0] in (METHODS.get(base.__name__, "").split() if isOfQt else vars(base)):
            return True
    raise UnknownMemberError(f"{kind.__name__}.{name}: is it in PythonQt, with Qt 5 and Qt 6? See {__name__}.")


def _asks(frame: FrameType, name: str) -> bool:
    """The frame's own line asks for this. Qt asks, too, for whatever Python might override."""
    return _asked(frame.f_code).get(frame.f_lasti) == name


@cache
def _asked(code: CodeType) -> dict[int, str]:
    found = dis.get_instructions(code)
    return {each.offset: each.argval for each in found if each.opname in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR")}
