"""The panel: what a person does becomes state, and the state is shown. What follows from it is in ``panel_state``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import qt

from MedDLCore.errors import Code, MedDLError, Notice

from . import offered_models, panel_state
from .label import showText
from .list_views import ModelListView, StructureListView
from .panel_state import MOST_INPUTS, PanelState
from .parameters import VOLUMES, MedDLSegmentParameterNode
from .placed_nodes import PlacedNodes, placesOf
from .remedies import said
from .result_actions import ResultActions
from .segment_run import Choice, SegmentRun
from .segment_session import SegmentSession
from .structure_choice import NONE_CHOSEN, chosenStructures, numberChosen, parameterFor
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

PLAN_MILLISECONDS = 400
"""A plan is asked for when nothing has been changed for so long."""

AUTO = "auto"


class SegmentPanel:
    """Ties the widgets to the parameters, the session and the state.

    Attributes:
        state: what is shown.
        run: the latest; None: none was started.
    """

    def __init__(self, ui: Any, session: SegmentSession, onModels: Callable[[tuple[Offered, ...]], None]) -> None:
        """``ui``: the widgets of ``MedDLSegment.ui`` by their names. ``onModels`` is told the models that are there."""
        self._ui, self._session, self._onModels = ui, session, onModels
        self._parameters: MedDLSegmentParameterNode | None = None
        self._about: object = None  # what plan, warnings and status are about
        self._volume: str | None = None
        self.state = PanelState()
        self.run: SegmentRun | None = None
        self._models = ModelListView(ui.modelList, ui.modelSearch, self._chooseModel)
        self._structures = StructureListView(ui.structureList, self._chooseStructures)
        self._actions = ResultActions(ui, session, self._segmentation, self._update)
        self._placed = PlacedNodes(self._placesChanged)
        self._devices: list[str] = []
        self._selectors = [getattr(ui, f"volumeSelector{n}") for n in ("", 2, 3, 4)]
        self._labels = [getattr(ui, f"volumeLabel{n}") for n in ("", 2, 3, 4)]
        self._planTimer = qt.QTimer()
        self._planTimer.setSingleShot(True)
        self._planTimer.setInterval(PLAN_MILLISECONDS)
        self._planTimer.connect("timeout()", self._askPlan)
        ui.applyButton.connect("clicked()", self.onApply)
        ui.allStructuresButton.connect("clicked()", lambda: self._set("structures", []))
        ui.noStructuresButton.connect("clicked()", lambda: self._set("structures", list(NONE_CHOSEN)))
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._chooseDevice)
        for selector, place in (
            (ui.regionSelector, ui.regionPlaceWidget),
            (ui.pointsSelector, ui.pointsPlaceWidget),
        ):
            selector.connect("currentNodeChanged(vtkMRMLNode*)", place.setCurrentNode)
            qt.QWidget.setTabOrder(selector, place.placeButton())  # in the .ui file, a tab stop is a whole widget
        self._showDevices(())
        self._show()

    def listModels(self) -> None:
        """Asks the worker for the models of this machine, and starts it where it does not run."""
        self._session.listModels(self._modelsTold, self._modelsFailed)

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed."""
        self._parameters = parameters
        self._volume, self._about = None, None
        self._actions.stop()
        if parameters is None:
            self._session.sceneClosed()
            self._forget()
            self._letGo()
        self.parametersChanged()

    def parametersChanged(self) -> None:
        """A choice has changed, here or in the scene."""
        parameters = self._parameters
        if parameters is None:
            self._placed.watch()
            self._ui.sequenceCheckBox.visible = self._ui.sequenceLabel.visible = False
            self._update(model="", inputs=(False,), chosen=None, items=0)
            return
        self._placed.watch(parameters.region, parameters.points)
        self._leaveOthersSegmentation(parameters)
        model = offered_models.modelNamed(self.state.models or (), parameters.model)
        volumes = self._volumes(model)
        self.state = self.state.with_(
            model=parameters.model,
            inputs=tuple(volume is not None for volume in volumes),
            chosen=numberChosen(parameters.structures, model),
            items=self._showSequence(parameters),
        )
        self._showDevices(self._session.devices)
        self._forgetOther()
        self._show()
        self._planTimer.start()

    def onApply(self) -> None:
        """Apply, or Cancel."""
        if self.run is not None and self.run.progress is not None:
            self.run.cancel()
        elif not panel_state.reasonNotToRun(self.state):
            self._planTimer.stop()
            self._update(problem="", done="", notices=())
            self.run = self._session.run(self._choice(), self._runChanged)
            self._runChanged(self.run)

    def close(self) -> None:
        """Nothing goes on after this."""
        self._planTimer.stop()
        self._actions.stop()
        self._placed.watch()

    def _choice(self) -> Choice:
        from MedDLScene.sequences import browsedVolume

        parameters, model = self._parameters, self.state.offered
        chosen = chosenStructures(parameters.structures, model)
        ofCrops = panel_state.looksAroundPoints(model)
        return Choice(
            parameters.model,
            tuple(self._volumes(model)),
            chosen if parameters.structures else (),
            None if ofCrops else parameters.region,
            parameters.points if ofCrops else None,
            parameters.segmentation,
            parameters.device,
            parameters.threads,
            parameters.cropBody,
            parameters.wholeSequence and browsedVolume(parameters.inputVolume) is not None,
        )

    def _plannable(self) -> tuple[object, ...]:
        """What a plan depends on: not on where the result goes, but on where region and points lie."""
        choice = replace(self._choice(), segmentation=None)
        return choice, *placesOf(choice.region, choice.points)

    def _placesChanged(self) -> None:
        """The region or a point may lie elsewhere."""
        if self._parameters is not None and self._forgetOther():
            self._show()
            self._planTimer.start()

    def _forgetOther(self) -> bool:
        """What was said of another choice goes; whether it is another one."""
        about = self._plannable()
        isOther, self._about = about != self._about, about
        if isOther:
            self._session.dropPlan()
            self._forget()
        return isOther

    def _volumes(self, model: Offered | None) -> list[Any]:
        """The chosen volume of each input; None where none is chosen."""
        count = min(MOST_INPUTS, max(1, len(model.inputs) if model is not None else 1))
        return [getattr(self._parameters, name) for name in VOLUMES[:count]]

    def _showSequence(self, parameters: MedDLSegmentParameterNode) -> int:
        """Offers all volumes of a sequence where there is one, and gives their number where they are wanted."""
        from MedDLScene.sequences import browsedVolume

        browsed, box = browsedVolume(parameters.inputVolume), self._ui.sequenceCheckBox
        box.visible = self._ui.sequenceLabel.visible = browsed is not None
        if browsed is None:
            return 0
        box.text = _("All {n} volumes").format(n=browsed.count)
        return browsed.count if parameters.wholeSequence else 0

    def _segmentation(self) -> Any:
        return None if self._parameters is None else self._parameters.segmentation

    def _leaveOthersSegmentation(self, parameters: MedDLSegmentParameterNode) -> None:
        """The result of another volume goes into a new node, unless the person says otherwise."""
        volume = parameters.inputVolume.GetID() if parameters.inputVolume is not None else None
        before, self._volume = self._volume, volume
        if before is not None and volume != before and parameters.segmentation is not None:
            parameters.segmentation = None

    def _set(self, name: str, value: Any) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _chooseModel(self, name: str) -> None:
        if self._parameters is not None and name != self._parameters.model:
            self._set("structures", [])
            self._set("model", name)

    def _chooseStructures(self, ticked: Sequence[str]) -> None:
        self._set("structures", parameterFor(ticked, self.state.offered))

    def _chooseDevice(self, index: int) -> None:
        if 0 <= index < len(self._devices):
            self._set("device", self._devices[index])

    def _modelsTold(self, models: tuple[Offered, ...]) -> None:
        if self.state.models is None:
            self._update(problem="")
        self._update(models=models)
        self.parametersChanged()
        self._onModels(models)

    def _modelsFailed(self, error: MedDLError) -> None:
        self._update(problem=said(error))

    def _askPlan(self) -> None:
        if self._parameters is None or self.state.run is not None or panel_state.reasonNotToRun(self.state):
            return
        if self.state.plan is None and not self.state.planProblem and not self._session.isPlanning:
            self._session.plan(self._choice(), self._planTold, self._planFailed)

    def _planTold(self, plan: Mapping[str, Any], notices: tuple[Notice, ...]) -> None:
        self._update(plan=plan, notices=tuple(dict.fromkeys((*self.state.notices, *notices))))

    def _planFailed(self, error: MedDLError) -> None:
        if error.code is not Code.CANCELLED:
            self._update(planProblem=said(error))

    def _runChanged(self, run: SegmentRun) -> None:
        self._update(run=run.progress)
        if run.progress is not None:
            return
        self._letGo()
        self._planTimer.start()
        if run.error is not None:
            self._update(problem=said(run.error), notices=run.notices)
        else:
            found = run.segmentation.GetName()
            self._update(problem="", notices=run.notices, done=_("Done: {name}").format(name=found))
            self._set("segmentation", run.segmentation)

    def _letGo(self) -> None:
        """A run keeps its nodes alive: one that has ended is let go with the scene."""
        if self._parameters is None and self.run is not None and self.run.progress is None:
            self.run = None

    def _forget(self) -> None:
        """What was said of another choice. That the worker failed stays, as long as it has told no model."""
        problem = self.state.problem if self.state.models is None else ""
        self.state = self.state.with_(plan=None, planProblem="", notices=(), done="", problem=problem)

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._show()

    def _show(self) -> None:
        """Everything that depends on the state."""
        state, ui = self.state, self._ui
        model = state.offered
        names = panel_state.inputNames(model)
        for n, (label, selector) in enumerate(zip(self._labels, self._selectors, strict=True)):
            label.visible = selector.visible = n < len(names)
            label.text = _("{name}:").format(name=names[n]) if n < len(names) else ""
        self._models.show(state.models or (), state.model)
        showText(ui.modelSummary, offered_models.summary(model) if model is not None else "")
        structures = model.structures if model is not None else ()
        parameter = self._parameters.structures if self._parameters is not None else []
        self._structures.show(structures, chosenStructures(parameter, model))
        for widget in (ui.structuresLabel, ui.structureList, ui.allStructuresButton, ui.noStructuresButton):
            widget.visible = len(structures) > 1
        ofCrops = panel_state.looksAroundPoints(model)
        for widget in (ui.pointsLabel, ui.pointsSelector, ui.pointsPlaceWidget):
            widget.visible = ofCrops
        for widget in (ui.regionLabel, ui.regionSelector, ui.regionPlaceWidget):
            widget.visible = not ofCrops
        panel_state.applyButton(state).show(ui.applyButton)
        for section in (ui.inputsCollapsibleButton, ui.outputsCollapsibleButton, ui.advancedCollapsibleButton):
            section.enabled = state.run is None
        ui.progressBar.visible = state.run is not None
        ui.progressBar.value = round(1000 * state.run.fraction) if state.run is not None else 0
        showText(ui.planLabel, panel_state.planLine(state))
        showText(ui.statusLabel, panel_state.statusLine(state))
        warnings = [_("Warning: {text}").format(text=text) for text in panel_state.warningLines(state)]
        showText(ui.warningsLabel, "\n".join(warnings))
        self._actions.show()

    def _showDevices(self, devices: Sequence[str]) -> None:
        wanted = self._parameters.device if self._parameters is not None else AUTO
        names = [AUTO, *devices, *([] if wanted in (AUTO, *devices) else [wanted])]
        box = self._ui.deviceComboBox
        if names != self._devices:
            self._devices = []  # while it is filled, nothing is chosen
            box.clear()
            for name in names:
                box.addItem(_("Automatic") if name == AUTO else name)
            self._devices = names
        if box.currentIndex != names.index(wanted):
            box.setCurrentIndex(names.index(wanted))
