"""The pages of the module: segment, batch, models, installation. What one of them changes, the others are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer

from .batch_child import BatchChild
from .batch_page import BatchPage
from .installation_page import InstallationPage
from .models_page import ModelsPage
from .panel import SegmentPanel
from .parameters import MedDLSegmentParameterNode
from .segment_session import SegmentSession
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

NAMES = ("", "Batch", "Models", "Installation")
"""Of their .ui files, in their order."""


class Pages:
    """The module's widgets.

    Attributes:
        widget: the ``QTabWidget``.
        ui: the widgets of the page Segment by their names.
        panel, batch, models, installation: what ties the widgets of each page together.
    """

    def __init__(
        self, resourcePath: Callable[[str], str], session: SegmentSession, onPython: Callable[[str], None]
    ) -> None:
        """Makes the widgets. ``onPython`` is told when the person chooses another interpreter, to keep that."""
        self._session, self._onPython = session, onPython
        self.widget = qt.QTabWidget()
        self._pages = [slicer.util.loadUI(resourcePath(f"UI/MedDLSegment{name}.ui")) for name in NAMES]
        titles = (_("Segment"), _("Batch"), _("Models"), _("Installation"))
        for page, title in zip(self._pages, titles, strict=True):
            self.widget.addTab(page, title)
        self._pages[0].setMRMLScene(slicer.mrmlScene)
        self.ui, batch, models, installation = (slicer.util.childWidgetVariables(page) for page in self._pages)
        self.panel = SegmentPanel(self.ui, session, self._modelsTold)
        self.batch = BatchPage(batch, BatchChild(session.python, session.logOf("batch")), slicer.mrmlScene)
        self.models = ModelsPage(models, session.errands, self._listModels)
        self.installation = InstallationPage(installation, session.python, self._usePython)
        session.onReady = self._ready
        self.widget.connect("currentChanged(int)", self._pageChosen)

    def enter(self) -> None:
        """The person has chosen the module: the worker starts, so that it is warm by the time of Apply."""
        self._listModels()

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed."""
        self.panel.setParameters(parameters)
        self.batch.setParameters(parameters)

    def parametersChanged(self) -> None:
        """A choice has changed."""
        self.panel.parametersChanged()
        self.batch.parametersChanged()

    def close(self) -> None:
        """Nothing goes on after this."""
        self.panel.close()
        self.batch.close()
        self.installation.close()

    def _listModels(self) -> None:
        self.panel.listModels()

    def _modelsTold(self, models: tuple[Offered, ...]) -> None:
        self.batch.setModels(models)
        self.models.setModels(models, self._session.memory)

    def _ready(self) -> None:
        self.panel.parametersChanged()
        self.models.setModels(self.models.state.models, self._session.memory)
        self.installation.setDevices(self._session.devices)

    def _usePython(self, python: str) -> None:
        """Another interpreter was chosen, or the chosen one has new libraries."""
        self._onPython(python)
        self._session.usePython(python)
        self.batch.usePython(python)
        self._listModels()

    def _pageChosen(self, index: int) -> None:
        name = NAMES[index]
        if name == "Batch":
            self.batch.parametersChanged()  # Slicer's database may have been opened
        elif name == "Models":
            self.models.enter()
        elif name == "Installation":
            self.installation.enter()
