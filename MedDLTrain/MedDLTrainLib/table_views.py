"""Tables, lists and choices of the panel: filled anew only where their content has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

ROW_HEIGHT = 24
"""Pixels."""


class TableView:
    """Rows of texts under a header. A click chooses a row."""

    def __init__(
        self,
        table: Any,
        onChosen: Callable[[int], None] | None = None,
        onEdited: Callable[[int, str], None] | None = None,
    ) -> None:
        """``onChosen`` is told the row that a person clicks, ``onEdited`` a row and the new text of its last column."""
        self._table, self._onChosen, self._onEdited = table, onChosen, onEdited
        self._shown: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] = ((), ())
        self._filling = False
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.horizontalHeader().setStretchLastSection(True)
        if onChosen is not None:
            table.connect("cellClicked(int,int)", self._clicked)
        if onEdited is not None:
            table.connect("itemChanged(QTableWidgetItem*)", self._edited)

    def show(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Shows these rows."""
        content = (tuple(header), tuple(tuple(row) for row in rows))
        if content == self._shown:
            return
        self._shown, self._filling = content, True
        self._table.setColumnCount(len(header))
        self._table.setRowCount(len(rows))
        self._table.setHorizontalHeaderLabels(list(header))
        for n, row in enumerate(rows):
            for column, text in enumerate(row):
                self._table.setItem(n, column, self._item(text, column == len(header) - 1))
        self._table.resizeColumnsToContents()
        self._filling = False

    def _item(self, text: str, isLast: bool) -> Any:
        item = qt.QTableWidgetItem(text)
        item.setToolTip(text)
        if not (isLast and self._onEdited is not None):
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
        return item

    def _clicked(self, row: int, _column: int) -> None:
        if self._onChosen is not None:
            self._onChosen(row)

    def _edited(self, item: Any) -> None:
        if not self._filling and self._onEdited is not None:
            self._onEdited(item.row(), item.text())


class CaseListView:
    """Cases, each with a tick that says whether it is used. A click chooses one."""

    def __init__(
        self, listWidget: Any, onChosen: Callable[[str], None], onLeftOut: Callable[[list[str]], None]
    ) -> None:
        """``onLeftOut`` is told the ids without a tick when a person ticks."""
        self._list, self._onChosen, self._onLeftOut = listWidget, onChosen, onLeftOut
        self._cases: Sequence[tuple[str, str, str]] = ()
        self._filling = False
        listWidget.connect("itemChanged(QListWidgetItem*)", self._itemChanged)
        listWidget.connect("currentRowChanged(int)", self._rowChanged)

    def show(self, cases: Sequence[tuple[str, str, str]], leftOut: Sequence[str]) -> None:
        """Shows ids, names and problems."""
        self._filling = True
        if cases != self._cases:
            self._cases = cases
            self._list.clear()
            for _id, name, problem in cases:
                item = qt.QListWidgetItem(f"{name}: {problem}" if problem else name)
                item.setToolTip(problem or name)
                self._list.addItem(item)
        for row, (case, _name, _problem) in enumerate(cases):
            self._list.item(row).setCheckState(qt.Qt.Unchecked if case in leftOut else qt.Qt.Checked)
        self._filling = False

    def choose(self, case: str) -> None:
        """Marks a case."""
        ids = [each[0] for each in self._cases]
        if case in ids:
            self._list.setCurrentRow(ids.index(case))

    def _itemChanged(self, _item: Any) -> None:
        if not self._filling:
            states = [self._list.item(row).checkState() for row in range(len(self._cases))]
            self._onLeftOut(
                [case[0] for case, state in zip(self._cases, states, strict=True) if state == qt.Qt.Unchecked]
            )

    def _rowChanged(self, row: int) -> None:
        if not self._filling and row >= 0:
            self._onChosen(self._cases[row][0])
