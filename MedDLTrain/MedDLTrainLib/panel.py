"""The panel: what a person does goes to the workflow, and its state is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ctk
import qt
import slicer

from MedDLCore.errors import MedDLError
from MedDLSegmentLib.database_selection import databaseFolder
from MedDLSegmentLib.label import showText
from MedDLSegmentLib.list_views import ChoiceView
from MedDLSegmentLib.path_edit import PathEdit
from MedDLSegmentLib.translation import _
from MedDLTraining.plan import NAMED

from . import train_state, wording
from .case_inputs import CaseInputs, SceneScan, chosen, problemOf, toText
from .case_opening import CaseOpening
from .earlier import earlierIn
from .inputs_view import InputsView
from .scene_cases import SceneCases
from .table_views import CaseListView, TableView
from .train_session import TrainSession
from .train_state import DATABASE, FOLDER, SCENE
from .workflow import Workflow

AUTO = "auto"

LAST_TRAINING = "MedDL/LastTraining"
"""The setting with the folder of the training that was begun last."""

PREVIEW_WIDTH = 400
"""Pixels."""


class TrainPanel:
    """Ties the widgets to the parameters and the workflow.

    Attributes:
        workflow: what is shown, and what clicks lead to.
    """

    def __init__(self, ui: Any, session: TrainSession, scene: Any, onUse: Callable[[str], None]) -> None:
        """``ui``: the widgets of ``MedDLTrain.ui`` by their names; ``onUse``: opens a model in MedDLSegment."""
        from MedDLScene.learning_curves import LearningCurves

        self._ui, self._session, self._scene, self._onUse = ui, session, scene, onUse
        self._parameters: Any = None
        self._case = ""
        self._finding = -1
        self._drawn = 0
        self._picture = ""
        self._cases = SceneCases(scene, session)
        self._curves = LearningCurves(scene)
        self.workflow = Workflow(session, self._show)
        self._opening = CaseOpening(scene, session, self.workflow, self._cases)
        session.onDevices = self._showParameters
        self._caseList = CaseListView(ui.caseList, self._chooseCase, lambda out: self._set("leftOut", out))
        self._inputs = InputsView(ui.inputTable, ui.inputLabel, ui.inputComboBox, self._chooseInput)
        self._labels = TableView(ui.labelTable, onEdited=self.workflow.setLabel)
        self._findings = TableView(ui.findingTable, onChosen=self._chooseFinding)
        self._report = TableView(ui.reportTable)
        self._judged = TableView(ui.judgedTable, onChosen=self._openJudged)
        self._sources = ChoiceView(ui.sourceComboBox, self._chooseSource)
        self._devices = ChoiceView(ui.deviceComboBox, lambda device: self._set("device", device))
        self._networks = ChoiceView(ui.networkComboBox, lambda network: self._set("network", network))
        kinds = ctk.ctkPathLineEdit
        self._paths = {
            "dataFolder": PathEdit(ui.dataPath, kinds.Dirs, self._chooseData),
            "trainingFolder": PathEdit(ui.trainingPath, kinds.Dirs, lambda path: self._set("trainingFolder", path)),
            "planFile": PathEdit(ui.planPath, kinds.Files, lambda path: self._set("planFile", path)),
        }
        self._connect()
        self._show()

    def _connect(self) -> None:
        ui, workflow = self._ui, self.workflow
        ui.channelsLineEdit.connect("textEdited(QString)", lambda _text: self._forgetCases())
        for button, act in (
            (ui.checkButton, self.onCheck),
            (ui.openButton, lambda: self._opening.open(self._case, False)),
            (ui.planButton, lambda: self._cancelOr("plan", workflow.plan)),
            (
                ui.previewButton,
                lambda: self._opening.preview(self._case if self._case in workflow.state.usable else ""),
            ),
            (ui.startButton, self.onStart),
            (ui.pauseButton, workflow.pause),
            (ui.curvesButton, self.onCurves),
            (ui.evaluateButton, lambda: self._cancelOr("evaluate", workflow.evaluate)),
            (ui.publishButton, workflow.publish),
            (ui.useButton, lambda: workflow.use(self._onUse)),
        ):
            button.connect("clicked()", self._guarded(act))

    def enter(self) -> None:
        """The person has chosen the module."""
        self._offerUnfinished()
        self.parametersChanged()

    def setParameters(self, parameters: Any) -> None:
        """Shows the choices of this node; None: the scene is closed."""
        self._parameters = parameters
        self._endHandover()
        self._case, self._finding = "", -1
        self.workflow.setParameters(parameters)
        self._offerUnfinished()
        self.parametersChanged()

    def _offerUnfinished(self) -> None:
        """The training that was begun last, where it is not done and no other is chosen."""
        if self._parameters is None or self._parameters.trainingFolder:
            return
        last = str(qt.QSettings().value(LAST_TRAINING, "") or "")
        earlier = earlierIn(last)
        if earlier is not None and not earlier.isDone:
            self._parameters.trainingFolder = last

    def parametersChanged(self) -> None:
        """A choice has changed, here or in the scene."""
        if self._parameters is not None and self._parameters.source == SCENE:
            self._lookAtScene()
        else:
            self._inputs.show((), (), ())
            self.workflow.look(0, databaseFolder())
        self._showParameters()

    def _lookAtScene(self) -> None:
        try:
            scans, cases = self._cases.look(self._parameters.channels, self._parameters.caseInputs)
        except MedDLError:
            self._inputs.show((), (), ())
            self.workflow.look(1)  # asked to check, it says what is wrong
            return
        channels = self._cases.channels
        self._inputs.show(cases if channels else (), channels, scans)
        self.workflow.look(len(cases), "", problemOf(cases, channels))

    def _chooseInput(self, case: CaseInputs, channel: str, scan: SceneScan | None) -> None:
        self._set("caseInputs", toText(chosen(self._cases.choices, case, channel, scan)))
        self._forgetCases()

    def close(self) -> None:
        """Nothing goes on after this."""
        self._cases.stop()

    def onCheck(self) -> None:
        """Check, or Cancel; scans of the scene are given to the child process first."""
        workflow = self.workflow
        if workflow.state.work is not None:
            self._endHandover()
            workflow.cancel()
        elif workflow.state.source == SCENE:
            self.parametersChanged()  # the scene is as it is now
            self._cases.give(workflow.collect, workflow.handingOver, workflow.refused)
        else:
            workflow.check()

    def _endHandover(self) -> None:
        self._cases.stop()
        self.workflow.handingOverEnded()

    def onStart(self) -> None:
        """Start, Resume or Stop."""
        if self.workflow.state.work is not None:
            self.workflow.cancel()
        else:
            qt.QSettings().setValue(LAST_TRAINING, self._parameters.trainingFolder)
            self._drawn = 0
            self.workflow.train()
            self.onCurves()

    def onCurves(self) -> None:
        """Shows the plot view."""
        if self._curves.chart is not None and self._curves.chart.GetScene() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(self._curves.chart)

    def _cancelOr(self, kind: str, act: Callable[[], None]) -> None:
        work = self.workflow.state.work
        if work is not None and work.kind == kind:
            self.workflow.cancel()
        else:
            act()

    def _guarded(self, act: Callable[[], None]) -> Callable[[], None]:
        """An error of a click is said in the panel."""

        def clicked() -> None:
            try:
                act()
            except MedDLError as error:
                self.workflow.refused(error)

        return clicked

    def _openJudged(self, row: int) -> None:
        report = self.workflow.state.report
        if report is not None and self.workflow.state.work is None:
            self._opening.open(report["cases"][row]["case"], True)

    def _chooseCase(self, case: str) -> None:
        self._case = case
        self._show()

    def _chooseFinding(self, row: int) -> None:
        """A click on a finding opens its first case."""
        self._finding, check = row, self.workflow.state.check
        cases = check["findings"][row]["cases"] if check is not None else ()
        if check is not None and cases:
            self._case = cases[0]
            self._caseList.choose(self._case)
            if self.workflow.state.work is None and self._case in self.workflow.state.usable:
                self._opening.open(self._case, False)
        self._show()

    def _chooseSource(self, source: str) -> None:
        self._set("source", source)
        self._forgetCases()

    def _chooseData(self, folder: str) -> None:
        self._set("dataFolder", folder)
        self._forgetCases()

    def _set(self, name: str, value: Any) -> None:
        if self._parameters is not None and getattr(self._parameters, name) != value:
            setattr(self._parameters, name, value)

    def _forgetCases(self) -> None:
        """What a person decided of other cases."""
        self._set("labelTable", "")
        self._set("leftOut", [])

    def _showParameters(self) -> None:
        """What no parameter's own connection shows."""
        parameters = self._parameters
        if parameters is None:
            return
        sources = [
            (FOLDER, _("Folder of scans and segmentations")),
            (SCENE, _("Scans of this scene")),
            (DATABASE, _("DICOM database of this Slicer")),
        ]
        self._sources.show(sources, parameters.source)
        self._networks.show([("", _("As planned")), *((name, name) for name in NAMED)], parameters.network)
        devices = [(AUTO, _("Automatic")), *((name, name) for name in self._session.devices)]
        self._devices.show(devices, parameters.device)
        for name, edit in self._paths.items():
            edit.show(getattr(parameters, name))

    def _show(self) -> None:
        """Everything that depends on the state."""
        state, ui = self.workflow.state, self._ui
        if self._case not in {case[0] for case in state.cases}:
            self._case = ""
        licence = self._parameters.licence.strip() if self._parameters is not None else ""
        for widget, button in (
            (ui.checkButton, train_state.checkButton(state)),
            (ui.openButton, train_state.openButton(state, self._case)),
            (ui.planButton, train_state.planButton(state)),
            (ui.previewButton, train_state.previewButton(state)),
            (ui.startButton, train_state.startButton(state)),
            (ui.pauseButton, train_state.pauseButton(state)),
            (ui.evaluateButton, train_state.evaluateButton(state)),
            (ui.publishButton, train_state.publishButton(state, licence)),
            (ui.useButton, train_state.useButton(state)),
        ):
            button.show(widget)
        ui.dataLabel.visible = ui.dataPath.visible = state.source == FOLDER
        ui.channelsLabel.visible = ui.channelsLineEdit.visible = state.namedInputs is None
        showText(ui.namedInputsLabel, wording.inputsLine(state))
        self._showCheck()
        self._showTraining()
        self._showReport()

    def _showCheck(self) -> None:
        state, ui = self.workflow.state, self._ui
        self._caseList.show(state.cases, state.leftOut)
        rows = (state.check or {}).get("rows", ())
        labels = self.workflow.labelRows()
        self._labels.show((_("Segment"), _("Code"), _("Label")), [(row.segment, row.code, row.label) for row in labels])
        self._findings.show((_("Severity"), _("Case"), _("What was found")), wording.findingRows(state.check))
        findings = (state.check or {}).get("findings", ())
        chosen = findings[self._finding] if 0 <= self._finding < len(findings) else None
        showText(ui.findingLabel, wording.findingDetail(chosen) if chosen is not None else "")
        showText(ui.checkLabel, wording.checkSummary(state))
        for widget in (ui.caseList, ui.openButton):
            widget.visible = bool(state.cases)
        ui.labelsCollapsibleButton.visible = bool(rows)
        ui.findingTable.visible = bool(findings)

    def _showTraining(self) -> None:
        state, ui = self.workflow.state, self._ui
        showText(ui.planLabel, wording.planSummary(state.plan))
        showText(ui.statusLabel, wording.statusLine(state))
        showText(ui.closingLabel, wording.closingLine(state))
        warnings = [_("Warning: {text}").format(text=notice.message) for notice in state.notices]
        showText(ui.warningsLabel, "\n".join(warnings))
        work = state.work
        ui.progressBar.visible = work is not None
        ui.progressBar.setMaximum(0 if work is not None and work.fraction is None else 1000)
        ui.progressBar.setValue(round(1000 * (work.fraction or 0.0)) if work is not None else 0)
        for choice in (
            ui.sourceComboBox, ui.dataPath, ui.channelsLineEdit, ui.inputTable, ui.inputComboBox, ui.trainingPath,
            ui.caseList, ui.labelTable, ui.minutesSpinBox, ui.memorySpinBox, ui.interactiveCheckBox,
            ui.advancedCollapsibleButton,
        ):  # fmt: skip
            choice.enabled = work is None
        if state.picture != self._picture:
            self._picture = state.picture
            ui.previewLabel.setPixmap(
                qt.QPixmap(state.picture).scaledToWidth(PREVIEW_WIDTH, qt.Qt.SmoothTransformation)
                if state.picture
                else qt.QPixmap()
            )
        ui.previewLabel.visible = bool(state.picture)
        self._draw(self.workflow.epochs)

    def _draw(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """The curves, when there is an epoch more."""
        plan = self.workflow.trainedPlan
        if plan is not None and len(epochs) != self._drawn and not self._scene.IsBatchProcessing():
            isFirst, self._drawn = not self._drawn, len(epochs)
            colors = {label["name"]: label["color"] for label in plan["labels"]}
            self._curves.show(plan["name"], epochs, colors)
            if isFirst:
                self.onCurves()
        self._ui.curvesButton.enabled = self._curves.chart is not None

    def _showReport(self) -> None:
        state, ui = self.workflow.state, self._ui
        names = {case[0]: case[1] for case in state.cases}
        self._report.show(wording.reportHeader(), wording.reportRows(state.report))
        self._judged.show(wording.caseHeader(state.report), wording.caseRows(state.report, names))
        for widget in (ui.reportTable, ui.judgedTable):
            widget.visible = state.report is not None
        showText(ui.judgedLabel, _("A click opens the case, with what was drawn and, in outline, what was found."))
        ui.judgedLabel.visible = state.report is not None
