"""The page of batches: many scans, one model. What follows from a click is in ``batch_workflow``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctk
import qt
import slicer

from MedDLCore.batch.service import BatchJob
from MedDLCore.errors import MedDLError

from . import batch_state, offered_models
from .batch_child import BatchChild
from .batch_state import DATABASE, FOLDER, SELECTION, Case
from .batch_workflow import BatchWorkflow
from .case_table import CaseTable
from .database_insertion import DatabaseInsertion
from .database_selection import databaseFolder, selectedSeries
from .label import showText
from .list_views import ChoiceView
from .parameters import MedDLSegmentParameterNode
from .path_edit import PathEdit
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

LAST_BATCH = "MedDL/LastBatch"
"""The setting with the choices of a batch that was started and has not come to its end: it can go on."""

KEPT = (
    "model", "batchSource", "batchFolder", "batchOut", "batchModality", "batchThickness", "batchDescription",
    "batchThinnest", "batchRuleFile", "batchWorkers", "batchPictures",
)  # fmt: skip
"""The parameters that it has."""


class BatchPage:
    """Ties the widgets of ``MedDLSegmentBatch.ui`` to the parameters and the workflow.

    Attributes:
        workflow: what is shown, and what clicks lead to.
    """

    def __init__(self, ui: Any, child: BatchChild, scene: Any) -> None:
        """``ui``: the widgets by their names."""
        self._ui, self._child, self._scene = ui, child, scene
        self._parameters: MedDLSegmentParameterNode | None = None
        self._guiTag: int | None = None
        self._models: Sequence[Offered] = ()
        self._toDatabase = self._isUnfinished = False
        self.workflow = BatchWorkflow(child, self._show, self._stored)
        self._insertion = DatabaseInsertion(self.workflow.stored, self.workflow.notStored)
        self._cases = CaseTable(ui.caseTable, self.onCase)
        self._sources = ChoiceView(ui.sourceComboBox, lambda source: self._set("batchSource", source))
        self._modalities = ChoiceView(ui.modalityComboBox, lambda modality: self._set("batchModality", modality))
        kinds, workflow = ctk.ctkPathLineEdit, self.workflow
        self._paths = {
            "batchFolder": PathEdit(ui.folderPath, kinds.Dirs, lambda path: self._set("batchFolder", path)),
            "batchOut": PathEdit(ui.outPath, kinds.Dirs, lambda path: self._set("batchOut", path)),
            "batchRuleFile": PathEdit(ui.ruleFilePath, kinds.Files, lambda path: self._set("batchRuleFile", path)),
        }
        for button, act in (
            (ui.previewButton, lambda: workflow.preview(self._job())),
            (ui.startButton, self.onStart),
            (ui.rankButton, lambda: workflow.rank(self._job())),
            (ui.pauseButton, workflow.pause),
            (ui.tableButton, self.onTable),
            (ui.reportButton, self.onReport),
        ):
            button.connect("clicked()", act)
        self._showParameters()
        self._show()

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed. A batch goes on."""
        self.disconnectGui()
        self._parameters = parameters
        if parameters is None:
            self.workflow.sceneClosed()
        else:
            self._offerLast(parameters)
            self._guiTag = parameters.connectGui(self._ui)
        self.parametersChanged()

    def setModels(self, models: Sequence[Offered]) -> None:
        """The models of this machine."""
        self._models = models
        self.parametersChanged()

    def usePython(self, python: str) -> None:
        """Another interpreter was chosen, or the chosen one has new libraries."""
        self._child.usePython(python)

    def disconnectGui(self) -> None:
        """Widgets and choices do not follow each other, until ``setParameters``."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)

    def parametersChanged(self) -> None:
        """A choice has changed, on this page, on another, or in the scene."""
        self._showParameters()
        chosen = self._parameters
        if chosen is None:
            self.workflow.choose(path="", out="", model=None)
            return
        path = chosen.batchFolder if chosen.batchSource == FOLDER else databaseFolder()
        model = offered_models.modelNamed(self._models, chosen.model)
        rules = (*_rules(chosen), chosen.batchRuleFile)
        self.workflow.choose(source=chosen.batchSource, path=path, out=chosen.batchOut, model=model, rules=rules)

    def onStart(self) -> None:
        """Start, or Cancel."""
        state, job = self.workflow.state, self._job()
        if state.work is None:
            self._toDatabase = state.source != FOLDER
            self._isUnfinished = True
            self._insertion.restart()
            if self._parameters is not None:
                kept = {name: getattr(self._parameters, name) for name in KEPT}
                qt.QSettings().setValue(LAST_BATCH, json.dumps(kept))
        self.workflow.start(job)

    def onCase(self, scan: str) -> None:
        """A case was clicked: why it ended so, and, where it is done, the scan with what was found."""
        from MedDLScene.batch_nodes import openedScans

        opened = openedScans(scan, self._scene)
        self.workflow.click(scan, None if opened else self._open)
        if opened:
            self._lookAt(opened[0], self.workflow.state.case)

    def onTable(self) -> None:
        """Shows the table of all segments in a layout that has room for it."""
        from MedDLScene.batch_nodes import segmentsTable

        try:
            table = segmentsTable(Path(self.workflow.state.segments), self._scene)
        except MedDLError as error:
            self.workflow.refused(error)
            return
        layouts = slicer.app.layoutManager()
        layouts.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(layouts.layout))
        logic = slicer.app.applicationLogic()
        logic.GetSelectionNode().SetActiveTableID(table.GetID())
        logic.PropagateTableSelection()

    def onReport(self) -> None:
        """Shows the report in the system's browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self.workflow.state.report))

    def close(self) -> None:
        """Nothing goes on after this. What is done of a batch stays done."""
        self._insertion.close()
        self._child.close()

    def _job(self) -> BatchJob:
        state, chosen = self.workflow.state, self._parameters
        if chosen is None or state.model is None:
            return BatchJob(state.path, state.out, "")
        return BatchJob(
            state.path,
            state.out,
            state.model.name,
            _rules(chosen),
            chosen.batchRuleFile,
            selectedSeries() if state.source == SELECTION else (),
            chosen.device,
            chosen.threads or None,
            chosen.batchWorkers,
            chosen.batchPictures,
        )

    def _stored(self, path: str, instance: str) -> None:
        if self._toDatabase:
            self._insertion.add(path, instance)

    def _open(self, case: Case | None, told: Mapping[str, Any]) -> None:
        """A finished case before the person's eyes; its voxels are deleted once they are taken."""
        if case is not None:
            volumes = [self._toScene(case, part, told["instances"]) for part in told["parts"]]
            for volume in volumes[:1]:
                self._lookAt(volume, case)
        for part in told["parts"]:
            for given in (part["scan"], part.get("found")):
                if given is not None:
                    with suppress(OSError):
                        (self._child.folder / given["array"]).unlink()

    def _lookAt(self, volume: Any, case: Case | None) -> None:
        """A case in the slice views; one without a result is the scan of the other pages then: it is to be drawn."""
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        if case is not None and case.disagreement is not None and not case.hasResult:
            self._set("inputVolume", volume)

    def _toScene(self, case: Case, part: Mapping[str, Any], instances: Sequence[str]) -> Any:
        """A volume of a case, with what was found in it, if anything was looked for."""
        from MedDLCore.plain_data import from_plain
        from MedDLCore.worker.arrays import take_label_map, take_volume
        from MedDLCore.worker.messages import Scan
        from MedDLScene.batch_nodes import batchScanToScene, scanToScene

        volume = take_volume(from_plain(Scan, part["scan"], "scan"), self._child.folder)
        if "found" not in part:
            return scanToScene(case.scan, case.name, volume, instances, self._scene)
        found = take_label_map(part["found"], self._child.folder)
        about = part["statistics"], part["manifest"], instances
        return batchScanToScene(case.scan, case.name, volume, found, *about, self._scene)

    def _offerLast(self, parameters: MedDLSegmentParameterNode) -> None:
        """A batch that did not come to its end, where no other is chosen: Start goes on with it."""
        if parameters.batchOut:
            return
        kept: Mapping[str, Any] = {}
        with suppress(ValueError):  # a setting that somebody has edited
            kept = json.loads(str(qt.QSettings().value(LAST_BATCH, "") or "{}"))
        if Path(kept.get("batchOut", "")).is_dir():
            for name, value in kept.items():
                if name in KEPT and (name != "model" or not parameters.model):
                    setattr(parameters, name, value)

    def _set(self, name: str, value: Any) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _showParameters(self) -> None:
        ui, chosen = self._ui, self._parameters
        source = chosen.batchSource if chosen is not None else DATABASE
        modality = chosen.batchModality if chosen is not None else ""
        sources = (
            (DATABASE, _("Slicer's DICOM database")),
            (SELECTION, _("What is selected in Slicer's DICOM database")),
            (FOLDER, _("A folder")),
        )
        self._sources.show(sources, source)
        self._modalities.show((("", _("Any that fits the model")), ("CT", "CT"), ("MR", "MR"), ("PT", "PT")), modality)
        ui.folderLabel.enabled = ui.folderPath.enabled = source == FOLDER
        for name, edit in self._paths.items():
            edit.show(getattr(chosen, name) if chosen is not None else "")

    def _show(self) -> None:
        state, ui = self.workflow.state, self._ui
        if self._isUnfinished and state.work is None and state.report:
            self._isUnfinished = False
            qt.QSettings().remove(LAST_BATCH)
        ui.modelName.text = batch_state.modelLine(state)
        for button, widget in (
            (batch_state.previewButton(state), ui.previewButton),
            (batch_state.startButton(state), ui.startButton),
            (batch_state.rankButton(state), ui.rankButton),
            (batch_state.pauseButton(state), ui.pauseButton),
            (batch_state.tableButton(state), ui.tableButton),
            (batch_state.reportButton(state), ui.reportButton),
        ):
            button.show(widget)
        for section in (ui.scansCollapsibleButton, ui.rulesCollapsibleButton):
            section.enabled = state.work is None
        work = state.work
        ui.progressBar.visible = work is not None
        ui.progressBar.maximum = 1000 if work is not None and work.fraction is not None else 0
        ui.progressBar.value = round(1000 * (work.fraction or 0.0)) if work is not None else 0
        self._cases.show(state.cases)
        ui.caseTable.visible = bool(state.cases)
        showText(ui.statusLabel, batch_state.statusLine(state) or batch_state.reasonNotToRun(state))
        showText(ui.caseLabel, _("Opening the scan ...") if state.showing else batch_state.details(state.case))


def _rules(chosen: MedDLSegmentParameterNode) -> tuple[str, ...]:
    return batch_state.rules(chosen.batchModality, chosen.batchThickness, chosen.batchDescription, chosen.batchThinnest)
