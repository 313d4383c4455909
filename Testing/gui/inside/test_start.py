"""The module in the host: it loads, costs little, and its own test passes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import slicer
from PySide6 import QtGui

from gui.host.bare import STAND_INS
from gui.host.start import ModulePanel
from gui.run import MODULES

HEAVY = {"torch", "monai", "numpy", "SimpleITK", "pydicom", "scipy", "MedDLCore", "MedDLScene", "MedDLTraining",
         "MedDLSegmentLib", "MedDLTrainLib"}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_the_module_says_what_it_is(host: Any, name: str) -> None:
    parent = host.modules[name].parent
    assert parent.title and parent.helpText and parent.categories == ["Segmentation"]
    assert not parent.icon.isNull()


def test_scans_to_try_it_with_are_registered_once_slicer_is_up(host: Any) -> None:
    from SampleData import SampleDataLogic

    assert SampleDataLogic.sources == []
    host.app.startupCompleted.emit()  # to each that was loaded: Slicer emits it once, before anything is reloaded
    assert {source["nodeNames"] for source in SampleDataLogic.sources} == {"MRHead", "CTLiver", "CTChest"}
    for source in SampleDataLogic.sources:
        assert source["uris"].rpartition("/")[2] == source["checksums"].removeprefix("SHA256:")
        assert not QtGui.QPixmap(source["thumbnailFileName"]).isNull()


@pytest.mark.parametrize("name", MODULES)
def test_its_own_test_passes(host: Any, scene: Any, name: str) -> None:
    slicer.selfTests[name]()


@pytest.mark.parametrize("name", MODULES)
def test_the_module_file_imports_nothing_that_takes_time(host: Any, name: str) -> None:
    """As Slicer imports it at its start, with stand-ins that import nothing either."""
    code = f"""{STAND_INS}
sys.path.insert(0, {str(host.folder)!r})
import {name}
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_what_the_panel_says_can_be_translated(host: Any, widget: Any, scene: Any) -> None:
    ui, batch = widget.ui, widget.pages.batch._ui
    host.app.translates = True
    try:
        widget.pages.parametersChanged()
        widget.pages.batch.workflow.forget()
        texts = (
            *(ui.applyButton.text, ui.applyButton.toolTip, ui.volumeLabel.text, ui.show3DButton.text),
            *(batch.startButton.text, batch.startButton.toolTip, batch.modelName.text, batch.statusLabel.text),
        )
    finally:
        host.app.translates = False
        widget.pages.parametersChanged()
        widget.pages.batch.workflow.forget()
    assert all(text.startswith("[") for text in texts), texts


NOT_IN_SLICER = ("torch", "monai", "psutil", "filelock", "safetensors", "yaml", "nrrd", "einops", "click", "rich")
"""What Slicer's own Python does not have."""


WITHOUT_THEM = f"""
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class NotThere(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_IN_SLICER!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)

sys.meta_path.insert(0, NotThere())
from gui.host.start import Host
"""
"""A Slicer in which nothing was installed: none of them can be imported."""


def test_in_a_slicer_without_the_libraries_the_modules_open_and_their_own_tests_pass(host: Any) -> None:
    """In a process of its own."""
    code = f"""
host = Host(Path({str(host.folder)!r}))
import slicer
for name in {MODULES!r}:
    host.load(name)
    slicer.selfTests[name]()
    host.widget(name)
    host.exit(name)
widget = host.shown("MedDLSegment")
assert "MedDLSegmentLib.batch_page" not in sys.modules, "a page is made when a person turns to it"
widget.pages.show("Models")
assert widget.pages.models._ui.list.count > 3
widget.pages.show("Installation")
for name in {MODULES!r}:
    host.unload(name)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", WITHOUT_THEM + code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("done"), done.stdout[-2000:] + done.stderr[-3000:]


def test_without_the_libraries_and_the_module_unopened_a_segment_grows_in_segment_editor(host: Any) -> None:
    """In a process of its own: the effect makes the module's panel, which nobody has entered."""
    code = f"""
host = Host(Path({str(host.folder)!r}))
import numpy as np
import slicer
import vtk
from gui.host.segment_effects import Editor

host.load("MedDLSegment")
slicer.app.startupCompleted.emit()
array = np.full((30, 40, 50), -1000, np.int16)
array[10:20, 10:25, 10:30] = 100
volume = slicer.util.addVolumeFromArray(array)
node = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
node.GetSegmentation().AddEmptySegment("a", "a")
editor = Editor("MedDL clicks", volume, node)
editor.node.SetSelectedSegmentID("a")
view = slicer.app.layoutManager().sliceWidget("Red")
view.mrmlSliceNode().SetSliceOffset(15)
x, y, *_ = np.linalg.inv(slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetXYToRAS())) @ (20, 18, 15, 1)
view.sliceView().interactor().SetEventInformation(round(x), round(y), 0, 0, "0", 0, "")
pressed = vtk.vtkCommand.LeftButtonPressEvent
assert editor.effect.processInteractionEvents(view.sliceView().interactor(), pressed, view)
assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(node, "a", volume) > 0, array > 0)
assert not slicer.util.getModuleWidget("MedDLSegment").parent.isEntered
editor.effect.cleanup()
host.unload("MedDLSegment")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", WITHOUT_THEM + code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("done"), done.stdout[-2000:] + done.stderr[-3000:]


@pytest.mark.parametrize("name", MODULES)
def test_a_panel_that_could_not_be_made_can_be_made_again(host: Any, scene: Any, name: str) -> None:
    """A developer reloads a module whose set-up failed: Slicer cleans up first, whatever there is."""
    made = getattr(sys.modules[name], f"{name}Widget")(ModulePanel(name))
    made.cleanup()
    assert not made.Observations
