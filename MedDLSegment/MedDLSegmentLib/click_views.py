"""Clicks in the slice views and 3-D views of the layout, while a page asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from MedDLCore.spec import FloatTriple

BEFORE_OTHERS = 1.0
"""The priority of an observer that comes before the views' own, as Segment Editor's effects do."""

PRESSED, PRESSED_AGAIN = "LeftButtonPressEvent", "LeftButtonDoubleClickEvent"
"""In Slicer's views, the second press of a double click is the latter alone, and the view fills the window."""

OnClick = Callable[[FloatTriple, bool], None]


class ViewClicks:
    """Takes clicks and clicks with Ctrl from the views; a double click is one. What hits nothing is the view's."""

    def __init__(self, onClick: OnClick, onMode: Callable[[], None]) -> None:
        """Takes none yet.

        Args:
            onClick: is told R, A, S in mm, and whether Ctrl was held.
            onMode: is told that the person has chosen something else for the mouse, such as placing points.
        """
        self._onClick, self._onMode = onClick, onMode
        self._mode: tuple[Any, int] | None = None
        self._observed: list[tuple[Any, int]] = []
        self._isOn = False

    @property
    def isOn(self) -> bool:
        """Clicks are taken."""
        return self._isOn

    def start(self) -> None:
        """Takes clicks from now on, also in views that come with another layout."""
        layouts = slicer.app.layoutManager()
        if self._isOn or layouts is None:
            return
        self._isOn = True
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)  # no points are placed at the same time
        self._mode = interaction, interaction.AddObserver(interaction.InteractionModeChangedEvent, self._modeChanged)
        layouts.connect("layoutChanged(int)", self._observe)
        self._observe()

    def stop(self) -> None:
        """Leaves the views as they are."""
        if not self._isOn:
            return
        self._isOn = False
        layouts = slicer.app.layoutManager()
        if layouts is not None:
            layouts.disconnect("layoutChanged(int)", self._observe)
        if self._mode is not None:
            interaction, tag = self._mode
            interaction.RemoveObserver(tag)
            self._mode = None
        self._release()

    def _modeChanged(self, interaction: Any, *_args: Any) -> None:
        if interaction.GetCurrentInteractionMode() != interaction.ViewTransform:
            self._onMode()

    def _observe(self) -> None:
        self._release()
        layouts = slicer.app.layoutManager()
        slices = [layouts.sliceWidget(name) for name in layouts.sliceViewNames()]
        spaces = [layouts.threeDWidget(n) for n in range(layouts.threeDViewCount)]
        views = [(widget.sliceView().interactor(), widget.mrmlSliceNode()) for widget in slices]
        views += [(widget.threeDView().interactor(), widget.mrmlViewNode()) for widget in spaces]
        for interactor, node in views:
            self._observeOne(interactor, node)

    def _observeOne(self, interactor: Any, node: Any) -> None:
        def pressed(_caller: Any, event: str) -> None:
            from MedDLScene.view_click import placeOfClick

            if interactor.GetShiftKey() or interactor.GetAltKey():
                return
            place = placeOfClick(interactor, node)
            if place is not None:
                interactor.GetCommand(tags[event]).SetAbortFlag(1)
                if event == PRESSED:
                    self._onClick(place, bool(interactor.GetControlKey()))

        tags = {event: interactor.AddObserver(event, pressed, BEFORE_OTHERS) for event in (PRESSED, PRESSED_AGAIN)}
        self._observed += [(interactor, tag) for tag in tags.values()]

    def _release(self) -> None:
        observed, self._observed = self._observed, []
        for interactor, tag in observed:
            interactor.RemoveObserver(tag)
