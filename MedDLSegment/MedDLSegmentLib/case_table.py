"""The table of a batch's cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from . import batch_state
from .batch_state import Case
from .translation import _

WIDEST = 165
"""Pixels of the first column at first, so that the last one can be read; a tooltip has the whole text."""

NARROWER = 120
"""As ``WIDEST``, beside what was measured."""

UNSURE = 4
"""The column of what was measured: it is there where something was."""


class CaseTable:
    """A ``QTableWidget`` with a row for each case. Only rows that changed are written."""

    def __init__(self, table: Any, onClicked: Callable[[str], None]) -> None:
        """``onClicked`` is told the case that a person clicks, or on which Enter is pressed."""
        self._table, self._onClicked = table, onClicked
        self._cases: tuple[Case, ...] = ()
        header = (_("Scan"), _("Slices"), _("mm"), _("State"), _("Unsure"))
        table.setColumnCount(len(header))
        table.setHorizontalHeaderLabels(list(header))
        table.horizontalHeader().moveSection(UNSURE, 1)  # to the eye it comes second: the state has what is left
        table.setColumnHidden(UNSURE, True)
        table.verticalHeader().hide()
        table.connect("cellClicked(int,int)", self._clicked)
        table.connect("cellActivated(int,int)", self._clicked)

    def show(self, cases: tuple[Case, ...]) -> None:
        """Shows these cases."""
        if cases is self._cases:
            return
        before, self._cases = self._cases, cases
        self._table.setRowCount(len(cases))
        for n, case in enumerate(cases):
            if n >= len(before) or before[n] != case:
                self._write(n, case)
        hadFigures = any(case.disagreement is not None for case in before)
        hasFigures = any(case.disagreement is not None for case in cases)
        self._table.setColumnHidden(UNSURE, not hasFigures)
        if len(cases) != len(before) or hasFigures != hadFigures:
            self._table.resizeColumnsToContents()
            widest = NARROWER if hasFigures else WIDEST
            self._table.setColumnWidth(0, min(self._table.columnWidth(0), widest))

    def _write(self, n: int, case: Case) -> None:
        for column, text in enumerate(batch_state.row(case)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            self._table.setItem(n, column, item)

    def _clicked(self, row: int, _column: int) -> None:
        if row < len(self._cases):
            self._onClicked(self._cases[row].scan)
