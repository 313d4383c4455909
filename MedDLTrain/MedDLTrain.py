"""MedDLTrain: trains networks on segmentations that were drawn in Slicer.

Slicer imports this file at its start, with those of all other modules. So it imports nothing that takes time: what the
module does is in ``MedDLTrainLib``, which is imported when the module is first used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from MedDLTrainLib.parameters import MedDLTrainParameterNode
    from MedDLTrainLib.train_session import TrainSession

WORKER_PYTHON = "MedDL/WorkerPython"
"""The setting with the interpreter that runs networks; empty: Slicer's own. MedDLSegment has the same."""


class MedDLTrain(ScriptedLoadableModule):
    """What Slicer knows of the module."""

    def __init__(self, parent: Any) -> None:
        """Says what the module is."""
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedDL Train")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["MedDLSegment", "Plots", "Segmentations", "SubjectHierarchy", "Tables", "Volumes"]
        parent.contributors = ["The MedDL contributors"]
        parent.helpText = _(
            "Trains a deep network on scans that were segmented in Slicer, on this computer: checks them, plans, "
            "trains, reports, and hands the model to MedDL Segment. Not for clinical use."
        )
        parent.acknowledgementText = _("Built on 3D Slicer, MONAI, PyTorch and SimpleITK.")


class MedDLTrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: Slicer's side of it. The rest is ``MedDLTrainLib.panel``."""

    def __init__(self, parent: Any = None) -> None:
        """Called when a person chooses the module for the first time."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: MedDLTrainLogic | None = None
        self.panel: Any = None
        self._parameterNode: MedDLTrainParameterNode | None = None
        self._guiTag: int | None = None

    def setup(self) -> None:
        """Makes the widgets."""
        ScriptedLoadableModuleWidget.setup(self)
        from MedDLTrainLib.panel import TrainPanel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedDLTrain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedDLTrainLogic()
        self.panel = TrainPanel(self.ui, self.logic.session, slicer.mrmlScene, self.logic.useInMedDLSegment)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneEndImport)
        if self.parent.isEntered:
            self.enter()  # a reload: Slicer makes the widget anew under the person's eyes and does not enter it

    def enter(self) -> None:
        """Called each time a person opens the module."""
        if self._parameterNode is None:
            self._useParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Called each time a person opens another module. A training goes on."""

    def cleanup(self) -> None:
        """Called when Slicer quits, and before the module is reloaded. A training keeps its last epoch."""
        if self.panel is not None:  # None: it could not be made, and a developer reloads it
            self._setParameterNode(None)
            self.panel.close()
        self.removeObservers()
        if self.logic is not None:
            self.logic.close()

    def onReload(self) -> None:
        """The developer's "Reload": the libraries too, which Slicer would keep."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("MedDLTrainLib", "MedDLTraining")]:
            del sys.modules[name]
        super().onReload()

    def _onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        self._setParameterNode(None)

    def _onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        if self.parent.isEntered:
            self._useParameterNode()

    def _onSceneEndImport(self, _caller: Any, _event: Any) -> None:
        self._useParameterNode()

    def _useParameterNode(self) -> None:
        """Shows the choices of the scene's node, which is made where there is none."""
        self._setParameterNode(self.logic.getParameterNode())

    def _setParameterNode(self, parameterNode: MedDLTrainParameterNode | None) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._parameterNode = parameterNode
        self.panel.setParameters(parameterNode)
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)

    def _onParametersChanged(self, _caller: Any = None, _event: Any = None) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():  # a scene that is half loaded is not looked at
            self.panel.parametersChanged()


class MedDLTrainLogic(ScriptedLoadableModuleLogic):
    """The child process that trains, and the way of a model to MedDLSegment.

    For scripts, the command line (``meddl check``, ``train``, ``evaluate``, ``publish``) and the package
    ``MedDLTraining`` do the same without a window.
    """

    def __init__(self) -> None:
        """Starts nothing."""
        ScriptedLoadableModuleLogic.__init__(self)
        self._session: TrainSession | None = None

    @property
    def session(self) -> TrainSession:
        """The child process and what was asked of it."""
        if self._session is None:
            from MedDLTrainLib.train_session import TrainSession

            log = Path(slicer.app.temporaryPath) / "MedDL-training.log"
            self._session = TrainSession(slicer.util.settingsValue(WORKER_PYTHON, ""), log)
        return self._session

    def getParameterNode(self) -> MedDLTrainParameterNode:
        """What is chosen in the panel, typed."""
        from MedDLTrainLib.parameters import MedDLTrainParameterNode

        return MedDLTrainParameterNode(super().getParameterNode())

    def useInMedDLSegment(self, model: str) -> None:
        """Opens MedDLSegment with this model of this machine chosen."""
        from MedDLSegment import MedDLSegmentLogic

        parameterNode = MedDLSegmentLogic().getParameterNode()
        parameterNode.structures = []
        parameterNode.model = model
        slicer.util.selectModule("MedDLSegment")

    def close(self) -> None:
        """Ends the child process."""
        if self._session is not None:
            self._session.close()


class MedDLTrainTest(ScriptedLoadableModuleTest):
    """Needs no network library and no connection: what of the module works without them."""

    def setUp(self) -> None:
        """An empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """All of it."""
        self.setUp()
        self.test_choicesAreKeptInTheScene()
        self.setUp()
        self.test_curvesOfATrainingAreDrawn()
        self.setUp()

    def test_choicesAreKeptInTheScene(self) -> None:
        """A parameter that was set is read by whoever asks for the node next."""
        parameterNode = MedDLTrainLogic().getParameterNode()
        parameterNode.minutes, parameterNode.leftOut = 90, ["case_0002"]
        again = MedDLTrainLogic().getParameterNode()
        self.assertEqual((again.minutes, list(again.leftOut)), (90, ["case_0002"]))

    def test_curvesOfATrainingAreDrawn(self) -> None:
        """Epochs, as the child process tells them, become a chart."""
        from MedDLScene.learning_curves import LearningCurves

        epochs = [{"epoch": n, "loss": 1 / n, "dice": {"liver": 0.1 * n}, "mean_dice": 0.1 * n} for n in range(1, 5)]
        chart = LearningCurves(slicer.mrmlScene).show("test", epochs, {"liver": (221, 130, 101)})
        self.assertEqual(chart.GetNumberOfPlotSeriesNodes(), 2)
        table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
        self.assertEqual(table.GetNumberOfRows(), 4)
        self.delayDisplay("Test passed")
