"""What a button shows. A tooltip says why it cannot be clicked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Button:
    """Text, whether it can be clicked, and why (not)."""

    text: str
    enabled: bool
    toolTip: str

    def show(self, widget: Any) -> None:
        """Makes a ``QPushButton`` so."""
        widget.text, widget.toolTip = self.text, self.toolTip
        widget.enabled = self.enabled
