"""The pages of the module: segment, correct, batch, models, installation. What one changes, the others are told.

A page is made when a person first turns to it: all of them at once would hold the window while the module opens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer

from .panel import SegmentPanel
from .parameters import MedDLSegmentParameterNode
from .segment_session import SegmentSession
from .translation import _

if TYPE_CHECKING:
    from MedDLCore.models.offered import Offered

    from .batch_page import BatchPage
    from .correct_page import CorrectPage
    from .installation_page import InstallationPage
    from .models_page import ModelsPage

NAMES = ("", "Correct", "Batch", "Models", "Installation")
"""Of their .ui files, in their order."""


class Pages:
    """The module's widgets.

    Attributes:
        widget: the ``QTabWidget``.
        ui: the widgets of the page Segment by their names.
        panel: what ties them together; as ``correct``, ``batch``, ``models``, ``installation`` do those of their pages.
    """

    def __init__(
        self, resourcePath: Callable[[str], str], session: SegmentSession, onPython: Callable[[str], None]
    ) -> None:
        """Makes the widgets. ``onPython`` is told when the person chooses another interpreter, to keep that."""
        self._resourcePath, self._session, self._onPython = resourcePath, session, onPython
        self._parameters: MedDLSegmentParameterNode | None = None
        self._models: tuple[Offered, ...] | None = None
        self._made: dict[str, Any] = {}
        self.widget = qt.QTabWidget()
        for title in (_("Segment"), _("Correct"), _("Batch"), _("Models"), _("Installation")):
            frame = qt.QWidget()
            qt.QVBoxLayout(frame).setContentsMargins(0, 0, 0, 0)
            self.widget.addTab(frame, title)
        self.ui = self._load("")
        self.panel = SegmentPanel(self.ui, session, self._modelsTold)
        session.onReady = self._ready
        self.widget.connect("currentChanged(int)", self._pageChosen)

    @property
    def correct(self) -> CorrectPage:
        """The page Correct."""
        page: CorrectPage = self._page("Correct")
        return page

    @property
    def batch(self) -> BatchPage:
        """The page Batch."""
        page: BatchPage = self._page("Batch")
        return page

    @property
    def models(self) -> ModelsPage:
        """The page Models."""
        page: ModelsPage = self._page("Models")
        return page

    @property
    def installation(self) -> InstallationPage:
        """The page Installation."""
        page: InstallationPage = self._page("Installation")
        return page

    def enter(self) -> None:
        """The person has chosen the module: the worker starts, so that it is warm by the time of Apply."""
        self._listModels()

    def exit(self) -> None:
        """The person has chosen another module: the views are for that one."""
        if "Correct" in self._made:
            self.correct.leave()

    def show(self, name: str) -> None:
        """Chooses a page by its name, of ``NAMES``."""
        self.widget.setCurrentIndex(NAMES.index(name))

    def setParameters(self, parameters: MedDLSegmentParameterNode | None) -> None:
        """Shows the choices of this node; None: the scene is closed."""
        self._parameters = parameters
        for page in (self.panel, *self._thoseMade("Correct", "Batch")):
            page.setParameters(parameters)

    def disconnectGui(self) -> None:
        """Widgets and choices do not follow each other, until ``setParameters``."""
        for page in self._thoseMade("Correct", "Batch"):
            page.disconnectGui()

    def parametersChanged(self) -> None:
        """A choice has changed."""
        for page in (self.panel, *self._thoseMade("Correct", "Batch")):
            page.parametersChanged()

    def close(self) -> None:
        """Nothing goes on after this."""
        for page in (self.panel, *self._thoseMade("Correct", "Batch", "Installation")):
            page.close()

    def _load(self, name: str) -> Any:
        """Puts the widgets of a .ui file into their page. Returns them by their names."""
        loaded = slicer.util.loadUI(self._resourcePath(f"UI/MedDLSegment{name}.ui"))
        self.widget.widget(NAMES.index(name)).layout().addWidget(loaded)
        if name:  # its page is seen: Qt would show it only with its next events
            loaded.show()
        if name in ("", "Correct"):
            loaded.setMRMLScene(slicer.mrmlScene)
        return slicer.util.childWidgetVariables(loaded)

    def _page(self, name: str) -> Any:
        if name not in self._made:
            makers = {
                "Correct": self._makeCorrect,
                "Batch": self._makeBatch,
                "Models": self._makeModels,
                "Installation": self._makeInstallation,
            }
            self._made[name] = makers[name]()
        return self._made[name]

    def _thoseMade(self, *names: str) -> tuple[Any, ...]:
        return tuple(self._made[name] for name in names if name in self._made)

    def _makeCorrect(self) -> CorrectPage:
        from .correct_page import CorrectPage

        page = CorrectPage(self._load("Correct"), self._session)
        if self._models is not None:
            page.setModels(self._models)
        page.setParameters(self._parameters)
        return page

    def _makeBatch(self) -> BatchPage:
        from .batch_child import BatchChild
        from .batch_page import BatchPage

        child = BatchChild(self._session.python, self._session.logOf("batch"))
        page = BatchPage(self._load("Batch"), child, slicer.mrmlScene)
        if self._models is not None:
            page.setModels(self._models)
        page.setParameters(self._parameters)
        return page

    def _makeModels(self) -> ModelsPage:
        from .models_page import ModelsPage

        page = ModelsPage(self._load("Models"), self._session.errands, self._listModels)
        page.setModels(self._models, self._session.memory)
        return page

    def _makeInstallation(self) -> InstallationPage:
        from .installation_page import InstallationPage

        page = InstallationPage(self._load("Installation"), self._session.python, self._usePython)
        page.setDevices(self._session.devices)
        return page

    def _listModels(self) -> None:
        self.panel.listModels()

    def _modelsTold(self, models: tuple[Offered, ...]) -> None:
        self._models = models
        for page in self._thoseMade("Correct", "Batch"):
            page.setModels(models)
        for page in self._thoseMade("Models"):
            page.setModels(models, self._session.memory)

    def _ready(self) -> None:
        self.panel.parametersChanged()
        for page in self._thoseMade("Models"):
            page.setModels(self._models, self._session.memory)
        for page in self._thoseMade("Installation"):
            page.setDevices(self._session.devices)

    def _usePython(self, python: str) -> None:
        """Another interpreter was chosen, or the chosen one has new libraries."""
        self._onPython(python)
        for page in self._thoseMade("Correct"):
            page.end()
        self._session.usePython(python)
        for page in self._thoseMade("Batch"):
            page.usePython(python)
        self._listModels()

    def _pageChosen(self, index: int) -> None:
        name = NAMES[index]
        if name != "Correct":
            self.exit()
        page = self._page(name) if name else self.panel
        if name == "Batch":
            page.parametersChanged()  # Slicer's database may have been opened
        elif name in ("Models", "Installation"):
            page.enter()
