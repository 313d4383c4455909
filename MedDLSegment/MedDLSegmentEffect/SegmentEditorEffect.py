"""The effect "MedDL clicks" of Segment Editor: Slicer's side of it. The rest is ``MedDLSegmentLib.effect_clicks``.

Slicer loads this file at its start, under the name of its folder, and once more for each editor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import vtk
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

PRESSED, PRESSED_AGAIN = vtk.vtkCommand.LeftButtonPressEvent, vtk.vtkCommand.LeftButtonDoubleClickEvent
"""In Slicer's views, the second press of a double click is the latter alone."""


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Left click adds to the selected segment, Ctrl + click removes from it."""

    def __init__(self, scriptedEffect: Any) -> None:
        """Called by Slicer."""
        scriptedEffect.name = "MedDL clicks"  # no translation: it is a key
        scriptedEffect.title = _("MedDL clicks")
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.clicks: Any = None

    def clone(self) -> Any:
        """The same effect, for another editor."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        made = effects.qSlicerSegmentEditorScriptedEffect(None)
        made.setPythonSource(__file__.replace("\\", "/"))
        return made

    def icon(self) -> Any:
        """On the effect's button."""
        return qt.QIcon(str(Path(__file__).with_name("SegmentEditorEffect.png")))

    def createCursor(self, _viewWidget: Any) -> Any:
        """In slice views. Slicer's own would carry the icon, as large as it is, over what is to be clicked."""
        return qt.QCursor(qt.Qt.CrossCursor)

    def helpText(self) -> str:
        """Above the options."""
        from MedDLSegmentLib.wording import controlKey

        text = _(
            "Left click what belongs to the selected segment and is not in it. {key} + click what is in it and does "
            "not belong there. In 3-D views, click on a surface. Each click is one step of undo."
        )
        return f"<html>{text.format(key=controlKey())}</html>"

    def setupOptionsFrame(self) -> None:
        """Makes the widgets."""
        from MedDLSegmentLib.effect_clicks import EffectClicks

        self.clicks = EffectClicks(self.scriptedEffect)

    def activate(self) -> None:
        """The person has chosen the effect."""
        if self.clicks is not None:
            self.clicks.activate()

    def deactivate(self) -> None:
        """The person has chosen another effect, or none."""
        if self.clicks is not None:
            self.clicks.deactivate()

    def processInteractionEvents(self, callerInteractor: Any, eventId: int, viewWidget: Any) -> bool:
        """True: the event goes no further."""
        if eventId not in (PRESSED, PRESSED_AGAIN) or self.clicks is None:
            return False
        viewNode = self.scriptedEffect.viewNode(viewWidget)
        return bool(self.clicks.press(callerInteractor, viewNode, eventId == PRESSED_AGAIN))

    def processViewNodeEvents(self, callerViewNode: Any, eventId: int, viewWidget: Any) -> None:
        """Views may move."""

    def setMRMLDefaults(self) -> None:
        """None: where nobody has chosen a model, segments grow from clicks."""

    def updateGUIFromMRML(self) -> None:
        """A choice has changed, here or in the editor."""
        if self.clicks is not None:
            self.clicks.choicesChanged()

    def updateMRMLFromGUI(self) -> None:
        """Choices are kept as they are made."""

    def cleanup(self) -> None:
        """The editor is about to go."""
        self.deactivate()
        self.clicks = None
