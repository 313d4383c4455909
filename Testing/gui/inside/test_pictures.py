"""Pictures of the panel, to be looked at; what can be measured about them is measured.

``MEDDL_GUI_PICTURES`` names a folder that gets them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from vtk.util import numpy_support

from gui.host.start import PANEL_WIDTH
from gui.inside.test_apply import choose

Wait = Callable[..., None]

ROW = 30
"""Pixels: widgets beside each other differ by less in where they begin."""


@pytest.fixture
def picture(widget: Any, host: Any, tmp_path: Path) -> Callable[[str], None]:
    """Takes a picture of the whole panel, however long it is, and looks whether anything of it is cut off."""
    folder = Path(os.environ.get("MEDDL_GUI_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        photograph(host, widget.parent, folder / f"{name}.png")

    return take


def photograph(host: Any, panel: Any, path: Path) -> None:
    """The whole panel. What a process tells meanwhile may make it longer: then it is given more room."""
    missing = ["not looked at yet"]
    for _ in range(5):
        if not missing:
            break
        for _ in range(3):
            host.app.processEvents()
        panel.area.resize(PANEL_WIDTH, max(panel.sizeHint().height(), panel.minimumSizeHint().height()) + 4)
        for _ in range(3):
            host.app.processEvents()
        assert panel.area.grab().save(str(path))
        missing = cut_off(panel)
    assert missing == []


def cut_off(panel: QtWidgets.QWidget) -> list[str]:
    """Widgets that have less room than they need, or lie beyond the panel.

    Read in a way that is the same for Qt's widgets and for the stand-ins, whose ``size`` is an attribute.
    """
    plain, wrong = QtWidgets.QWidget, []
    for child in plain.findChildren(panel, plain):
        kinds = (QtWidgets.QPushButton, QtWidgets.QCheckBox, QtWidgets.QLabel, QtWidgets.QComboBox, QtWidgets.QLineEdit)
        if not child.isVisible() or not isinstance(child, kinds) or isinstance(child.parent(), QtWidgets.QSpinBox):
            continue
        size = plain.size(child)
        needed = child.property("minimumSizeHint" if isinstance(child, QtWidgets.QComboBox) else "sizeHint")
        wraps = isinstance(child, QtWidgets.QLabel) and QtWidgets.QLabel.wordWrap(child)
        missing = 0 if wraps else needed.width() - size.width()
        below = child.heightForWidth(size.width()) if wraps else needed.height()
        right = child.mapTo(panel, QtCore.QPoint(size.width(), 0)).x()
        if missing > 0 or below > size.height() + 1 or right > plain.width(panel):
            wrong.append(f"{plain.objectName(child) or type(child).__name__}: has {size}, needs {needed}")
    return wrong


@pytest.fixture
def a_body(scene: Any) -> Any:
    """The phantom body of ``meddl demo``, which says that it is CT."""
    from MedDLCore.demo.phantom import make_phantom
    from MedDLScene.result_scene import volumeToNode

    node = volumeToNode(make_phantom(1)[0], scene, "Body")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    hierarchy.SetItemAttribute(item, name, "CT")
    return node


SIDE = 480
"""Pixels of a view."""


class View:
    """A view off the screen, in which Slicer's own displayable managers draw the scene's segmentations."""

    def __init__(self, host: Any, factory: Any, manager: str, node: Any) -> None:
        factory.SetMRMLApplicationLogic(host.app.applicationLogic())
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
        self.window, self.renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(SIDE, SIDE)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(self.renderer)
        self._group.Initialize(factory, self.renderer)
        self._group.SetMRMLDisplayableNode(node)

    def picture(self, path: Path) -> np.ndarray:
        """Drawn, written, and as ``(rows, columns, 3)`` uint8."""
        self.window.Render()
        grabbed = vtk.vtkWindowToImageFilter()
        grabbed.SetInput(self.window)
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(grabbed.GetOutputPort())
        writer.SetFileName(str(path))
        writer.Write()
        scalars = grabbed.GetOutput().GetPointData().GetScalars()
        return numpy_support.vtk_to_numpy(scalars).reshape(SIDE, SIDE, 3)


def picture_of_the_3d_view(host: Any, path: Path) -> np.ndarray:
    """The surfaces, from the front."""
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    node = host.scene.AddNewNodeByClass("vtkMRMLViewNode")
    view = View(host, factory, "vtkMRMLSegmentationsDisplayableManager3D", node)
    view.renderer.SetBackground(0.75, 0.78, 0.91)
    camera = view.renderer.GetActiveCamera()
    camera.SetPosition(0, 1, 0)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    view.renderer.ResetCamera()
    return view.picture(path)


def picture_of_a_slice_view(host: Any, volume: Any, path: Path) -> np.ndarray:
    """A coronal slice, and the segments on it. The slice itself is drawn by Slicer's widget, and here by an actor."""
    application = host.app.applicationLogic()
    if application.GetSliceLogics() is None:
        application.SetSliceLogics(vtk.vtkCollection())
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application)
    application.GetSliceLogics().AddItem(logic)
    logic.SetMRMLScene(host.scene)
    node = logic.AddSliceNode("Green")
    node.SetOrientationToCoronal()
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    logic.ResizeSliceNode(SIDE, SIDE)
    logic.FitSliceToBackground(SIDE, SIDE)
    logic.SnapSliceOffsetToIJK()
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    view = View(host, factory, "vtkMRMLSegmentationsDisplayableManager2D", node)
    mapper, actor = vtk.vtkImageMapper(), vtk.vtkActor2D()
    mapper.SetInputConnection(logic.GetImageDataConnection())
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()  # below the segments
    view.renderer.AddViewProp(actor)
    drawn = view.picture(path)
    application.GetSliceLogics().RemoveItem(logic)
    return drawn


def test_pictures_of_the_panel(
    host: Any, widget: Any, a_body: Any, wait: Wait, picture: Callable[[str], None], tmp_path: Path
) -> None:
    ui, panel = widget.ui, widget.panel
    picture("0-first")
    wait(lambda: panel.state.models is not None)
    titles = [ui.modelList.item(n).text() for n in range(ui.modelList.count)]
    ui.modelList.setCurrentRow(next(n for n, title in enumerate(titles) if title.startswith("Organs")))
    wait(lambda: panel.state.plan is not None)
    picture("1-plan")
    ui.advancedCollapsibleButton.collapsed = False
    picture("2-advanced")
    ui.advancedCollapsibleButton.collapsed = True
    ui.applyButton.click()
    wait(lambda: panel.run.progress is None or panel.run.progress.stage == "network")
    picture("3-running")
    wait(lambda: panel.run.progress is None)
    ui.show3DButton.click()
    wait(lambda: ui.show3DButton.text == "Hide 3D")
    picture("4-done")
    folder = Path(os.environ.get("MEDDL_GUI_PICTURES", tmp_path))
    drawn = picture_of_the_3d_view(host, folder / "5-view.png")
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1000  # shaded surfaces, not a plain background
    drawn = picture_of_a_slice_view(host, a_body, folder / "5-slice.png").astype(int)
    assert (drawn.max(axis=-1) - drawn.min(axis=-1) > 40).sum() > 1000  # segments are coloured, the slice is grey
    ui.modelList.setCurrentRow(next(n for n, title in enumerate(titles) if title.startswith("Tumours")))
    picture("6-two-inputs")
    ui.modelList.setCurrentRow(next(n for n, title in enumerate(titles) if title.startswith("Small")))
    ui.pointsSelector.setCurrentNode(host.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Middles"))
    ui.sequenceLabel.visible = ui.sequenceCheckBox.visible = True  # as for a volume of a sequence
    picture("6-points-and-sequence")


def test_pictures_of_the_other_pages(
    widget: Any, host: Any, wait: Wait, picture: Callable[[str], None], tmp_path: Path
) -> None:
    from MedDLSegmentLib.models_state import Examined, Work

    pages = widget.pages
    wait(lambda: widget.panel.state.models is not None and widget.logic.session.devices)
    pages.show("Models")
    models = pages.models
    rows = [models._ui.list.item(n).text() for n in range(models._ui.list.count)]
    models._ui.list.setCurrentRow(next(n for n, row in enumerate(rows) if row.startswith("Organs")))
    picture("7-model-here")
    models._ui.list.setCurrentRow(next(n for n, row in enumerate(rows) if "to download" in row))
    picture("8-model-to-get")
    models._update(
        examined=Examined(
            "/home/a/bundle",
            ("inference.json: network_def: scripts.own.Network",),
            ("scripts/own.py",),
            12,
            3 * 10**7,
            "ab" * 32,
        )
    )
    picture("9-trust")
    models._update(examined=None, work=Work("get", "brain-tissue-t1", 0.42))
    picture("10-download")
    models._update(work=None)
    pages.show("Installation")
    installation = pages.installation
    wait(lambda: not installation.state.busy)
    picture("11-installed")
    found = installation.state.found
    installation._update(found=replace(found, libraries={**found.libraries, "torch": "2.1.0", "monai": None}))
    picture("12-missing")
    installation._update(python="/home/a/venv/bin/python")
    picture("13-another-python")
    installation._update(python="", found=found)
    pages.show("")


def test_pictures_of_the_page_of_batches(
    widget: Any, wait: Wait, picture: Callable[[str], None], tmp_path: Path
) -> None:
    from MedDLSegmentLib.batch_state import Case, Work

    pages = widget.pages
    wait(lambda: widget.panel.state.models is not None)
    parameters = widget.logic.getParameterNode()
    pages.show("Batch")
    batch = pages.batch
    picture("14-batch-first")
    organs = next(model.name for model in widget.panel.state.models if model.title.startswith("Organs"))
    parameters.model, parameters.batchSource = organs, "folder"
    parameters.batchFolder, parameters.batchOut = "/home/a/scans of the trial", "/home/a/results"
    picture("15-batch-chosen")
    names = ("CT Thorax 1.0 B30f", "CT Abdomen 5.0 portal venous", "CT Topogram", "MR T1 axial", "CT Neck 3.0")
    cases = [Case(str(n), name, 100 + 37 * n, 1.25 * n) for n, name in enumerate(names)]
    why = "It does not hold that thickness = 1..3."
    cases[1] = replace(cases[1], state="left out", why=why)
    cases[3] = replace(cases[3], state="left out", code="WRONG_MODALITY", why="The model is for CT, this is MR.")
    needs = {"scans": 3, "unknown": 0, "seconds": 1300.0, "memory": 3.1e9, "disk": 4.2e7, "on_device": False}
    from MedDLSegmentLib.batch_state import needsLine, ranked, rankedLine

    batch.workflow._update(cases=tuple(cases), needs=needs, done=needsLine(3, needs), chosen="1")
    picture("16-batch-preview")
    cases[0] = replace(cases[0], state="done")
    cases[2] = replace(cases[2], state="started")
    work = Work("run", "network", 0.45, 740.0, 2, 3)
    batch.workflow._update(work=work, cases=tuple(cases), chosen="")
    picture("17-batch-running")
    batch.workflow._update(work=replace(work, stage="paused", pausing=True))
    picture("18-batch-paused")
    cases[2] = replace(cases[2], state="skipped", code="LOCALIZER")
    cases[4] = replace(cases[4], state="refused", code="FILE_TRUNCATED")
    ended = {"done": "Done: 1. Skipped: 1. Refused: 1.", "report": "/r/report.html", "segments": "/r/segments.csv"}
    batch.workflow._update(work=None, cases=tuple(cases), chosen="4", stored=1, **ended)
    picture("19-batch-ended")
    cases[0], cases[2] = (
        replace(cases[0], disagreement=0.0123),
        replace(cases[2], state="runs", code="", disagreement=0.0041),
    )
    done = rankedLine({"done": 2, "refused": 1})
    batch.workflow._update(cases=ranked(tuple(cases)), done=done, chosen="2", stored=0)
    picture("19-batch-ranked")
    batch.workflow.forget()
    parameters.batchSource = "database"
    pages.show("")


def test_pictures_of_the_page_of_clicks(widget: Any, a_body: Any, scene: Any, picture: Any, wait: Wait) -> None:
    from MedDLScene.segment_edit import Edited
    from MedDLSegmentLib.correct_state import Going, Last
    from MedDLSegmentLib.panel_state import Run
    from MedDLSegmentLib.uncertainty_state import model, saidOf

    wait(lambda: widget.panel.state.models is not None)
    pages, parameters = widget.pages, widget._parameterNode
    pages.show("Correct")
    page = pages.correct
    parameters.inputVolume = a_body
    picture("20-correct-no-segmentation")
    parameters.segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Body segmentation")
    parameters.correctModel = "listening"
    page._ui.addButton.click()
    stages = {"prepare": 0.03, "network": 0.52, "finish": 0.11}
    last = Last("ball", True, Edited(412, 3, 57, ("spleen",)), 0.81, stages)
    page._update(going=Going(count=3, canUndo=True, last=last))
    parameters.correctSet = "/home/a/training set"
    page._collect.state = replace(page._collect.state, said="Case 7 of this set: 3 clicks.")
    page._collect._show()
    picture("21-correct-clicked")
    page._update(going=Going(count=3, canUndo=True, busy=True, stage="network", waiting=1))
    picture("22-correct-busy")
    page._update(going=Going())
    part = page.uncertainty
    figures = {"place": (1, 2, 3), "disagreement": 0.00583, "way": "perturbed"}
    part.state = replace(part.state, said=saidOf(figures, model(part.state)))
    part._show()
    assert part._ui.uncertaintyButton.enabled
    picture("24-correct-uncertainty")
    part.state = replace(part.state, run=Run("network", 0.4, 42.0))
    part._show()
    picture("25-correct-measuring")
    part.state = replace(part.state, run=None, said="")
    parameters.correctModel = "none"
    picture("23-correct-grow")
    parameters.correctModel = ""
    pages.show("")


def test_the_line_about_a_model_takes_no_more_room_than_its_text(widget: Any, picture: Any, wait: Wait) -> None:
    """A label that wraps asks for more lines than it needs, unless it can be wide and its text cannot be selected."""
    choose(widget, wait, "Organs")
    wait(lambda: widget.ui.modelSummary.text)
    picture("0-model")
    label = widget.ui.modelSummary
    assert label.height - label.heightForWidth(label.width) < label.fontMetrics().lineSpacing()


def test_the_keyboard_goes_through_the_panel_from_top_to_bottom(widget: Any, host: Any) -> None:
    """A widget below is not reached before one above."""
    plain = QtWidgets.QWidget
    for page in range(5):
        widget.pages.widget.setCurrentIndex(page)
        host.app.processEvents()
        shown, first = [], widget.pages.widget.widget(page)
        chained = plain.nextInFocusChain(first)
        while chained is not first and len(shown) < 500:
            takes = plain.focusPolicy(chained) & QtCore.Qt.FocusPolicy.TabFocus
            if first.isAncestorOf(chained) and chained.isVisible() and takes:
                shown.append(chained.mapTo(first, QtCore.QPoint(0, 0)).y())
            chained = plain.nextInFocusChain(chained)
        assert len(shown) > 3 and all(after > before - ROW for before, after in pairwise(shown)), (page, str(shown))
    widget.pages.show("")
