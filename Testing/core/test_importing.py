"""The import of torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fixtures.packages import threshold_package

PROGRAM = """
import gc, sys
from MedDLCore.importing import import_torch
from MedDLCore.models import open_model
from MedDLCore.pipeline import load

package = open_model(sys.argv[1])
assert "torch" not in sys.modules
load(package, "cpu", 1)
assert gc.isenabled()
frozen = gc.get_freeze_count()
assert frozen > 100_000, frozen
garbage = [[] for _ in range(1000)]
import_torch()
assert gc.get_freeze_count() == frozen, "what comes later is looked through"
"""


def test_what_the_import_of_torch_makes_is_not_looked_through_for_garbage(tmp_path: Path) -> None:
    threshold_package(tmp_path / "package")
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "package")], check=True)
