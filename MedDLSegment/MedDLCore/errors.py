"""How MedDL refuses and warns.

``MedDLError`` refuses; ``Notice`` is a named warning that travels with the data. Both carry a ``Code`` of the closed
list (``codes.py``), a message that says what happened and where, and (errors) a hint that says what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .codes import Code, Exit
from .explanations import EXPLANATIONS, Explanation
from .text import printable

__all__ = ["EXPLANATIONS", "Code", "Exit", "Explanation", "MedDLError", "Notice"]


@dataclass(frozen=True)
class Notice:
    """A named warning: accepted, and the person is told.

    Attributes:
        code: what it is about.
        message: what was found and what was done, in one sentence, without patient data.
    """

    code: Code
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))

    def __str__(self) -> str:
        return f"{self.code.value}: {self.message}"


@dataclass
class MedDLError(Exception):
    """A refusal that a person can act on.

    Attributes:
        code: one of the closed list.
        message: what happened and where, without patient data.
        hint: what to do next; the code's general remedy where the place knows nothing better.
    """

    code: Code
    message: str
    hint: str = field(default="")

    def __post_init__(self) -> None:
        self.message, self.hint = printable(self.message), printable(self.hint)  # they may quote a stranger's text
        super().__init__(self.message)
        if not self.hint:
            self.hint = EXPLANATIONS[self.code].remedy

    @property
    def exit(self) -> Exit:
        """Exit status of a command that ends with this error."""
        status = EXPLANATIONS[self.code].exit
        return Exit.INPUT if status is Exit.OK else status

    def __str__(self) -> str:
        return f"{self.code.value}: {self.message}"

    def __reduce__(self) -> tuple[type[MedDLError], tuple[Code, str, str]]:
        return type(self), (self.code, self.message, self.hint)
