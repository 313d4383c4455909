"""Imports torch in less time."""

from __future__ import annotations

import gc
import sys


def import_torch() -> None:
    """Imports torch, the first time that it is called, without collecting garbage meanwhile.

    The import makes a million objects that stay. Python's collector looks through them again and again, for a sixth of
    the time, and once more whenever as many are added later: ``gc.freeze`` tells it that they stay.

    Raises:
        ImportError: there is none.
    """
    if "torch" in sys.modules:
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401

        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
