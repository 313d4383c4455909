"""What a label shows."""

from __future__ import annotations

from typing import Any


def showText(label: Any, text: str) -> None:
    """Gives a ``QLabel`` its text. A label without one takes no room."""
    label.text = text
    label.visible = bool(text)
