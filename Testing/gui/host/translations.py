"""``slicer.i18n``."""

from __future__ import annotations

import inspect
from pathlib import Path

import slicer


def translate(context: str, text: str) -> str:
    """A text of a context, in the person's language."""
    return slicer.app.translate(context, text)


def tr(text: str) -> str:
    """The same; the context is the file that asks."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return translate(Path(frame.f_back.f_code.co_filename).stem, text)
