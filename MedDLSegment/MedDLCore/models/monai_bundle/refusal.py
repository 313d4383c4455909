"""What a bundle reaches and MedDL does not read as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import Code, MedDLError

LONGEST_TEXT = 300
"""Characters of a bundle's own text that are shown."""


@dataclass(frozen=True)
class Reason:
    """One line of a bundle that lies outside.

    Attributes:
        where: the file and the place in it, in MONAI's notation: ``inference.json: preprocessing::transforms::4``.
        what: the expression, class or value, as it is written there.
        why: what is wrong with it.
        invalid: MONAI could not work with it either, so that trusting the bundle would not help.
    """

    where: str
    what: str
    why: str
    invalid: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.why}"


class OutsideError(Exception):
    """Something that is reached lies outside of what is read."""

    def __init__(self, where: str, what: object, why: str, invalid: bool = False) -> None:
        shown = what if isinstance(what, str) else repr(what)
        shown = "".join(c if c.isprintable() else " " for c in shown[: LONGEST_TEXT + 1])
        shown = shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "..."
        self.reason = Reason(where, shown, why, invalid)
        super().__init__(str(self.reason))


def refusal(reasons: Sequence[Reason]) -> MedDLError:
    """The error that lists the reasons, one on a line. Where there are mistakes, these alone: trust would not help."""
    if mistakes := [reason for reason in reasons if reason.invalid]:
        return MedDLError(Code.MODEL_INVALID, f"The bundle's configuration has mistakes:{_lines(mistakes)}")
    return MedDLError(Code.MODEL_UNTRUSTED, f"The bundle reaches what MedDL does not read as data:{_lines(reasons)}")


def _lines(reasons: Sequence[Reason]) -> str:
    return "".join(f"\n  {reason}" for reason in reasons)
