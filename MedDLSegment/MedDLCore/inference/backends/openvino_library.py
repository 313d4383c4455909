"""The one place that imports OpenVINO."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from typing import Any


def openvino() -> Any:
    """The library, whose telemetry can no longer be imported.

    ``openvino_telemetry`` posts to a server and keeps a file in the home folder, by default. OpenVINO does without it
    where importing it fails, which None in ``sys.modules`` makes it do (Python's reference, "The module cache").

    Raises:
        ImportError: where it is not installed, or broken.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    return importlib.import_module("openvino")


def openvino_version() -> str | None:
    """Its version, without importing it; None where it is not installed."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return None
