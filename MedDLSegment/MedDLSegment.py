"""MedDLSegment: segments the volumes of the scene with deep networks.

Slicer imports this file at its start, with those of all other modules. So it imports nothing that takes time: what the
module does is in ``MedDLSegmentLib``, which is imported when the module is first used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
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
    from MedDLSegmentLib.pages import Pages
    from MedDLSegmentLib.parameters import MedDLSegmentParameterNode
    from MedDLSegmentLib.segment_run import SegmentRun
    from MedDLSegmentLib.segment_session import SegmentSession

WORKER_PYTHON = "MedDL/WorkerPython"
"""The setting with the interpreter that runs networks; empty: Slicer's own."""

AFTER_LISTS_OF_NODES = -1.0
"""The priority of an observer of the scene that comes after Slicer's selectors of nodes, those made later, too."""


class MedDLSegment(ScriptedLoadableModule):
    """What Slicer knows of the module."""

    def __init__(self, parent: Any) -> None:
        """Says what the module is."""
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedDL Segment")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = [
            "Markups",
            "Segmentations",
            "Sequences",
            "SubjectHierarchy",
            "Tables",
            "Terminologies",
            "Volumes",
        ]
        parent.contributors = ["The MedDL contributors"]
        parent.helpText = _("Segments CT and MR volumes with deep networks, on this computer. Not for clinical use.")
        parent.acknowledgementText = _("Built on 3D Slicer, MONAI, PyTorch and SimpleITK.")
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerEffect)


def registerSampleData() -> None:
    """Tells the module Sample Data of scans to try this one with; nothing is downloaded."""
    from MedDLSegmentLib.sample_data import register

    register()


def registerEffect() -> None:
    """Tells Segment Editor of the effect that corrects by clicks."""
    import qSlicerSegmentationsEditorEffectsPythonQt as effects

    effect = effects.qSlicerSegmentEditorScriptedEffect(None)
    effect.setPythonSource((Path(__file__).parent / "MedDLSegmentEffect" / "SegmentEditorEffect.py").as_posix())
    effect.self().register()


class MedDLSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: Slicer's side of it. The rest is ``MedDLSegmentLib.panel``."""

    def __init__(self, parent: Any = None) -> None:
        """Called when a person chooses the module for the first time."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: MedDLSegmentLogic | None = None
        self.pages: Pages | None = None
        self.panel: Any = None
        self._parameterNode: MedDLSegmentParameterNode | None = None
        self._guiTag: int | None = None

    def setup(self) -> None:
        """Makes the widgets."""
        ScriptedLoadableModuleWidget.setup(self)
        from MedDLSegmentLib.pages import Pages

        self.logic = MedDLSegmentLogic()
        self.pages = Pages(self.resourcePath, self.logic.session, self.logic.keepPython)
        self.layout.addWidget(self.pages.widget)
        self.ui, self.panel = self.pages.ui, self.pages.panel
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self._onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneEndImport, priority=AFTER_LISTS_OF_NODES)
        if self.parent.isEntered:
            self.enter()  # a reload: Slicer makes the widget anew under the person's eyes and does not enter it

    def enter(self) -> None:
        """Called each time a person opens the module."""
        if self._parameterNode is None:
            self._useParameterNode()
        else:
            self._chooseFirstVolume(self._parameterNode)
        self.pages.enter()

    def exit(self) -> None:
        """Called each time a person opens another module. A run goes on; the views are the other module's."""
        if self.pages is not None:
            self.pages.exit()

    def cleanup(self) -> None:
        """Called when Slicer quits, and before the module is reloaded."""
        if self.pages is not None:  # None: it could not be made, and a developer reloads it
            self._setParameterNode(None)
            self.pages.close()
        self.removeObservers()
        if self.logic is not None:
            self.logic.close()

    def onReload(self) -> None:
        """The developer's "Reload": the libraries too, which Slicer would keep."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("MedDLSegmentLib", "MedDLScene")]:
            del sys.modules[name]
        super().onReload()

    def _onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        self._setParameterNode(None)

    def _onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        if self.parent.isEntered:
            self._useParameterNode()

    def _onSceneStartImport(self, _caller: Any, _event: Any) -> None:
        """Until its end, selectors do not list what is imported: shown in them, a choice would become another one."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.pages.disconnectGui()

    def _onSceneEndImport(self, _caller: Any, _event: Any) -> None:
        self._useParameterNode()

    def _useParameterNode(self) -> None:
        """Shows the choices of the scene's node, which is made where there is none."""
        parameterNode = self.logic.getParameterNode()
        self._chooseFirstVolume(parameterNode)
        self._setParameterNode(parameterNode)

    @staticmethod
    def _chooseFirstVolume(parameterNode: MedDLSegmentParameterNode) -> None:
        """Of those that can be chosen: label maps and volumes of vectors are scalar volumes to Slicer, too."""
        if not parameterNode.inputVolume:
            kind = "vtkMRMLScalarVolumeNode"
            scans = (node for node in slicer.util.getNodesByClass(kind) if node.GetClassName() == kind)
            parameterNode.inputVolume = next((node for node in scans if not node.GetHideFromEditors()), None)

    def _setParameterNode(self, parameterNode: MedDLSegmentParameterNode | None) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._parameterNode = parameterNode
        self.pages.setParameters(parameterNode)
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)

    def _onParametersChanged(self, _caller: Any = None, _event: Any = None) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():  # a scene that is half loaded is not looked at
            self.pages.parametersChanged()


class MedDLSegmentLogic(ScriptedLoadableModuleLogic):
    """What the module does, for scripts too::

        logic = MedDLSegmentLogic()
        segmentation = logic.process([volumeNode], "brain-tissue-t1")
        logic.close()

    The network runs in a worker, a process of its own, which starts with the first use and stays warm until ``close``.
    """

    def __init__(self) -> None:
        """Starts nothing."""
        ScriptedLoadableModuleLogic.__init__(self)
        self._session: SegmentSession | None = None

    @property
    def session(self) -> SegmentSession:
        """The worker and what was asked of it."""
        if self._session is None:
            from MedDLSegmentLib.segment_session import SegmentSession

            log = Path(slicer.app.temporaryPath) / "MedDL-worker.log"
            python = slicer.util.settingsValue(WORKER_PYTHON, "")
            self._session = SegmentSession(slicer.mrmlScene, python, log)
        return self._session

    @staticmethod
    def keepPython(python: str) -> None:
        """Remembers the interpreter that runs networks; empty: Slicer's own."""
        import qt

        qt.QSettings().setValue(WORKER_PYTHON, python)

    def getParameterNode(self) -> MedDLSegmentParameterNode:
        """What is chosen in the panel, typed."""
        from MedDLSegmentLib.parameters import MedDLSegmentParameterNode

        return MedDLSegmentParameterNode(super().getParameterNode())

    def start(
        self, volumes: Sequence[Any], model: str, onChange: Callable[[SegmentRun], None] | None = None, **choices: Any
    ) -> SegmentRun:
        """Starts a run and returns at once; it goes on while Slicer handles its events.

        Args:
            volumes: ``vtkMRMLScalarVolumeNode``, one for each input of the model.
            model: its name, or its folder.
            onChange: told of progress and of the end: ``run.progress`` is None then.
            choices: ``structures`` (names), ``region`` (a ROI node), ``points`` (a point list),
                ``segmentation`` (a node for the result), ``device``, ``threads``, ``cropBody``, ``wholeSequence``:
                see ``MedDLSegmentLib.segment_run.Choice``.
        """
        from MedDLSegmentLib.segment_run import Choice

        choice = Choice(model, tuple(volumes), **choices)
        return self.session.run(choice, onChange) if onChange is not None else self.session.run(choice)

    def process(self, volumes: Sequence[Any], model: str, **choices: Any) -> Any:
        """Runs and waits, for scripts. Arguments as for ``start``.

        Returns:
            The ``vtkMRMLSegmentationNode``.

        Raises:
            MedDLCore.errors.MedDLError: with a code, what happened, and what to do.
        """
        return self.start(volumes, model, **choices).wait()

    def uncertainty(self, volumes: Sequence[Any], model: str, **choices: Any) -> Any:
        """Measures how sure a model is of each voxel, and waits. It is not laid over the scan.

        Args:
            volumes: as for ``start``.
            model: as for ``start``.
            choices: ``device``, ``threads``.

        Returns:
            The ``vtkMRMLScalarVolumeNode`` with the disagreement of its passes, nats: 0 where it is sure.

        Raises:
            MedDLCore.errors.MedDLError: with a code, what happened, and what to do.
        """
        from MedDLSegmentLib.segment_run import Choice

        return self.session.measure(Choice(model, tuple(volumes), **choices)).wait()

    def exportToDicom(self, segmentation: Any) -> None:
        """Puts a result into Slicer's DICOM database as DICOM SEG, in the study of its series, and waits.

        Raises:
            MedDLCore.errors.MedDLError: NOT_DICOM where its volume is not from DICOM; and what the writer refuses.
        """
        from MedDLSegmentLib.dicom_export import exportAndWait

        exportAndWait(segmentation, self.session.worker)

    def close(self) -> None:
        """Ends the worker."""
        if self._session is not None:
            self._session.close()


class MedDLSegmentTest(ScriptedLoadableModuleTest):
    """Needs no network library and no connection: what of the module works without them."""

    def setUp(self) -> None:
        """An empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """All of it."""
        self.setUp()
        self.test_choicesAreKeptInTheScene()
        self.setUp()
        self.test_aResultGoesIntoTheScene()

    def test_choicesAreKeptInTheScene(self) -> None:
        """A parameter that was set is read by whoever asks for the node next."""
        parameterNode = MedDLSegmentLogic().getParameterNode()
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
        parameterNode.inputVolume, parameterNode.structures = volume, ["liver"]
        again = MedDLSegmentLogic().getParameterNode()
        self.assertEqual(again.inputVolume.GetID(), volume.GetID())
        self.assertEqual(list(again.structures), ["liver"])

    def test_aResultGoesIntoTheScene(self) -> None:
        """A label map, as the worker gives it, becomes a segmentation in the volume's place."""
        import numpy as np

        from MedDLCore.volume import Label, LabelMap
        from MedDLScene.result_nodes import resultToScene, runManifest
        from MedDLScene.volume_node import volumeFromNode

        array = np.zeros((4, 5, 6), np.int16)
        volumeNode = slicer.util.addVolumeFromArray(array, name="scan")
        labels = np.zeros(array.shape, np.uint8)
        labels[1:3, 1:3, 1:3] = 1
        found = LabelMap(labels, volumeFromNode(volumeNode).geometry, (Label(1, "liver", (221, 130, 101)),))
        segmentation = resultToScene(found, [], {"model": {"name": "test"}}, volumeNode, slicer.mrmlScene)
        self.assertEqual(segmentation.GetSegmentation().GetNthSegment(0).GetName(), "liver")
        self.assertEqual(runManifest(segmentation), {"model": {"name": "test"}})
        self.delayDisplay("Test passed")
