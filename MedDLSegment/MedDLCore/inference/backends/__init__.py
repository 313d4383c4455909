"""What computes a network: torch everywhere, OpenVINO on CPUs. See ``Engine`` for which of them does."""

from .agreement import disagreement
from .backend import Backend
from .exported import Exported, versions
from .exporting import NotExportedError, last_line
from .openvino_backend import OpenVINOBackend
from .openvino_library import openvino_version
from .single_patch import SinglePatch
from .torch_backend import TorchBackend

__all__ = [
    "Backend",
    "Exported",
    "NotExportedError",
    "OpenVINOBackend",
    "SinglePatch",
    "TorchBackend",
    "disagreement",
    "last_line",
    "openvino_version",
    "versions",
]
