"""What a person does outside the window: choosing files, looking at a folder."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore


class FileDialog:
    """``qt.QFileDialog``. As PythonQt's: a file is a text, and empty where the person cancels.

    Attributes:
        answers: what the person chooses, the next one first; a test puts it there.
    """

    answers: ClassVar[list[str]] = []

    @classmethod
    def getExistingDirectory(cls, parent: Any, title: str, folder: str) -> str:
        """A folder."""
        return cls.answers.pop(0)

    @classmethod
    def getOpenFileName(cls, parent: Any, title: str, folder: str, patterns: str = "") -> str:
        """A file."""
        return cls.answers.pop(0)


class DesktopServices:
    """``qt.QDesktopServices``.

    Attributes:
        opened: what was shown to the person.
    """

    opened: ClassVar[list[str]] = []

    @classmethod
    def openUrl(cls, url: QtCore.QUrl) -> bool:
        """Remembers it."""
        cls.opened.append(url.toLocalFile())
        return True
