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
    """

    where: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.why}"


class OutsideError(Exception):
    """Something that is reached lies outside of what is read."""

    def __init__(self, where: str, what: object, why: str) -> None:
        shown = what if isinstance(what, str) else repr(what)
        shown = "".join(c if c.isprintable() else " " for c in shown[: LONGEST_TEXT + 1])
        shown = shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "..."
        self.reason = Reason(where, shown, why)
        super().__init__(str(self.reason))


def refusal(reasons: Sequence[Reason]) -> MedDLError:
    """The error that lists the reasons, one on a line."""
    lines = "".join(f"\n  {reason}" for reason in reasons)
    return MedDLError(Code.MODEL_UNTRUSTED, f"The bundle reaches what MedDL does not read as data:{lines}")
