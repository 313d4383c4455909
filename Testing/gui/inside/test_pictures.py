"""Pictures of the panel, to be looked at; what can be measured about them is measured.

``MEDDL_GUI_PICTURES`` names a folder that gets them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6 import QtCore, QtWidgets

from gui.host.start import PANEL_WIDTH

Wait = Callable[..., None]


@pytest.fixture
def picture(widget: Any, host: Any, tmp_path: Path) -> Callable[[str], None]:
    """Takes a picture of the whole panel, however long it is, and looks whether anything of it is cut off."""
    folder = Path(os.environ.get("MEDDL_GUI_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        panel = widget.parent
        for _ in range(3):
            host.app.processEvents()
        height = max(panel.sizeHint().height(), panel.minimumSizeHint().height())
        widget.area.resize(PANEL_WIDTH, height + 4)
        for _ in range(3):
            host.app.processEvents()
        assert widget.area.grab().save(str(folder / f"{name}.png"))
        assert cut_off(panel) == []

    return take


def cut_off(panel: QtWidgets.QWidget) -> list[str]:
    """Widgets that have less room than they need, or lie beyond the panel.

    Read in a way that is the same for Qt's widgets and for the stand-ins, whose ``size`` is an attribute.
    """
    plain, wrong = QtWidgets.QWidget, []
    for child in plain.findChildren(panel, plain):
        kinds = (QtWidgets.QPushButton, QtWidgets.QCheckBox, QtWidgets.QLabel, QtWidgets.QComboBox, QtWidgets.QLineEdit)
        if not child.isVisible() or not isinstance(child, kinds) or isinstance(child.parent(), QtWidgets.QSpinBox):
            continue
        size = plain.size(child)
        needed = child.property("minimumSizeHint" if isinstance(child, QtWidgets.QComboBox) else "sizeHint")
        wraps = isinstance(child, QtWidgets.QLabel) and QtWidgets.QLabel.wordWrap(child)
        missing = 0 if wraps else needed.width() - size.width()
        below = child.heightForWidth(size.width()) if wraps else needed.height()
        right = child.mapTo(panel, QtCore.QPoint(size.width(), 0)).x()
        if missing > 0 or below > size.height() + 1 or right > plain.width(panel):
            wrong.append(f"{plain.objectName(child) or type(child).__name__}: has {size}, needs {needed}")
    return wrong


def test_pictures_of_the_panel(widget: Any, a_scan: Any, wait: Wait, picture: Callable[[str], None]) -> None:
    picture("0-first")
    wait(lambda: widget.panel.state.models is not None)
    picture("1-models")
    titles = [widget.ui.modelList.item(n).text() for n in range(widget.ui.modelList.count)]
    phantom = next(n for n, title in enumerate(titles) if "7 structures" in title)
    widget.ui.modelList.setCurrentRow(phantom)
    wait(lambda: widget.panel.state.plan is not None)
    picture("2-plan")
    widget.ui.advancedCollapsibleButton.collapsed = False
    picture("3-advanced")
    widget.ui.advancedCollapsibleButton.collapsed = True
    widget.ui.applyButton.click()
    wait(lambda: widget.panel.run.progress is None or widget.panel.run.progress.fraction > 0.05)
    picture("4-running")
    wait(lambda: widget.panel.run.progress is None)
    picture("5-done")
    widget.ui.modelList.setCurrentRow(next(n for n, title in enumerate(titles) if title.startswith("Tumours")))
    picture("6-two-inputs")
