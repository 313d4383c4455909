"""The module in the host: it loads, costs little, and its own test passes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import slicer

from gui.run import MODULES

HEAVY = {"torch", "monai", "numpy", "SimpleITK", "pydicom", "scipy", "MedDLCore", "MedDLScene", "MedDLTraining",
         "MedDLSegmentLib", "MedDLTrainLib"}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_the_module_says_what_it_is(host: Any, name: str) -> None:
    parent = host.modules[name].parent
    assert parent.title and parent.helpText and parent.categories == ["Segmentation"]
    assert not parent.icon.isNull()


@pytest.mark.parametrize("name", MODULES)
def test_its_own_test_passes(host: Any, scene: Any, name: str) -> None:
    slicer.selfTests[name]()


@pytest.mark.parametrize("name", MODULES)
def test_the_module_file_imports_nothing_that_takes_time(host: Any, name: str) -> None:
    """As Slicer imports it at its start, with stand-ins that import nothing either."""
    code = f"""
import sys, types
def module(name, **members):
    sys.modules[name] = made = types.ModuleType(name)
    made.__dict__.update(members)
    return made
base = type("Base", (), {{}})
slicer = module("slicer")
module("vtk")
module("slicer.i18n", tr=str, translate=lambda context, text: text)
names = ["ScriptedLoadableModule" + part for part in ("", "Logic", "Test", "Widget")]
module("slicer.ScriptedLoadableModule", **{{each: type(each, (), {{}}) for each in names}})
module("slicer.util", VTKObservationMixin=base)
sys.path.insert(0, {str(host.folder)!r})
import {name}
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_what_the_panel_says_can_be_translated(host: Any, widget: Any, scene: Any) -> None:
    ui = widget.ui
    host.app.translates = True
    try:
        widget.panel.parametersChanged()
        texts = (ui.applyButton.text, ui.applyButton.toolTip, ui.volumeLabel.text, ui.show3DButton.text)
    finally:
        host.app.translates = False
        widget.panel.parametersChanged()
    assert all(text.startswith("[") for text in texts), texts
