"""The page of models: what is here, and what can be had. What follows from a click is in ``models_state``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker.messages import Errand

from . import models_state
from .model_errands import ModelErrands
from .models_state import Examined, ModelsState, Row, Work
from .remedies import said
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered


class ModelsPage:
    """Ties the widgets of ``MedDLSegmentModels.ui`` to the errands and the state.

    Attributes:
        state: what is shown.
    """

    def __init__(self, ui: Any, errands: ModelErrands, onChanged: Callable[[], None]) -> None:
        """``onChanged`` is called when a model came or went."""
        self._ui, self._errands, self._onChanged = ui, errands, onChanged
        self._shown: tuple[Row, ...] = ()
        self._filling = False
        self.state = ModelsState()
        ui.search.connect("textChanged(QString)", lambda _text: self._show())
        ui.list.connect("currentRowChanged(int)", self._choose)
        ui.agreeCheckBox.connect("toggled(bool)", lambda ticked: self._update(agreed=ticked))
        ui.mainButton.connect("clicked()", self.onMainButton)
        ui.removeButton.connect("clicked()", self.onRemove)
        ui.addFolderButton.connect("clicked()", self.onAddFolder)
        ui.addZipButton.connect("clicked()", self.onAddZip)
        ui.openFolderButton.connect("clicked()", self.onOpenFolder)
        self._show()

    def enter(self) -> None:
        """The person looks at the page: the catalogue is a file, which is read now."""
        from MedDLCore.models.catalogue import catalogue

        self._update(entries=catalogue())

    def setModels(self, models: tuple[Offered, ...] | None, memory: int) -> None:
        """The models of this machine, as the worker told them, and its memory in bytes; 0: not known."""
        self._update(models=models, memory=memory)

    def onMainButton(self) -> None:
        """Get, Trust, or Cancel."""
        state = self.state
        if state.work is not None:
            self._update(work=Work(state.work.kind, state.work.name, state.work.fraction, cancelling=True))
            self._errands.cancel()
        elif state.examined is not None:
            self._start("trust", Errand(state.examined.folder, sha256=state.examined.sha256))
        elif state.row is not None and state.row.entry is not None and state.agreed:
            self._start("get", Errand(state.row.name, accept_licence=True))

    def onRemove(self) -> None:
        """Deletes a model, when the person says so once more."""
        row = self.state.row
        if row is None or row.offered is None:
            return
        size = models_state.removeButton(self.state)
        text = _("{what} {name}? {how}").format(what=size.text, name=models_state.line(row), how=size.toolTip)
        if slicer.util.confirmOkCancelDisplay(text, _("Models")):
            self._start("remove", Errand(row.name))

    def onAddFolder(self) -> None:
        """A folder that the person chooses."""
        self._add(qt.QFileDialog.getExistingDirectory(None, _("The folder of a model"), ""))

    def onAddZip(self) -> None:
        """A zip that the person chooses."""
        self._add(qt.QFileDialog.getOpenFileName(None, _("The zip of a model"), "", "*.zip"))

    def onOpenFolder(self) -> None:
        """Shows the folder of models, made where there is none, in the system's own program."""
        from MedDLCore.models import ModelStore

        folder = ModelStore().path
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._update(said=_("The folder of models cannot be made: {why}").format(why=error.strerror))
            return
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def _add(self, path: str) -> None:
        if path:
            self._start("add", Errand(path))

    def _start(self, kind: Any, errand: Errand) -> None:
        if self._errands.isRunning:
            return
        self._update(work=Work(kind, Path(errand.model).name), said="")
        self._errands.start(
            kind,
            errand,
            self._progressed,
            lambda told: self._done(kind, errand, told),
            lambda error: self._failed(kind, errand, error),
        )

    def _progressed(self, fraction: float) -> None:
        work = self.state.work
        if work is not None:
            self._update(work=Work(work.kind, work.name, fraction, work.cancelling))

    def _done(self, kind: str, errand: Errand, told: Mapping[str, Any]) -> None:
        self._update(work=None)
        if kind == "examine":
            self._update(chosen="", examined=Examined.of(errand.model, told), said="")
            return
        name = str(told["name"])
        self._update(examined=None, chosen=name, said=models_state.doneText(kind, Path(name).name))
        self._onChanged()

    def _failed(self, kind: str, errand: Errand, error: MedDLError) -> None:
        self._update(work=None)
        if error.code is Code.MODEL_UNTRUSTED and kind == "add" and Path(errand.model).is_dir():
            self._start("examine", errand)
        else:
            self._update(said=said(error))

    def _choose(self, row: int) -> None:
        if not self._filling and row >= 0:
            self._update(chosen=self._shown[row].name, examined=None, said="")

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._show()

    def _show(self) -> None:
        state, ui = self.state, self._ui
        self._fill(models_state.matching(state.rows, ui.search.text))
        details = models_state.details(state)
        if ui.details.plainText != details:
            ui.details.setPlainText(details)
        agree = models_state.agreeText(state)
        ui.agreeCheckBox.text, ui.agreeCheckBox.visible = agree, bool(agree)
        ui.agreeCheckBox.checked = state.agreed
        ui.agreeCheckBox.enabled = ui.list.enabled = state.work is None
        models_state.mainButton(state).show(ui.mainButton)
        models_state.removeButton(state).show(ui.removeButton)
        for button in (ui.addFolderButton, ui.addZipButton):
            button.enabled = state.work is None
        ui.progressBar.visible = state.work is not None
        ui.progressBar.maximum = 1000 if state.work is not None and 0 < state.work.fraction < 1 else 0
        ui.progressBar.value = round(1000 * state.work.fraction) if state.work is not None else 0
        status = models_state.statusLine(state)
        ui.statusLabel.text, ui.statusLabel.visible = status, bool(status)

    def _fill(self, rows: tuple[Row, ...]) -> None:
        self._filling = True
        if rows != self._shown:
            self._shown = rows
            self._ui.list.clear()
            for row in rows:
                self._ui.list.addItem(qt.QListWidgetItem(models_state.line(row)))
        names = [row.name for row in rows]
        self._ui.list.setCurrentRow(names.index(self.state.chosen) if self.state.chosen in names else -1)
        self._filling = False
