"""``Resources/CODES.md``: the page that explains every code to users, made from the list itself."""

from __future__ import annotations

from ..errors import EXPLANATIONS, Code, Exit

_INTRODUCTION = """\
# Codes

<!-- Made by `meddl codes --markdown`; do not edit. -->

MedDL never guesses silently. What it refuses, and what it warns of, has a code. A **refusal** ends the case before
anything is written; a **warning** comes with the result and stands in its manifest. Some codes do both: a little is
a warning, too much a refusal. `meddl codes CODE` shows one of them, and `--allow CODE` overrides a refusal where the
text says so.

| exit status | what it says |
|---|---|
"""

_STATUSES = {
    Exit.OK: "all done, perhaps with warnings",
    Exit.INTERNAL: "an error in MedDL itself; please report it",
    Exit.USAGE: "the command was not understood",
    Exit.INPUT: "the input was refused",
    Exit.MODEL: "the model was refused",
    Exit.RESOURCES: "the machine lacks something: memory, a device, an optional part",
    Exit.OUTPUT: "the result could not be written",
    Exit.SOME_FAILED: "some of several cases failed; the others are done",
    Exit.CANCELLED: "cancelled",
}

_COLUMNS = """
| code | what happened | what to do | kind | exit status |
|---|---|---|---|---|
"""


def codes_page() -> str:
    """The page as Markdown: the exit statuses, then every code with its meaning, remedy, kind and exit status."""
    statuses = "".join(f"| {status.value} | {_STATUSES[status]} |\n" for status in Exit)
    return _INTRODUCTION + statuses + _COLUMNS + "".join(map(_row, Code))


def _row(code: Code) -> str:
    explanation = EXPLANATIONS[code]
    meaning, remedy = (text.replace("|", "\\|") for text in (explanation.meaning, explanation.remedy))
    kind = "refusal" if explanation.refuses else "warning"
    return f"| `{code.value}` | {meaning} | {remedy} | {kind} | {explanation.exit.value} |\n"
