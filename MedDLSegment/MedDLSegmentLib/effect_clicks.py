"""Clicks in Segment Editor: its volume, its segmentation, its selected segment, its rules, its undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
import slicer

from MedDLCore.click import Click
from MedDLCore.errors import MedDLError

from . import correct_state
from .correct_state import GROW_CUT, CorrectState, Going
from .label import showText
from .list_views import ChoiceView
from .observers import Observers
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

    from .click_session import ClickSession

MODEL = "Model"
"""The effect's parameter: a model's name, or what ``CorrectState.wantedModel`` has in its place."""


class EffectEditor:
    """Segment Editor as ``segment_edit.Editor``: masks and overwriting are its own, and undo is its own button."""

    addsSegments = False

    def __init__(self, scriptedEffect: Any) -> None:
        """``scriptedEffect``: a ``qSlicerSegmentEditorScriptedEffect``."""
        self._effect = scriptedEffect
        self.node = scriptedEffect.parameterSetNode()

    def takeRules(self) -> None:
        """They are in its node."""

    def saveState(self) -> None:
        """Begins an undo step."""
        self._effect.saveStateForUndo()

    def modify(self, segmentationNode: Any, segmentID: str, image: Any, add: bool) -> None:
        """Adds the voxels of an image that are not 0 to the segment, or takes them away."""
        modes = slicer.qSlicerSegmentEditorAbstractEffect
        mode = modes.ModificationModeAdd if add else modes.ModificationModeRemove
        selected = self.node.GetSelectedSegmentID()
        self.node.SetSelectedSegmentID(segmentID)  # masks leave the voxels of the selected one editable
        self._effect.modifySegmentByLabelmap(segmentationNode, segmentID, image, mode)
        self.node.SetSelectedSegmentID(selected)

    def close(self) -> None:
        """Nothing is to be done."""


class EffectClicks:
    """The options of the effect, and the corrections that it makes.

    Attributes:
        state: what is shown; its structure is the selected segment.
        clicks: the corrections that go on; None: none do.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        """Makes the widgets."""
        self._effect = scriptedEffect
        self._about: tuple[object, ...] = ()
        self.state = CorrectState(clicking=True)
        self.clicks: ClickSession | None = None
        self._observers = Observers(self.choicesChanged)
        box = qt.QComboBox()
        box.setToolTip(_("Answers your clicks. Models of one volume that were trained with clicks are listed."))
        self._status, self._warnings = qt.QLabel(), qt.QLabel()
        scriptedEffect.addLabeledOptionsWidget(_("Model:"), box)
        for label in (self._status, self._warnings):
            label.setWordWrap(True)
            scriptedEffect.addOptionsWidget(label)
        self._models = ChoiceView(box, lambda name: scriptedEffect.setParameter(MODEL, name))
        self._show()

    def activate(self) -> None:
        """The worker starts, so that it is warm by the time of the first click."""
        session().listModels(self._modelsTold, self._modelsFailed)
        node = self._effect.parameterSetNode()
        self._observers.watch(node.GetSegmentationNode(), node)  # Slicer tells an effect of its own parameters alone
        self.choicesChanged()

    def deactivate(self) -> None:
        """The person has chosen another effect, or none."""
        self._observers.watch(None)
        self.end()

    def choicesChanged(self) -> None:
        """A choice has changed, here or in the editor."""
        node = self._effect.parameterSetNode()
        segmentation = node.GetSegmentationNode() if node is not None else None
        names, selected = None, ""
        if segmentation is not None:
            held = segmentation.GetSegmentation()
            names = tuple(held.GetSegment(name).GetName() for name in held.GetSegmentIDs())
            segment = held.GetSegment(node.GetSelectedSegmentID() or "")
            selected = segment.GetName() if segment is not None else ""
        self._update(
            wantedModel=self._model() if node is not None else "",
            inputs=(node is not None and node.GetSourceVolumeNode() is not None,),
            segments=names,
            wantedStructure=selected,
        )
        if self.clicks is not None and self._about != self._chosen():
            self.end()

    def press(self, interactor: Any, viewNode: Any, again: bool) -> bool:
        """The left button was pressed in a view. True: it is ours.

        ``again``: it makes a click a double click, and is none of its own; Slicer's views would fill the window.
        """
        from MedDLScene.view_click import placeOfClick

        self.choicesChanged()
        place = placeOfClick(interactor, viewNode)
        held = interactor.GetShiftKey() or interactor.GetAltKey()
        if place is None or held or correct_state.reasonNotToClickSegment(self.state):
            return False
        if again:
            return True
        if self.clicks is None:
            self._about = self._chosen()
            model, volume, segmentation = self._about
            named = "" if model == GROW_CUT else model
            editor = EffectEditor(self._effect)
            self.clicks = session().correct(named, [volume], segmentation, onChange=self._clicksChanged, editor=editor)
        self.clicks.click(Click(place, self.state.wantedStructure, not interactor.GetControlKey()))
        return True

    def end(self) -> None:
        """No more of these corrections; what was corrected stays."""
        clicks, self.clicks = self.clicks, None
        if clicks is not None:
            clicks.close()
            self._update(going=Going())

    def _model(self) -> str:
        """What is chosen; empty: nobody has. Slicer logs it as an error where a parameter is read that has no text."""
        return str(self._effect.parameter(MODEL)) if self._effect.parameterDefined(MODEL) else ""

    def _chosen(self) -> tuple[Any, ...]:
        node = self._effect.parameterSetNode()
        if node is None:
            return ()
        return self.state.model, node.GetSourceVolumeNode(), node.GetSegmentationNode()

    def _clicksChanged(self, clicks: ClickSession) -> None:
        self._update(going=clicks.going)
        if clicks.isClosed and clicks is self.clicks:
            self.clicks = None

    def _modelsTold(self, models: tuple[Offered, ...]) -> None:
        self._update(models=tuple(model for model in models if len(model.inputs) == 1))

    def _modelsFailed(self, error: MedDLError) -> None:
        self._update(going=Going(problem=error))

    def _update(self, **changes: Any) -> None:
        self.state = self.state.with_(**changes)
        self._show()

    def _show(self) -> None:
        state = self.state
        self._models.show(correct_state.modelChoices(state), state.model)
        reason = correct_state.reasonNotToClickSegment(state)
        self._status.text = reason if reason and not state.going.busy else correct_state.statusLine(state)
        showText(self._warnings, "\n".join(correct_state.warningLines(state)))


def session() -> Any:
    """The module's own worker: whatever asks, one is warm."""
    return slicer.util.getModuleWidget("MedDLSegment").logic.session
