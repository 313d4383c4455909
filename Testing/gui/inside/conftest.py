"""A running host, one for all tests; each begins with an empty scene and ends without an error in a slot."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gui.run import MODULES

FOLDER = Path(os.environ["MEDDL_GUI_FOLDER"])
"""What CMake lists, as it is installed."""

PATIENCE = float(os.environ.get("MEDDL_GUI_PATIENCE", "120"))
"""Seconds until a test gives up waiting: a worker imports torch, on a busy machine."""


@pytest.fixture(scope="session")
def host() -> Iterator[Any]:
    from gui.host import qt_members
    from gui.host.start import Host

    qt_members.watched = str(FOLDER)
    running = Host(FOLDER)
    for name in MODULES:
        running.load(name)
    for name in ("MedDLCore", "MedDLScene", "MedDLSegmentLib", "MedDLTraining", "MedDLTrainLib"):
        module = importlib.import_module(name)
        assert FOLDER in Path(str(module.__file__)).parents, f"{name} comes from {module.__file__}"
    yield running
    for name in MODULES:
        if running.shown(name):
            running.unload(name)


@pytest.fixture
def scene(host: Any) -> Iterator[Any]:
    from gui.host import pythonqt

    pythonqt.raised.clear()
    yield host.scene
    host.scene.Clear()
    assert not pythonqt.raised, pythonqt.raised


@pytest.fixture
def wait(host: Any) -> Callable[..., None]:
    """Lets Qt's events come until something is so."""

    def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            host.app.processEvents()
            time.sleep(0.005)

    return until


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, _no_models_of_the_person: None) -> Path:
    """The person's models: a threshold, one that listens to clicks, and others of which nothing is ever run."""
    from fixtures.listening import listening_package
    from fixtures.packages import threshold_package
    from MedDLCore.spec import Channel, Clicks, Crops
    from MedDLCore.volume import Concept, Label, Terminology

    store = Path(os.environ["MEDDL_MODELS"])
    liver = Terminology(Concept("123037004", "SCT", "Anatomical Structure"), Concept("10200004", "SCT", "Liver"))
    threshold_package(
        store / "threshold", title="Bright things in CT", labels=(Label(1, "ball", (221, 130, 101), liver),)
    )
    threshold_package(
        store / "two-sequences",
        name="two-sequences",
        title="Tumours of the brain",
        channels=(Channel("T1", "MR"), Channel("FLAIR", "MR")),
    )
    clicks = Clicks((1,), 2.0)  # voxels, of the scan's own grid: what is denied lies within what was clicked
    listening_package(store / "listening", name="listening", title="What is clicked", clicks=clicks)
    extent = Crops((20.0, 20.0, 20.0), (24.0, 24.0, 24.0))
    threshold_package(store / "around-points", name="around-points", title="Small things", crops=extent)
    return store


@pytest.fixture
def widget(host: Any, scene: Any, models: Path) -> Iterator[Any]:
    """The panel with an empty scene. One for all tests, as its worker takes seconds to start."""
    panel = host.shown("MedDLSegment") or host.widget("MedDLSegment")
    if not panel.parent.isEntered:  # a test of another module left that one chosen
        host.select("MedDLSegment")
    panel.panel.run = None
    panel.ui.modelSearch.text = ""
    yield panel


@pytest.fixture
def a_scan(scene: Any) -> Any:
    """A CT of a bright ball in air, under a transform and in a study."""
    return _scan(scene, "scan")


def _scan(scene: Any, name: str) -> Any:
    import numpy as np
    import slicer
    import vtk

    from fixtures.balls import ball
    from MedDLCore.volume import Geometry

    volume = ball(Geometry.from_parts((24, 30, 40), (1.0, 1.5, 2.0), origin=(-20, 10, 5)), (5, 30, 15), 8)
    matrix = slicer.util.vtkMatrixFromArray(volume.geometry.ijk_to_ras)
    node = slicer.util.addVolumeFromArray(volume.array.astype(np.int16), ijkToRAS=matrix, name=name)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "couch")
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(2, 3, 100.0)
    moved.SetMatrixTransformToParent(shift)
    node.SetAndObserveTransformNodeID(moved.GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "study"), node)
    return node
