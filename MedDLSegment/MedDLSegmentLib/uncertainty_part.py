"""The part *Uncertainty* of the page Correct: where a model is least sure of the scan, laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import slicer
import vtk

from . import uncertainty_state
from .correct_state import CorrectState
from .handover import stateOf
from .label import showText
from .parameters import VOLUMES, MedDLSegmentParameterNode
from .remedies import said
from .segment_run import Choice
from .segment_session import SegmentSession
from .uncertainty_run import UncertaintyRun
from .uncertainty_state import UncertaintyState

if TYPE_CHECKING:
    from MedDLScene.overlay import Overlay

Key = tuple[object, ...]


class UncertaintyPart:
    """Ties button, bar and line to the parameters, the worker and the slice views.

    Attributes:
        state: what is shown.
        run: the latest; None: none was started.
    """

    def __init__(self, ui: Any, session: SegmentSession) -> None:
        """``ui``: the widgets by their names."""
        self._ui, self._session = ui, session
        self._parameters: MedDLSegmentParameterNode | None = None
        self._overlay: Overlay | None = None
        self._about: tuple[object, ...] = ()
        self._made: dict[str, tuple[Key, Mapping[str, Any]]] = {}  # by the map's ID: of what, and its figures
        self.state = UncertaintyState()
        self.run: UncertaintyRun | None = None
        ui.uncertaintyButton.connect("clicked()", self.onButton)

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Follows the choices of this node; None: the scene is closed, and a run cancels itself."""
        self._parameters, self._overlay, self._made = parameters, None, {}
        if self.run is not None and self.run.progress is None:
            self.run = None  # it keeps its nodes alive

    def show(self, correct: CorrectState) -> None:
        """What the page knows has changed."""
        self.state = replace(self.state, correct=correct)
        about = self._volumes(), uncertainty_state.model(self.state)
        if about != self._about:  # what was said is of something else
            self._about = about
            self.state = replace(self.state, said="", notices=())
        self._show()

    def onButton(self) -> None:
        """Shows, hides, or cancels."""
        if self.run is not None and self.run.progress is not None:
            self.run.cancel()
        elif self._isShown():
            self._views().hide(self._map())
            self._show()
        elif not uncertainty_state.reasonNotToMeasure(self.state):
            if self._isUpToDate():
                self._layOver()
            else:
                self._measure()

    def _measure(self) -> None:
        key, about, parameters = self._key(), self._about, self._parameters
        asked = uncertainty_state.model(self.state)

        def changed(run: UncertaintyRun) -> None:
            self.state = replace(self.state, run=run.progress)
            if run.error is not None:
                self.state = replace(self.state, said=said(run.error), notices=run.notices)
            elif run.progress is None:
                self._made[run.map.GetID()] = key, run.figures
                if about == self._about:  # else the person looks at something else by now
                    self.state = replace(self.state, notices=run.notices)
                    self._layOver()
            self._show()

        self.state = replace(self.state, said="", notices=())
        volumes = self._volumes()
        choice = Choice(asked.name, volumes, device=parameters.device, threads=parameters.threads)
        self.run = self._session.measure(choice, changed)
        changed(self.run)

    def _layOver(self) -> None:
        """The map over the scan, and the slices through where it matters."""
        from MedDLScene.overlay import jumpTo

        node, volume = self._map(), self._volumes()[0]
        figures = self._made[node.GetID()][1]
        self._views().show(node, volume)
        if figures["place"] is not None:
            jumpTo(tuple(figures["place"]), slicer.mrmlScene)
        text = uncertainty_state.saidOf(figures, uncertainty_state.model(self.state))
        self.state = replace(self.state, said=text)
        self._show()

    def _isUpToDate(self) -> bool:
        node = self._map()
        return node is not None and node.GetID() in self._made and self._made[node.GetID()][0] == self._key()

    def _key(self) -> Key:
        """What a map depends on."""
        return uncertainty_state.model(self.state), *(_measured(volume) for volume in self._volumes())

    def _volumes(self) -> tuple[Any, ...]:
        if self._parameters is None:
            return ()
        asked = uncertainty_state.model(self.state)
        return tuple(getattr(self._parameters, name) for name in VOLUMES[: len(asked.inputs) if asked else 1])

    def _map(self) -> Any:
        volumes = self._volumes()
        if not volumes or volumes[0] is None:
            return None
        from MedDLScene.uncertainty_node import uncertaintyOf

        return uncertaintyOf(volumes[0])

    def _views(self) -> Overlay:
        from MedDLScene.overlay import Overlay

        if self._overlay is None:
            self._overlay = Overlay(slicer.mrmlScene)
        return self._overlay

    def _isShown(self) -> bool:
        node = self._map()
        return node is not None and self._views().isShown(node)

    def _show(self) -> None:
        self.state = replace(self.state, isShown=self._isShown())
        ui, state = self._ui, self.state
        uncertainty_state.button(state).show(ui.uncertaintyButton)
        ui.uncertaintyProgressBar.visible = state.run is not None
        ui.uncertaintyProgressBar.value = round(1000 * state.run.fraction) if state.run is not None else 0
        showText(ui.uncertaintyLabel, uncertainty_state.line(state))


def _measured(volumeNode: Any) -> tuple[object, ...]:
    """Changes with the voxels and where they lie; not with the name, and what else Slicer notes in the node."""
    voxels, _node, moved = stateOf(volumeNode)
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return voxels, moved, slicer.util.arrayFromVTKMatrix(matrix).tobytes()
