"""What Slicer's own process imports must stay light."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "highdicom", "openvino")


@pytest.mark.parametrize("module", ["errors", "volume", "spec", "terminology", "resample", "models", "readers"])
def test_what_slicer_imports_brings_no_torch(module: str) -> None:
    code = f"import sys, MedDLCore.{module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
