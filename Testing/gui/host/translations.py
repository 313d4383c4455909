"""``slicer.i18n``."""

from __future__ import annotations

import inspect
from pathlib import Path

import slicer


def translate(context: str, text: str) -> str:
    """A text of a context, in the person's language."""
    return slicer.app.translate(context, text)


def tr(text: str) -> str:
    """The same; the context is the file that asks, and its package, where it is in one."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    file = Path(frame.f_back.f_code.co_filename)
    package = f"{file.parent.name}." if (file.parent / "__init__.py").is_file() else ""
    return translate(f"{package}{file.stem}", text)
