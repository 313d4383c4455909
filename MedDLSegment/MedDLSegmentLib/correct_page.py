"""The page Correct: a person clicks in the views where a segmentation is wrong. What follows: ``correct_state``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from MedDLCore.click import Click
from MedDLCore.spec import FloatTriple

from . import correct_state
from .click_views import ViewClicks
from .collect_part import CollectPart
from .correct_state import GROW_CUT, CorrectState, Going
from .label import showText
from .list_views import ChoiceView
from .observers import Observers
from .parameters import VOLUMES, MedDLSegmentParameterNode
from .segment_session import SegmentSession
from .translation import _
from .uncertainty_part import UncertaintyPart

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

    from .click_session import ClickSession


class CorrectPage:
    """Ties the widgets of ``MedDLSegmentCorrect.ui`` to the parameters, the views, and the corrections.

    Attributes:
        state: what is shown.
        clicks: the corrections that go on; None: none do.
        uncertainty: the part that shows where to click.
    """

    def __init__(self, ui: Any, session: SegmentSession) -> None:
        """``ui``: the widgets by their names."""
        self._ui, self._session = ui, session
        self._parameters: MedDLSegmentParameterNode | None = None
        self._guiTag: int | None = None
        self._observers = Observers(self._segmentsChanged)
        self._about: tuple[object, ...] = ()
        self._showing = False
        self.state = CorrectState()
        self.clicks: ClickSession | None = None
        self._views = ViewClicks(self._clicked, self.leave)
        self._collect = CollectPart(ui, session)
        self.uncertainty = UncertaintyPart(ui, session)
        self._models = ChoiceView(ui.modelComboBox, lambda name: self._set("correctModel", name))
        self._structures = ChoiceView(ui.structureComboBox, lambda name: self._set("correctStructure", name))
        ui.addButton.connect("toggled(bool)", lambda pressed: self._press(True, pressed))
        ui.removeButton.connect("toggled(bool)", lambda pressed: self._press(False, pressed))
        ui.undoButton.connect("clicked()", self.onUndo)
        ui.segmentButton.connect("clicked()", self.onAddSegment)
        self._show()

    def setModels(self, models: tuple[Offered, ...]) -> None:
        """The models of this machine."""
        self._update(models=models)

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed."""
        self.disconnectGui()
        self._parameters = parameters
        self._collect.setParameters(parameters)
        self.uncertainty.setParameters(parameters)
        if parameters is None:
            self.leave()
            self.end()
        else:
            self._guiTag = parameters.connectGui(self._ui)
        self.parametersChanged()

    def disconnectGui(self) -> None:
        """Widgets and choices do not follow each other, until ``setParameters``."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)

    def parametersChanged(self) -> None:
        """A choice has changed, here or in the scene."""
        parameters = self._parameters
        if parameters is None:
            self._observers.watch(None)
            self._update(inputs=(False,), segments=None, wantedModel="", segmentModel="", wantedStructure="")
            return
        self._observers.watch(parameters.segmentation)
        self._update(
            wantedModel=parameters.correctModel,
            segmentModel=parameters.model,
            wantedStructure=parameters.correctStructure,
            inputs=tuple(getattr(parameters, name) is not None for name in VOLUMES),
        )
        if self.clicks is not None and self._about != self._chosen():
            self.end()
        self._segmentsChanged()

    def leave(self) -> None:
        """The person looks elsewhere: the views are as they were. What was asked for is still answered."""
        self._update(clicking=None)

    def close(self) -> None:
        """Nothing goes on after this."""
        self.leave()
        self.end()
        self._observers.watch(None)

    def onUndo(self) -> None:
        """Takes the last click back."""
        if self.clicks is not None:
            self.clicks.undo()

    def onAddSegment(self) -> None:
        """Adds an empty segment, which is the chosen one then."""
        from MedDLScene.segmentation_node import placeOnVolume

        node = self._parameters.segmentation
        if node.GetSegmentation().GetNumberOfSegments() == 0:
            placeOnVolume(node, self._parameters.inputVolume)
        added = node.GetSegmentation().AddEmptySegment("")
        self._set("correctModel", GROW_CUT)
        self._set("correctStructure", node.GetSegmentation().GetSegment(added).GetName())

    def _clicked(self, place: FloatTriple, ctrl: bool) -> None:
        """A click in a view."""
        if self.state.clicking is None or correct_state.reasonNotToClick(self.state):
            return
        if self.clicks is None:
            self._about = self._chosen()
            model, volumes, segmentation, device, threads = self._about
            named = "" if model == GROW_CUT else model
            self.clicks = self._session.correct(named, volumes, segmentation, device, threads, self._clicksChanged)
        self.clicks.click(Click(place, self.state.structure, self.state.clicking and not ctrl))

    def _chosen(self) -> tuple[Any, ...]:
        """What corrections are about: with anything else they begin anew."""
        parameters, model = self._parameters, self.state.offered
        count = len(model.inputs) if model is not None else 1
        volumes = tuple(getattr(parameters, name) for name in VOLUMES[:count])
        return self.state.model, volumes, parameters.segmentation, parameters.device, parameters.threads

    def _clicksChanged(self, clicks: ClickSession) -> None:
        self._update(going=clicks.going)
        if clicks.isClosed and clicks is self.clicks:
            self.clicks = None

    def end(self) -> None:
        """No more of these corrections."""
        clicks, self.clicks, self._about = self.clicks, None, ()
        if clicks is not None:
            clicks.close()
            self._update(going=Going())

    def _press(self, adds: bool, pressed: bool) -> None:
        if self._showing:
            return
        if pressed:
            self._update(clicking=adds)
        elif self.state.clicking is adds:
            self._update(clicking=None)

    def _set(self, name: str, value: Any) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _segmentsChanged(self) -> None:
        node = self._parameters.segmentation if self._parameters is not None else None
        if node is None:
            self._update(segments=None)
            return
        segmentation = node.GetSegmentation()
        names = tuple(segmentation.GetSegment(name).GetName() for name in segmentation.GetSegmentIDs())
        self._update(segments=names)

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        if self.state.clicking is not None and correct_state.reasonNotToClick(self.state):
            self.state = self.state.with_(clicking=None)
        self._show()

    def _show(self) -> None:
        """Everything that depends on the state."""
        state, ui = self.state, self._ui
        self._showing = True
        self._models.show(correct_state.modelChoices(state), state.model)
        choices = [(name, name) for name in state.structures]
        self._structures.show(choices or [("", _("None yet"))], state.structure)
        ui.structureComboBox.enabled = bool(choices)
        ui.segmentButton.visible = state.offered is None
        correct_state.segmentButton(state).show(ui.segmentButton)
        correct_state.addButton(state).show(ui.addButton)
        correct_state.removeButton(state).show(ui.removeButton)
        correct_state.undoButton(state).show(ui.undoButton)
        ui.addButton.checked, ui.removeButton.checked = state.clicking is True, state.clicking is False
        ui.statusLabel.text = correct_state.statusLine(state)
        showText(ui.warningsLabel, "\n".join(correct_state.warningLines(state)))
        self._showing = False
        self.uncertainty.show(state)
        self._collect.show(state)
        if state.clicking is None:
            self._views.stop()
        else:
            self._views.start()
