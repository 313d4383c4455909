"""How a results folder is refused."""

from __future__ import annotations

from typing import Any

from ...errors import Code, MedDLError

LONGEST = 80


def refused(file: str, problem: str, hint: str = "") -> MedDLError:
    """What in a file of nnU-Net MedDL cannot take."""
    return MedDLError(Code.MODEL_INVALID, f"{file}: {problem}.", hint)


def printable(text: str, longest: int) -> str:
    """A stranger's text in one line, without what would steer a terminal."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:longest]


def shown(value: Any) -> str:
    """A stranger's value, short enough for a message."""
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
