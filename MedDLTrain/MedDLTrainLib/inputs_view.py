"""The table of the volumes that the cases of a scene are made of, and the choice of another one below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from MedDLSegmentLib.list_views import ChoiceView
from MedDLSegmentLib.translation import _

from .case_inputs import CaseInputs, SceneScan
from .table_views import TableView

OnChosen = Callable[[CaseInputs, str, SceneScan | None], None]


class InputsView:
    """A row for each input of each case; the volume of the current row can be changed."""

    def __init__(self, table: Any, label: Any, box: Any, onChosen: OnChosen) -> None:
        """``onChosen`` is told a case, a channel, and the scan that a person chose for it."""
        self._table, self._label, self._box, self._onChosen = table, label, box, onChosen
        self._rows: tuple[tuple[CaseInputs, str, SceneScan | None], ...] = ()
        self._scans: Sequence[SceneScan] = ()
        self._row = 0
        self._view = TableView(table)
        self._choice = ChoiceView(box, self._chosen)
        table.connect("currentItemChanged(QTableWidgetItem*,QTableWidgetItem*)", self._itemChanged)

    def show(self, cases: Sequence[CaseInputs], channels: Sequence[str], scans: Sequence[SceneScan]) -> None:
        """Shows the cases; without any, nothing is seen."""
        self._scans = scans
        self._rows = tuple(
            (case, channel, scan) for case in cases for channel, scan in zip(channels, case.scans, strict=True)
        )
        texts = [
            (case.drawn.name, channel, scan.name if scan is not None else _("none"))
            for case, channel, scan in self._rows
        ]
        row = self._row
        self._view.show((_("Case"), _("Input"), _("Volume")), texts)
        for widget in (self._table, self._label, self._box):
            widget.visible = bool(self._rows)
        self._row = row if row < len(self._rows) else 0
        if self._rows:
            self._table.setCurrentCell(self._row, 2)
            self._showChoice()

    def _showChoice(self) -> None:
        case, channel, scan = self._rows[self._row]
        self._label.text = _("{channel} of {case}:").format(channel=channel, case=case.drawn.name)
        names = [(each.key, each.name) for each in self._scans]
        self._choice.show([("", _("none")), *names], scan.key if scan is not None else "")

    def _itemChanged(self, item: Any) -> None:
        if item is not None and item.row() < len(self._rows):
            self._row = item.row()
            self._showChoice()

    def _chosen(self, key: str) -> None:
        case, channel, _scan = self._rows[self._row]
        self._onChosen(case, channel, next((scan for scan in self._scans if scan.key == key), None))
