"""The two lists of the panel: models to choose one of, structures to tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt

from . import offered_models

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered


class ModelListView:
    """The models that match the search; the chosen one is marked where it is among them."""

    def __init__(self, listWidget: Any, searchEdit: Any, onChosen: Callable[[str], None]) -> None:
        """``onChosen`` is told the name of the model that a person clicks."""
        self._list, self._search, self._onChosen = listWidget, searchEdit, onChosen
        self._models: Sequence[Offered] = ()
        self._shown: Sequence[Offered] = ()
        self._chosen = ""
        self._filling = False
        listWidget.connect("currentRowChanged(int)", self._rowChanged)
        searchEdit.connect("textChanged(QString)", self._fill)

    def show(self, models: Sequence[Offered], chosen: str) -> None:
        """Shows these models."""
        if (models, chosen) != (self._models, self._chosen):
            self._models, self._chosen = models, chosen
            self._fill()

    def _fill(self, _text: str = "") -> None:
        shown = offered_models.matching(self._models, self._search.text)
        self._filling = True
        if shown != self._shown:
            self._shown = shown
            self._list.clear()
            for model in shown:
                item = qt.QListWidgetItem(offered_models.line(model))
                item.setToolTip(offered_models.tooltip(model))
                self._list.addItem(item)
        names = [model.name for model in shown]
        self._list.setCurrentRow(names.index(self._chosen) if self._chosen in names else -1)
        self._filling = False

    def _rowChanged(self, row: int) -> None:
        if not self._filling and row >= 0:
            self._onChosen(self._shown[row].name)


class StructureListView:
    """The structures of a model, each with a tick."""

    def __init__(self, listWidget: Any, onChosen: Callable[[Sequence[str]], None]) -> None:
        """``onChosen`` is told the ticked names when a person ticks."""
        self._list, self._onChosen = listWidget, onChosen
        self._structures: Sequence[str] = ()
        self._filling = False
        listWidget.connect("itemChanged(QListWidgetItem*)", self._itemChanged)

    def show(self, structures: Sequence[str], chosen: Sequence[str]) -> None:
        """Shows these structures."""
        self._filling = True
        if structures != self._structures:
            self._structures = structures
            self._list.clear()
            for name in structures:
                self._list.addItem(qt.QListWidgetItem(name))
        ticked = set(chosen)
        for row, name in enumerate(structures):
            self._list.item(row).setCheckState(qt.Qt.Checked if name in ticked else qt.Qt.Unchecked)
        self._filling = False

    def _itemChanged(self, _item: Any) -> None:
        if not self._filling:
            ticked = [name for row, name in enumerate(self._structures) if self._isTicked(row)]
            self._onChosen(ticked)

    def _isTicked(self, row: int) -> bool:
        return bool(self._list.item(row).checkState() == qt.Qt.Checked)


class ChoiceView:
    """A combo box whose choices are values with a text each."""

    def __init__(self, box: Any, onChosen: Callable[[str], None]) -> None:
        """``onChosen`` is told the value that a person chooses."""
        self._box, self._onChosen = box, onChosen
        self._choices: tuple[tuple[str, str], ...] = ()
        self._filling = False
        box.connect("currentIndexChanged(int)", self._changed)

    def show(self, choices: Sequence[tuple[str, str]], chosen: str) -> None:
        """Shows values and texts; a chosen value that is not among them is added."""
        values = [value for value, _text in choices]
        if chosen not in values:
            choices, values = [*choices, (chosen, chosen)], [*values, chosen]
        self._filling = True
        if tuple(choices) != self._choices:
            self._choices = tuple(choices)
            self._box.clear()
            for _value, text in choices:
                self._box.addItem(text)
        self._box.setCurrentIndex(values.index(chosen))
        self._filling = False

    def _changed(self, index: int) -> None:
        if not self._filling and 0 <= index < len(self._choices):
            self._onChosen(self._choices[index][0])
