"""A benchmark of the panels: it runs once more, in the test host, with a folder of models of its own."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 600
"""Seconds until something is given up."""


def is_in_host() -> bool:
    """This is the second run."""
    return "MEDDL_GUI_FOLDER" in os.environ


def run_in_host(write_models: Callable[[Path], None]) -> int:
    """Runs the program that runs now once more; its exit code.

    Args:
        write_models: fills the folder of models, which is new.
    """
    sys.path[:0] = [str(ROOT / name) for name in ("Testing", "MedDLSegment", "MedDLTrain")]
    from gui.run import assembled

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_models(folder / "models")
        environment = {**assembled(folder), "MEDDL_MODELS": str(folder / "models")}
        compileall.compile_dir(folder, quiet=2)  # as the modules are from their first use on
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


def new_host() -> Any:
    """The host of this process."""
    from gui.host.start import Host

    return Host(Path(os.environ["MEDDL_GUI_FOLDER"]))


def show_a_panels_widgets(host: Any) -> None:
    """Makes and shows the widgets of a panel, without the panel: PySide6's first use of its classes is not Slicer's."""
    import slicer

    widgets = slicer.util.loadUI(str(host.folder / "Resources" / "UI" / "MedDLSegment.ui"))
    widgets.show()
    slicer.util.childWidgetVariables(widgets)
    host.app.processEvents()
    widgets.deleteLater()
    host.app.processEvents()


def wait(host: Any, condition: Callable[[], object]) -> None:
    """Lets Qt's events come until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        host.app.processEvents()
        time.sleep(0.001)
