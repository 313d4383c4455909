"""Texts in the person's language. Where there is no Slicer, as it is written here.

``_`` is Slicer's own function, because that looks at the file that calls it: a function around it would hide it.
"""

from __future__ import annotations

try:
    from slicer.i18n import tr as _
except ImportError:

    def _(text: str) -> str:
        return text


__all__ = ["_"]
