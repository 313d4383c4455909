"""Runs the tests in ``inside``: ``python Testing/gui/run.py [arguments of pytest]``.

In a process of their own, because Qt and graphics drivers end a process where others raise; on a folder that holds what
CMake lists and nothing else; with no display.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
ROOT = TESTING.parent

MODULES = ("MedDLSegment", "MedDLTrain")
"""Of the extension."""


def assembled(folder: Path) -> dict[str, str]:
    """Assembles the extension in an empty folder; the environment in which a host finds it there."""
    from gui.host.package_folder import assemble

    for module in MODULES:
        assemble(ROOT / module, folder / "lib")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(folder / "lib"), str(TESTING), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MEDDL_GUI_FOLDER": str(folder / "lib"),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", str(folder)),
    }


def run(arguments: Sequence[str], folder: Path, capture: bool = True) -> subprocess.CompletedProcess[str]:
    """Assembles the extension in an empty folder, and runs pytest there."""
    environment = assembled(folder)
    own_path = f"pythonpath={TESTING}"  # not the project's: MedDL comes from the folder
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-o", own_path, *arguments]
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        command.append(str(TESTING / "gui" / "inside"))
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=capture, text=True, check=False)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTING))
    with tempfile.TemporaryDirectory() as made:
        sys.exit(run(sys.argv[1:], Path(made), capture=False).returncode)
