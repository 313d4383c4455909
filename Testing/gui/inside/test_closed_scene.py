"""A scene is closed: its scans take hundreds of megabytes, and nothing of ours may keep them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk

from gui.inside.test_apply import choose, ended

Wait = Callable[..., None]


def test_a_closed_scene_is_let_go(host: Any, widget: Any, scene: Any, wait: Wait) -> None:
    ui, correct = widget.ui, widget.pages.correct
    array = np.full((20, 20, 20), -1000, np.int16)
    array[5:15, 5:15, 5:15] = 200
    slicer.util.addVolumeFromArray(array, name="scan")
    choose(widget, wait)
    ui.volumeSelector.setCurrentNode(scene.GetFirstNodeByName("scan"))
    ui.applyButton.click()
    wait(lambda: ended(widget))
    ui.show3DButton.click()
    wait(lambda: ui.show3DButton.text == "Hide 3D")
    correct._ui.uncertaintyButton.click()
    wait(lambda: correct.uncertainty.state.run is None)

    watched = {}
    for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode"):
        for n in range(scene.GetNumberOfNodesByClass(kind)):
            node = scene.GetNthNodeByClass(n, kind)
            watched[node.GetName()] = vtk.vtkWeakReference()
            watched[node.GetName()].Set(node)
    del node
    assert len(watched) == 4, "scan, segmentation, table, map"
    scene.Clear()
    host.app.processEvents()
    gc.collect()
    assert [name for name, reference in watched.items() if reference.Get() is not None] == []
