"""What the worker finds on this machine, imported while the person still chooses."""

from __future__ import annotations

from typing import Any

from ..importing import import_torch
from ..machine_memory import total_memory
from ..writers import library_versions


def import_libraries() -> dict[str, Any]:
    """Imports torch and the pipeline, which take seconds.

    Returns:
        ``libraries``: their versions by name; ``devices``: what networks can run on, the best one first;
        ``memory``: bytes of the machine, or of its container.

    Raises:
        ImportError: one is missing.
    """
    import_torch()
    import torch

    from .. import inference, pipeline  # noqa: F401

    devices = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {"libraries": library_versions(), "devices": [*devices, "cpu"], "memory": total_memory()}
