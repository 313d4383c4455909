"""How a results folder is refused."""

from __future__ import annotations

from ...errors import Code, MedDLError


def refused(file: str, problem: str, hint: str = "") -> MedDLError:
    """What in a file of nnU-Net MedDL cannot take."""
    return MedDLError(Code.MODEL_INVALID, f"{file}: {problem}.", hint)
