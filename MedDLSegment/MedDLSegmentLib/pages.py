"""The three pages of the module: segment, models, installation. What one of them changes, the others are told."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer

from MedDLCore.models.offered import Offered

from .installation_page import InstallationPage
from .models_page import ModelsPage
from .panel import SegmentPanel
from .segment_session import SegmentSession
from .translation import _


class Pages:
    """The module's widgets.

    Attributes:
        widget: the ``QTabWidget``.
        ui: the widgets of the page Segment by their names; those with parameters are among them.
        panel, models, installation: what ties the widgets of each page together.
    """

    def __init__(
        self, resourcePath: Callable[[str], str], session: SegmentSession, onPython: Callable[[str], None]
    ) -> None:
        """Makes the widgets. ``onPython`` is told when the person chooses another interpreter, to keep that."""
        self._session, self._onPython = session, onPython
        self.widget = qt.QTabWidget()
        self._pages = [
            slicer.util.loadUI(resourcePath(f"UI/MedDLSegment{name}.ui")) for name in ("", "Models", "Installation")
        ]
        for page, title in zip(self._pages, (_("Segment"), _("Models"), _("Installation")), strict=True):
            self.widget.addTab(page, title)
        self._pages[0].setMRMLScene(slicer.mrmlScene)
        self.ui, models, installation = (slicer.util.childWidgetVariables(page) for page in self._pages)
        self.panel = SegmentPanel(self.ui, session, self._modelsTold)
        self.models = ModelsPage(models, session.errands, self._listModels)
        self.installation = InstallationPage(installation, session.python, self._usePython)
        session.onReady = self._ready
        self.widget.connect("currentChanged(int)", self._pageChosen)

    def enter(self) -> None:
        """The person has chosen the module: the worker starts, so that it is warm by the time of Apply."""
        self._listModels()

    def close(self) -> None:
        """Nothing goes on after this."""
        self.panel.close()
        self.installation.close()

    def _listModels(self) -> None:
        self.panel.listModels()

    def _modelsTold(self, models: tuple[Offered, ...]) -> None:
        self.models.setModels(models, self._session.memory)

    def _ready(self) -> None:
        self.panel.parametersChanged()
        self.models.setModels(self.models.state.models, self._session.memory)
        self.installation.setDevices(self._session.devices)

    def _usePython(self, python: str) -> None:
        """Another interpreter was chosen, or the chosen one has new libraries."""
        self._onPython(python)
        self._session.usePython(python)
        self._listModels()

    def _pageChosen(self, index: int) -> None:
        if index == 1:
            self.models.enter()
        elif index == 2:
            self.installation.enter()
