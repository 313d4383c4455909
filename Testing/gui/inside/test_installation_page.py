"""Which Python runs networks, what it has, and what would be installed."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gui.host import pip_packages
from gui.host.desktop import FileDialog

Wait = Callable[..., None]


@pytest.fixture
def page(widget: Any, wait: Wait) -> Iterator[Any]:
    """The page of the installation, shown."""
    widget.pages.show("Installation")
    installation = widget.pages.installation
    wait(lambda: not installation.state.busy)
    pip_packages.asked.clear()
    yield installation
    pip_packages.declines = False
    installation._choosePython("")
    wait(lambda: not installation.state.busy)
    widget.pages.show("")


def without(page: Any, *names: str) -> None:
    """As if these libraries were not there."""
    found = page.state.found
    libraries = {**found.libraries, **dict.fromkeys(names)}
    page._update(found=type(found)(found.executable, found.python, found.machine, libraries))


def test_what_the_worker_has_is_told(page: Any) -> None:
    report = page._ui.report.plainText
    assert f"Python {sys.version.split()[0]}" in report and "found  torch 2." in report and "MISSING" not in report
    assert page._ui.verdictLabel.text == "Everything that networks need is there."
    assert (page._ui.installButton.enabled, page._ui.installButton.toolTip) == (False, "Nothing is missing.")


def test_what_is_missing_is_installed_with_what_slicer_has_kept(page: Any, wait: Wait) -> None:
    without(page, "monai", "psutil")
    assert "MISSING  monai" in page._ui.report.plainText and "monai, psutil" in page._ui.verdictLabel.text
    page._ui.installButton.click()
    (asked,) = pip_packages.asked
    assert asked["requirements"] == ["monai>=1.6.1", "psutil>=5.9"]
    kept = {line.partition("==")[0] for line in asked["constraints"]}
    assert {"numpy", "torch", "SimpleITK", "pydicom"} <= kept and "monai" not in kept
    wait(lambda: not page.state.busy)
    assert not page.state.missing


def test_declining_says_what_can_be_used_all_the_same(page: Any, wait: Wait) -> None:
    without(page, "monai")
    pip_packages.declines = True
    page._ui.installButton.click()
    wait(lambda: not page.state.busy)
    assert page._ui.verdictLabel.text == "Nothing was installed."


def test_without_the_pytorch_extension_torch_is_not_installed_otherwise(page: Any, wait: Wait) -> None:
    without(page, "torch", "monai")
    page._ui.installButton.click()
    wait(lambda: not page.state.busy)
    assert "Install the extension PyTorch" in page._ui.verdictLabel.text and pip_packages.asked == []


def test_torch_comes_from_the_pytorch_extension_and_replaces_nothing_of_slicers(
    page: Any, host: Any, wait: Wait, monkeypatch: Any
) -> None:
    """Its parameters are those of PyTorchUtils; pip is told what to keep through its environment."""
    asked: list[str] = []

    class PyTorchUtilsLogic:
        def installTorch(
            self, askConfirmation: bool = False, forceComputationBackend: Any = None,
            torchVersionRequirement: Any = None, torchvisionVersionRequirement: Any = None,
        ) -> object:  # fmt: skip
            assert askConfirmation
            asked.extend([torchVersionRequirement, Path(os.environ["PIP_CONSTRAINT"]).read_text()])
            return object()

    utils = types.ModuleType("PyTorchUtils")
    utils.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utils)
    without(page, "torch")
    page._ui.installButton.click()  # in testing mode it would install without asking
    wait(lambda: not page.state.busy)
    assert asked == []
    monkeypatch.setattr(host.app, "testingEnabled", lambda: False)
    without(page, "torch")
    page._ui.installButton.click()
    wait(lambda: not page.state.busy)
    assert asked[0] == ">=2.10" and "numpy==" in asked[1] and "torch==" not in asked[1]
    assert "PIP_CONSTRAINT" not in os.environ


def test_a_folder_of_wheels_needs_no_network(page: Any, wait: Wait, tmp_path: Path) -> None:
    without(page, "torch")
    FileDialog.answers.append(str(tmp_path))
    page._ui.installFromButton.click()
    wait(lambda: not page.state.busy)
    assert page._ui.verdictLabel.text.startswith("There are no wheels") and pip_packages.asked == []
    without(page, "torch")
    (tmp_path / "torch-2.13.0-py3-none-any.whl").touch()
    FileDialog.answers.append(str(tmp_path))
    page._ui.installFromButton.click()
    (asked,) = pip_packages.asked
    assert asked["requirements"] == ["--no-index", "--find-links", str(tmp_path), "torch>=2.10"]


def test_another_python_is_asked_and_remembered(page: Any, widget: Any, wait: Wait, tmp_path: Path) -> None:
    import slicer

    from MedDLSegment import WORKER_PYTHON

    for wrong, said in ((tmp_path / "nothing", "could not be started"), (Path("/bin/true"), "no Python that can be")):
        FileDialog.answers.append(str(wrong))
        page._ui.choosePythonButton.click()
        wait(lambda: not page.state.busy)
        assert said in page._ui.report.plainText
    FileDialog.answers.append(sys.executable)
    page._ui.choosePythonButton.click()
    wait(lambda: not page.state.busy)
    assert slicer.util.settingsValue(WORKER_PYTHON, "") == sys.executable
    assert widget.logic.session.python == sys.executable
    without(page, "monai")
    assert not page._ui.installButton.enabled
    assert page._ui.commandEdit.text == f'"{sys.executable}" -m pip install "monai>=1.6.1"'
    wait(lambda: widget.logic.session.devices)
