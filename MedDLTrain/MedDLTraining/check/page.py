"""``Resources/CHECK.md``: the page that explains what the check can find, made from the closed list itself."""

from __future__ import annotations

from .findings import EFFECTS, Severity

_INTRODUCTION = """\
# What `meddl check` can find in training data

<!-- Made by `meddl check --explain`; do not edit. -->

**0** marks what alone can bring the Dice of a label to 0, or make the Dice worthless.
"""

_SECTIONS = {
    Severity.ERROR: "## Errors\n\nA training does not start with them.\n",
    Severity.WARNING: "## Warnings\n\nA training starts. Look at them first.\n",
    Severity.NOTE: "## Notes\n\nGood to know.\n",
}

_COLUMNS = """
| fault | what it does to the training | what to do |
|---|---|---|
"""


def faults_page() -> str:
    """The page as Markdown: errors, warnings and notes, each with its consequence and remedy."""
    return "\n".join([_INTRODUCTION, *(text + _COLUMNS + _rows(severity) for severity, text in _SECTIONS.items())])


def _rows(severity: Severity) -> str:
    return "".join(
        f"| `{fault.value}`{' **0**' if effect.ruins else ''} | {effect.consequence} | {effect.remedy} |\n"
        for fault, effect in EFFECTS.items()
        if effect.severity is severity
    )
